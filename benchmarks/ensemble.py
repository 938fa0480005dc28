"""Whether several models together beat the best of them, full ranking on the test part.

    python benchmarks/ensemble.py --data movielens-100k

combines the members' runs (made where they are missing, in --runs) once a seed, weights chosen on
validation, and writes `benchmarks/results/ensemble_<data>.csv`: mean and 95% interval over seeds,
and the mean weight of each member.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses

import click
import numpy as np
import options
from quality import METRICS, RESULTS, is_drawn, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.seeds import summary

MEMBERS = ("ease", "item_knn", "text_hybrid")
WEIGHT = "mean weight"


@click.command()
@options.data()
@options.DATA_DIR
@options.SEEDS
@click.option("--epochs", type=int, help="Of neural members, at most.")
@options.runs("runs/hybrid")
@click.option("--member", "members", multiple=True, default=MEMBERS, help="All by default.")
def main(
    data: str,
    data_dir: Path | None,
    seeds: int,
    epochs: int | None,
    runs: Path,
    members: tuple[str, ...],
) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    made: dict[str, list] = {name: [] for name in members}
    ensembles = []
    for seed in range(seeds):
        folders = []
        for name in members:
            drawn = is_drawn(name)
            folders.append(runs / tables.name / f"{name}-{seed if drawn else 0}")
            if drawn or not seed:
                how = {"seed": seed, "epochs": epochs if drawn else None}
                made[name].append(trained(name, tables, folders[-1], **how))
        folder = runs / tables.name / f"ensemble of {' '.join(members)}-{seed}"
        finished = (folder / "run.json").exists()
        ensembles.append(
            load_run(folder) if finished else train_ensemble(folders, folder, say=click.echo)
        )
    weights = {name: [run.info["weights"][name] for run in ensembles] for name in members}
    rows = []
    for name in members:
        row = summary(name, made[name], METRICS)
        mean = {WEIGHT: float(np.mean(weights[name]))}
        rows.append(dataclasses.replace(row, metrics=dict(row.metrics) | mean))
    rows.append(summary("ensemble", ensembles, METRICS))
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / f"ensemble_{tables.name}.csv", rows)
    print_table(rows, (*METRICS, WEIGHT), title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
