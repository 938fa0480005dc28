"""What the models score: full ranking on the test part, mean of several seeds.

    python benchmarks/quality.py --data movielens-100k

trains every model of `MODELS` on the temporal split once a seed with its defaults (epochs chosen
on validation, refitted on train and validation, test looked at once) and writes
`benchmarks/results/quality_<data>.csv`: mean and 95% interval over seeds (Student's t), and,
for models that draw nothing, the bootstrap interval over users of their one run. Rows are written
as models finish, and runs are kept in --runs, so that an interrupted measurement resumes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import options

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.runs.measurement import measured
from tfrec_fusion.zoo.runs.run import Run, is_measured, load_run
from tfrec_fusion.zoo.runs.seeds import summary
from tfrec_fusion.zoo.runs.train import train

MODELS = (
    *("popularity", "tfidf", "user_knn", "item_knn", "ease"),
    *("gmf", "mlp", "neumf", "two_tower"),
)
METRICS = ("ndcg@10", "recall@10", "recall@20", "hr@10", "mrr@10", "coverage@10")
RESULTS = Path(__file__).parent / "results"


def trained(model: str, tables: RecData, folder: Path, **keywords: Any) -> Run:
    """Returns a run, trained where it is missing; interrupted training resumes."""
    if not is_measured(folder):
        train(model, tables, folder, say=click.echo, **keywords)
    return load_run(folder)


def is_drawn(model: str) -> bool:
    """Returns whether a model depends on the seed; baselines do not."""
    return not zoo.get_spec(model).is_baseline


def with_auc(run: Run) -> Run:
    """The run with AUC among its numbers, which `train` measures of models with tasks alone."""
    if "auc" in run.info["test"] or not run.info["test"]:
        return run
    name, parts = run.info["model"], (run.known_at_test, run.parts["test"])
    row = measured(name, run.model, *parts, auc=True, tasks=False).row
    ends = {key: row.intervals[key] for key in ("auc",) if key in row.intervals}
    info = {
        "test": run.info["test"] | {"auc": row.metrics["auc"]},
        "test_intervals": run.info["test_intervals"] | ends,
    }
    return replace(run, info=run.info | info)


@click.command()
@options.data()
@options.DATA_DIR
@options.SEEDS
@options.runs("runs/quality")
@click.option("--model", "models", multiple=True, default=MODELS, help="All by default.")
def main(data: str, data_dir: Path | None, seeds: int, runs: Path, models: tuple[str, ...]) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    rows = []
    for name in models:
        made = []
        for seed in range(seeds if is_drawn(name) else 1):
            folder = runs / tables.name / f"{name}-{seed}"
            made.append(trained(name, tables, folder, seed=seed))
        rows.append(summary(name, made, METRICS))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"quality_{tables.name}.csv", rows)
    print_table(rows, METRICS, title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
