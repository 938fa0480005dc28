"""Profile, semantics and behavior: what each task is worth, beside models of one task.

    python benchmarks/profile_ablation.py --data musical-instruments --data-dir FOLDER

trains `profile_fusion`, the same without each of its tasks, and single models once a
seed on the train part of the temporal split (the epoch chosen on validation, test looked at once),
and writes `benchmarks/results/profile_ablation_<data>.csv`: AUC over the whole catalog (mean over
users, no negative sampled; `evaluation.ranking_auc`), NDCG@10 and recall@20; mean and 95% interval
over seeds. Runs are kept in --runs, so an interrupted measurement goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import click
import options
from quality import RESULTS, is_drawn, trained, with_auc

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.models.profile_fusion.config import TASKS
from tfrec_fusion.zoo.runs.seeds import summary

METRICS = ("auc", "ndcg@10", "recall@20")
NAME = "profile_fusion"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("popularity", "tfidf", "item_knn", "ease")},
    **{name: (name, {}) for name in ("neumf", "two_tower", "text_hybrid")},
    NAME: (NAME, {}),
    **{
        f"without {task}": (NAME, {"tasks": tuple(one for one in TASKS if one != task)})
        for task in TASKS
    },
}


@click.command()
@options.data("musical-instruments")
@options.DATA_DIR
@options.SEEDS
@options.runs("runs/profile")
@options.variants(VARIANTS)
def main(
    data: str, data_dir: Path | None, seeds: int, runs: Path, variants: tuple[str, ...]
) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    rows = []
    for name in variants:
        model, choices = VARIANTS[name]
        made = []
        for seed in range(seeds if is_drawn(model) else 1):
            folder = runs / tables.name / f"{name.replace(' ', '_')}-{seed}"
            how = {"seed": seed, "refit": False, **choices}
            made.append(with_auc(trained(model, tables, folder, **how)))
        rows.append(summary(name, made, METRICS))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"profile_ablation_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
