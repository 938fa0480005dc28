"""What each option of training brings: one changed at a time, beside the plain recipe.

    python benchmarks/training_ablation.py --data musical-instruments --data-dir FOLDER

trains `text_hybrid` once a seed: by its recipe, with its embedding tables attacked, with smoothed
labels, without weight decay and without dropout (ids and texts are left out at random all the
same); and `multi_task` with all words of the reviews and with some, in their order and in others.
Each learns from the train part of the temporal split alone (the epoch chosen on validation, test
looked at once). Writes `benchmarks/results/training_ablation_<data>.csv`: mean and 95% interval
over seeds. The attack's length was chosen on validation. Runs are kept in --runs, so an interrupted
measurement goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import click
import options
import tensorflow as tf
from quality import RESULTS, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.runs.seeds import summary

METRICS = ("ndcg@10", "recall@20", "mrr@10", "coverage@10", "rmse", "sentiment_auc", "perplexity")
JUDGING: dict[str, Any] = {"tasks": ("rating", "sentiment")}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # model, keywords of its training
    "text_hybrid": ("text_hybrid", {}),
    "adversarial": ("text_hybrid", {"adversarial_epsilon": 0.2}),
    "label smoothing 0.1": ("text_hybrid", {"label_smoothing": 0.1}),
    "no weight decay": ("text_hybrid", {"weight_decay": 0.0}),
    "no dropout": ("text_hybrid", {"dropout": 0.0}),
    "multi_task": ("multi_task", {}),
    "multi_task, 20% of words left out": ("multi_task", {"word_dropout": 0.2}),
    "multi_task that predicts no words": ("multi_task", JUDGING),
    "the same, spans of half the reviews swapped": ("multi_task", {**JUDGING, "span_swap": 0.5}),
}


@click.command()
@options.data("musical-instruments")
@options.DATA_DIR
@options.SEEDS
@click.option("--epochs", type=int, help="At most; the recipe's by default.")
@options.threads()
@options.runs("runs/training_ablation")
@options.variants(VARIANTS)
def main(
    data: str,
    data_dir: Path | None,
    seeds: int,
    epochs: int | None,
    threads: int,
    runs: Path,
    variants: tuple[str, ...],
) -> None:
    """Trains, prints the table and writes the CSV."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tables = read_tables(data, data_dir)
    rows = []
    for name in variants:
        model, choices = VARIANTS[name]
        made = []
        for seed in range(seeds):
            folder = runs / tables.name / f"{name.replace(' ', '_')}-{seed}"
            how = {"seed": seed, "epochs": epochs, "refit": False, **choices}
            made.append(trained(model, tables, folder, **how))
        rows.append(summary(name, made, METRICS))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"training_ablation_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
