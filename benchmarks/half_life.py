"""How fast a history should fade in EASE, and how many weights an item needs: on validation alone.

    python benchmarks/half_life.py --data movielens-latest-small

fits EASE on the training part of the temporal split with each half-life, all weights kept, then
with the best half-life and fewer weights an item. Writes NDCG@10 and recall@20 of the validation
part, with 95% bootstrap intervals over users, to `benchmarks/results/half_life_<data>.csv`. The
test part is not looked at.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import options
from quality import RESULTS

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.zoo.baselines.ease import EASE
from tfrec_fusion.zoo.runs.full_ranking import ranking_of

HALF_LIVES = (0, 3, 5, 7, 10, 20)
KEPT = (25, 50, 100, 200)
METRICS = ("ndcg@10", "recall@20")


@click.command()
@options.data("movielens-latest-small")
@options.DATA_DIR
def main(data: str, data_dir: Path | None) -> None:
    """Fits, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    parts = index_data(tables)
    rows: list[ReportRow] = []

    def fit(half_life: float, kept: int) -> float:
        model = EASE(half_life=half_life, kept=kept).fit(parts.train)
        found = ranking_of(model, parts.train, parts.validation)()
        fades = f"half-life {half_life:g}" if half_life else "no half-life"
        name = f"{fades}, {f'{kept} weights an item' if kept else 'all weights'}"
        measured = {metric: found.metrics[metric] for metric in METRICS}
        rows.append(ReportRow(name, measured, {one: found.intervals[one] for one in METRICS}))
        click.echo(f"{name}: {measured[METRICS[0]]:.4f}", err=True)
        return measured[METRICS[0]]

    ndcg = {half_life: fit(half_life, 0) for half_life in HALF_LIVES}
    best = max(ndcg, key=lambda half_life: ndcg[half_life])
    for kept in KEPT:
        fit(best, kept)
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / f"half_life_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, validation part")


if __name__ == "__main__":
    main()
