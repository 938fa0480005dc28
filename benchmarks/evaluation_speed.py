"""How fast and how large full-ranking evaluation is.

    python benchmarks/evaluation_speed.py

measures `evaluate_ranking`, 1,000 bootstrap resamples included, after one warm-up: NeuMF and the
two-tower (scoring included, untrained weights score as fast as trained ones) on a public data
set's test users, and 10,000 users x 100,000 items (64-d dot products) in a process of its own
whose peak memory is read from the operating system. Writes
`benchmarks/results/evaluation_speed.csv`.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
import pandas as pd
import scipy.sparse as sp

from tfrec_fusion.evaluation.ranking import evaluate_ranking
from tfrec_fusion.files.whole import write_text

RESULTS = Path(__file__).parent / "results"
LARGE_USERS, LARGE_ITEMS, DIM = 10_000, 100_000, 64


def zoo_models(data: str, data_dir: Path | None) -> list[dict[str, object]]:
    """Seconds for every test user of a public data set, by model."""
    from tfrec_fusion import zoo
    from tfrec_fusion.data.indexed import index_data
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.zoo.runs.full_ranking import ranking_of

    indexed = index_data(read_tables(data, data_dir))
    sizes = {"num_users": len(indexed.users), "num_items": len(indexed.items)}
    rows: list[dict[str, object]] = []
    for name in ("neumf", "two_tower"):
        measure = ranking_of(zoo.build(name, **sizes), indexed.train_and_validation, indexed.test)
        seconds = [measure().seconds for _ in range(6)][1:]
        users = len(measure().users)
        rows.append(
            {
                "what": f"{name}, {data}",
                "users": users,
                "items": sizes["num_items"] - 1,
                "seconds": round(float(np.median(seconds)), 3),
            }
        )
    return rows


def large() -> dict[str, object]:
    """10,000 users x 100,000 items; peak memory is this process's."""
    rng = np.random.default_rng(0)
    users = rng.normal(size=(LARGE_USERS, DIM)).astype(np.float32)
    items = rng.normal(size=(LARGE_ITEMS, DIM)).astype(np.float32)
    cells = rng.integers(0, LARGE_ITEMS, (2, LARGE_USERS, 50))
    row = np.repeat(np.arange(LARGE_USERS), 50)
    shape = (LARGE_USERS, LARGE_ITEMS)
    known, heldout = (
        sp.csr_matrix((np.ones(row.size, np.float32), (row, one.ravel())), shape=shape)
        for one in cells
    )
    result = evaluate_ranking(lambda some: users[some] @ items.T, known, heldout)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "what": f"dot products, {DIM}-d",
        "users": LARGE_USERS,
        "items": LARGE_ITEMS,
        "seconds": round(result.seconds, 1),
        "peak_gib": round(peak, 2),
    }


@click.command()
@options.data()
@options.DATA_DIR
@click.option("--only-large", is_flag=True, hidden=True)
def main(data: str, data_dir: Path | None, only_large: bool) -> None:
    """Measures, prints the table and writes the CSV."""
    if only_large:
        click.echo(json.dumps(large()))
        return
    alone = subprocess.run(
        [sys.executable, __file__, "--only-large"], capture_output=True, text=True, check=True
    )
    table = pd.DataFrame([*zoo_models(data, data_dir), json.loads(alone.stdout.splitlines()[-1])])
    click.echo(table.to_string(index=False))
    write_text(RESULTS / "evaluation_speed.csv", table.to_csv(index=False))


if __name__ == "__main__":
    main()
