"""What a knowledge graph adds, over the catalog and for items that few people took.

    python benchmarks/knowledge_quality.py

trains `knowledge_hybrid` on MovieLens-100K with its Freebase triples, the same without text and
without ids, and `text_hybrid`, which is it without the graph, on the temporal split once a seed
(epochs chosen on validation, refitted on train and validation, test looked at once), and writes
`benchmarks/results/knowledge_<data>.csv`: mean and 95% interval over seeds. Rare items have 1 to 4
events before the test part; only their test events count in their columns, ranked in the whole
catalog and among rare items alone. `benchmarks/hybrid_quality.py` makes the runs of `text_hybrid`
too, and both share --runs.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import click
import numpy as np
import options
from cold_items import K, recalls_of
from quality import METRICS, RESULTS, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.seeds import over_seeds, summary

RARE = 5  # events from which on an item is no longer rare
OF_RARE = (f"recall@{K} of rare items", f"recall@{K} among rare items")
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "text_hybrid": ("text_hybrid", {}),
    "knowledge_hybrid": ("knowledge_hybrid", {}),
    "without text": ("knowledge_hybrid", {"sources": "id"}),
    "without ids": ("knowledge_hybrid", {"sources": "text"}),
}


def rare_recalls(run: Run) -> dict[str, float]:
    """Recall of rare items' test events, in the whole catalog and among rare items."""
    known, heldout = run.known_at_test, run.parts["test"]
    rare = (known.item_counts > 0) & (known.item_counts < RARE)
    model: Any = run.model
    score = compiled_scores(model.score_model(known))
    return dict(zip(OF_RARE, recalls_of(score, known, heldout, rare), strict=True))


@click.command()
@options.data()
@options.DATA_DIR
@options.SEEDS
@options.EPOCHS
@options.runs("runs/hybrid")
@options.variants(VARIANTS)
def main(
    data: str,
    data_dir: Path | None,
    seeds: int,
    epochs: int | None,
    runs: Path,
    variants: tuple[str, ...],
) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    if tables.graph is None:
        raise click.UsageError(f"{data} has no graph. movielens-100k has one.")
    rows = []
    for name in variants:
        model, choices = VARIANTS[name]
        made = []
        for seed in range(seeds):
            label = name.replace(" ", "_") if model == name else f"knowledge_{name}"
            folder = runs / tables.name / f"{label.replace(' ', '_')}-{seed}"
            made.append(trained(model, tables, folder, seed=seed, epochs=epochs, **choices))
        row, rare = summary(name, made, METRICS[:3]), [rare_recalls(run) for run in made]
        metrics, intervals = dict(row.metrics), dict(row.intervals)
        for metric in OF_RARE:
            values = [one[metric] for one in rare]
            metrics[metric] = float(np.mean(values))
            if len(values) > 1:
                intervals[metric] = over_seeds(values)
        rows.append(dataclasses.replace(row, metrics=metrics, intervals=intervals))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"knowledge_{tables.name}.csv", rows)
    shown = (*METRICS[:3], *OF_RARE)
    print_table(rows, shown, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
