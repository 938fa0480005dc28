"""Whether a recommender gains from learning ratings and reviews along: fixed and balanced losses.

    python benchmarks/multi_task_quality.py --data musical-instruments --data-dir FOLDER

trains `multi_task` once a seed and a way of weighing its losses, on the train part of the temporal
split alone (the epoch chosen on validation, test looked at once), and writes
`benchmarks/results/multi_task_<data>.csv`: NDCG@10, recall@20 and AUC over the whole catalog,
RMSE of ratings in stars, AUC of positive reviews, perplexity of reviews per token; mean and 95%
interval over seeds. Beside it stand its parts, each trained alone with the same sizes and epochs,
and the classics of either task. λ is the weight of the next item's and the rating's losses beside
those of the reviews' words and sentiment. Runs are kept in --runs, so an interrupted measurement
goes on.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from typing import Any

import click
import numpy as np
import options
from quality import RESULTS, trained, with_auc

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.evaluation.rating import evaluate_rating
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.layers.multitask import BALANCES
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.zoo.runs.seeds import summary

METRICS: tuple[str, ...] = (
    *("ndcg@10", "recall@20", "auc"),
    *("rmse", "sentiment_auc", "perplexity"),
)
CLASSICS = ("popularity", "ease")
RANKING = METRICS[:3]
Variant = tuple[str, dict[str, Any]]  # model, keywords of its training
ALONE: dict[str, Variant] = {
    "next items alone": ("text_hybrid", {}),
    "ratings alone": ("multi_task", {"tasks": ("rating",), "loss_weights": {"logits": 0.0}}),
}
FIXED: dict[str, Variant] = {
    f"λ = {weight:g}": ("multi_task", {"loss_weights": {"logits": weight, "rating": weight}})
    for weight in (0.0, 0.01, 0.1, 1.0)
}
BALANCED: dict[str, Variant] = {
    balance: ("multi_task", {"balance": balance}) for balance in BALANCES if balance != "fixed"
}
VARIANTS = ALONE | FIXED | BALANCED


def biases(tables: RecData) -> ReportRow:
    """The classic of ratings: mean and damped biases of the train part."""
    data = index_data(tables, "temporal")
    layer = RatingBiases(len(data.users), len(data.items))
    layer.set_ratings(data.train.user, data.train.item, data.train.rating)
    predicted = np.asarray(layer(data.test.user, data.test.item))
    result = evaluate_rating(data.test.rating, predicted)
    return ReportRow("biases", {"rmse": result.metrics["rmse"]}, {"rmse": result.intervals["rmse"]})


@click.command()
@options.data("musical-instruments")
@options.DATA_DIR
@options.SEEDS
@click.option("--epochs", default=8, show_default=True, help="At most.")
@options.runs("runs/multi_task")
@options.variants(VARIANTS)
def main(
    data: str, data_dir: Path | None, seeds: int, epochs: int, runs: Path, variants: tuple[str, ...]
) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    rows = []
    for name in CLASSICS:
        folder = runs / tables.name / name
        run = with_auc(trained(name, tables, folder))
        rows.append(summary(name, [run], METRICS))
    rows.append(biases(tables))
    for name in variants:
        model, choices = VARIANTS[name]
        made = []
        for seed in range(seeds):
            folder = runs / tables.name / f"{name.replace(' ', '_')}-{seed}"
            how = {"seed": seed, "epochs": epochs, "refit": False, **choices}
            made.append(with_auc(trained(model, tables, folder, **how)))
        shown: tuple[str, ...] = METRICS
        if choices.get("loss_weights", {}).get("logits") == 0:
            shown = tuple(one for one in METRICS if one not in RANKING)  # never learned
        rows.append(summary(name, made, shown))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"multi_task_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
