"""What evaluation after `tfrec-zoo train popularity` costs, in passes of a full ranking.

    python benchmarks/evaluation_cost.py

The tables are those of the synthetic generator, 20,000 users x 20,000 items. One pass is
`evaluate_ranking`, 1,000 bootstrap resamples included, of the same model by a plain scorer (its
row repeated for each user). `train popularity` is what `train` measures of its own model;
`yardsticks` is what it adds for the rows beside it, the fit of the classic apart. `with AUC` is a
model that scores every pair of user and item by a dot product, lists alone and lists with AUC over
the catalog: what a model with tasks costs. The ways take turns in one process, so that other
processes slow all of them alike; a ratio is the median over turns.
Writes `benchmarks/results/evaluation_cost.csv`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pandas as pd

from tfrec_fusion import zoo
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.measurement import measured

RESULTS = Path(__file__).parent / "results"
DIM = 64


def plain(model: Any) -> Any:
    """The same scores, a row of its own for every user."""
    return SimpleNamespace(score=lambda users: np.array(model.score(users)))


def dot_products(known: Events) -> Any:
    """A model whose scores differ from user to user."""
    rng = np.random.default_rng(0)
    users, items = (
        rng.normal(size=(size, DIM)).astype(np.float32)
        for size in (known.num_users, known.num_items)
    )
    return SimpleNamespace(score=lambda some: users[some] @ items.T)


def ways(known: Events, test: Events) -> dict[str, Callable[[], object]]:
    """What is timed; the first is the pass that the others are compared with."""
    popularity = zoo.build("popularity").fit(known)
    classic = "ease" if zoo.build("ease").fits_memory(known.num_items) else "item_knn"
    beside = zoo.build(classic)
    everybody = dot_products(known)
    return {
        "one full-ranking pass": ranking_of(plain(popularity), known, test),
        "train popularity, its own numbers": lambda: measured(
            "popularity", popularity, known, test
        ),
        f"its yardsticks: {classic}, fit": lambda: beside.fit(known),
        f"its yardsticks: {classic}, numbers": lambda: measured(classic, beside, known, test),
        f"{DIM}-d dot products, lists": ranking_of(everybody, known, test),
        f"{DIM}-d dot products, lists and AUC": ranking_of(everybody, known, test, auc=True),
    }


@click.command()
@click.option("--size", default=20_000, show_default=True, help="Users, and items.")
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--turns", default=5, show_default=True)
def main(size: int, events: int, turns: int) -> None:
    """Measures, prints the table and writes the CSV."""
    data = index_data(generate(size, size, events))
    timed = ways(data.train_and_validation, data.test)
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(turns):
        for name, way in timed.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    rows = pd.DataFrame(seconds)
    table = pd.DataFrame(
        {
            "what": rows.columns,
            "users": size,
            "items": size,
            "seconds": rows.median().round(2).to_numpy(),
            "passes": rows.div(rows.iloc[:, 0], axis=0).median().round(2).to_numpy(),
        }
    )
    click.echo(table.to_string(index=False))
    write_text(RESULTS / "evaluation_cost.csv", table.to_csv(index=False))


if __name__ == "__main__":
    main()
