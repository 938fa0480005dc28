"""Cold-start items: which models find them, in the whole catalog and among themselves.

    python benchmarks/cold_items.py --data movielens-100k
    python benchmarks/cold_items.py --data musical-instruments --data-dir FOLDER

holds out a fifth of the items with all their events (another tenth of the items chooses epochs), so
that no held-out item has one training event, trains on the rest and ranks for every user: the
whole catalog, and the held-out items alone. Once a seed, which also draws the items. Writes
`benchmarks/results/cold_items_<data>.csv`: mean and 95% interval over seeds.

The hybrid places new items by their texts and offers them by their share of the catalog
(`zoo.models.text_hybrid.new_items`), rules that look at no held-out event. Popularity knows
nothing of new items: among them its ties are broken by catalog order, which in MovieLens is itself
close to popularity; `random` draws scores.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import options
from quality import RESULTS, trained

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.ranking import evaluate_ranking
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.evaluation.top_items import Score
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.seeds import over_seeds

MODELS: dict[str, tuple[str, dict[str, Any]]] = {  # model, keywords of its training
    "popularity": ("popularity", {}),
    "tfidf": ("tfidf", {}),
    "id only": ("text_hybrid", {"sources": "id"}),
    "text_hybrid": ("text_hybrid", {"offer_new_items": True}),
}
K = 20
METRICS = (f"recall@{K}, whole catalog", f"recall@{K}, among cold items")


def recalls(run: Run, random_seed: int | None = None) -> dict[str, float]:
    """Recall of the held-out items' events; by random scores when a seed is given."""
    known, heldout = run.known_at_test, run.parts["test"]
    if random_seed is None:
        score = getattr(run.model, "score", None) or compiled_scores(run.model.score_model(known))
    else:
        drawn = np.random.default_rng(random_seed).random((known.num_users, known.num_items))
        score = lambda users: drawn[users].astype(np.float32)  # noqa: E731
    cold = (np.arange(known.num_items) > 0) & (known.item_counts == 0)
    return dict(zip(METRICS, recalls_of(score, known, heldout, cold), strict=True))


def recalls_of(score: Score, known: Events, heldout: Events, items: np.ndarray) -> list[float]:
    """Recall of the events of some items (a mask): among all items, and among those alone."""
    wanted = heldout.matrix().multiply(items[None, :]).tocsr()
    wanted.eliminate_zeros()
    every = np.arange(known.num_items) > 0
    return [
        evaluate_ranking(
            score, known.matrix(), wanted, ks=[K], candidates=part, num_bootstrap=0
        ).metrics[f"recall@{K}"]
        for part in (every, items)
    ]


@click.command()
@options.data()
@options.DATA_DIR
@options.SEEDS
@options.EPOCHS
@options.runs("runs/cold")
def main(data: str, data_dir: Path | None, seeds: int, epochs: int | None, runs: Path) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    values: dict[str, list[dict[str, float]]] = {"random": []}
    for name in MODELS:
        values[name] = []
        for seed in range(seeds):
            folder = runs / tables.name / f"{name.replace(' ', '_')}-{seed}"
            model, choices = MODELS[name]
            how = {"split": "cold_item", "seed": seed, "epochs": epochs, **choices}
            run = trained(model, tables, folder, **how)
            values[name].append(recalls(run))
            if name == "popularity":
                values["random"].append(recalls(run, random_seed=seed))
    rows = []
    for name, found in values.items():
        columns = {metric: [one[metric] for one in found] for metric in METRICS}
        means = {metric: float(np.mean(column)) for metric, column in columns.items()}
        rows.append(
            ReportRow(
                name, means, {metric: over_seeds(column) for metric, column in columns.items()}
            )
        )
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / f"cold_items_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, a fifth of the items cold, {seeds} seeds")


if __name__ == "__main__":
    main()
