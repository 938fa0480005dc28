"""Whether tuning the language model pays: the hybrid with a frozen, an adapted one.

    python benchmarks/lora_tuning.py --data musical-instruments --data-dir FOLDER

trains `text_hybrid` on the temporal split once a seed, with `text_mode` frozen and lora (which
starts from the frozen one's trained weights), and writes `benchmarks/results/lora_<data>.csv`:
test metrics, mean and 95% interval over seeds, and which share of the language model's parameters
is trained. `benchmarks/hybrid_quality.py` makes the frozen runs too, and both share --runs.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import dataclasses

import click
import options
from quality import METRICS, RESULTS, trained

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.evaluation.report import print_table, write_csv
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.seeds import summary

VARIANTS: dict[str, dict[str, object]] = {
    "frozen": {},
    "lora, last 2 blocks": {"text_mode": "lora", "lora_layers": 2},
}
SHARE = "share trained"


def trained_share(run: Run) -> float:
    """Trained parameters of the language model as a share of all of its parameters."""
    if not run.model.config.tunes_text:  # type: ignore[attr-defined]
        return 0.0
    tower = run.model.get_layer("item_text").tower  # type: ignore[attr-defined]
    return tower.adaptation.trainable_share


@click.command()
@options.data("musical-instruments")
@options.DATA_DIR
@options.SEEDS
@options.runs("runs/hybrid")
def main(data: str, data_dir: Path | None, seeds: int, runs: Path) -> None:
    """Trains, prints the table and writes the CSV."""
    tables = read_tables(data, data_dir)
    rows = []
    for name, choices in VARIANTS.items():
        made = []
        for seed in range(seeds):
            label = name.split(",")[0] if choices else "text_hybrid"
            folder = runs / tables.name / f"{label}-{seed}"
            made.append(trained("text_hybrid", tables, folder, seed=seed, **choices))
        row = summary(name, made, METRICS)
        share = {SHARE: trained_share(made[0])}
        rows.append(dataclasses.replace(row, metrics=dict(row.metrics) | share))
        RESULTS.mkdir(exist_ok=True)
        write_csv(RESULTS / f"lora_{tables.name}.csv", rows)
    print_table(rows, (*METRICS, SHARE), title=f"{tables.name}, test part, {seeds} seeds")


if __name__ == "__main__":
    main()
