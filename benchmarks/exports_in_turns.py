"""What an answer of an exported model costs after a change, compared with before.

    git worktree add /tmp/before HEAD~1
    python benchmarks/exports_in_turns.py --before /tmp/before/savedmodels

loads each model of `savedmodels` in both states into one process and asks them in turns. Ratios are
those of the medians of one turn, and the table gives their median over turns. Writes
`benchmarks/results/exports_in_turns.csv`.
"""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import tensorflow as tf
from quality import RESULTS

from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv

SAVED_MODELS = Path(__file__).resolve().parent.parent / "savedmodels"
IDS = [str(number) for number in range(1, 257)]
BATCHES = (1, 64, 256)
CALLS = {1: 10, 64: 3, 256: 1}


def requests(rows: int) -> dict[str, dict[str, tf.Tensor]]:
    """Inputs by signature."""
    history = tf.constant([IDS[:30]] * rows)
    return {
        "recommend": {"user_id": tf.constant(IDS[:rows])},
        "recommend_from_history": {"item_ids": history},
    }


def seconds(ask: Callable[[], object], calls: int) -> float:
    """Median time of one call."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measured(name: str, before: Path, turns: int) -> list[ReportRow]:
    """One row a signature of a model."""
    models = [tf.saved_model.load(str(root / name / "1")) for root in (before, SAVED_MODELS)]
    rows = []
    for signature in requests(1):
        if signature not in models[0].signatures:
            continue
        metrics = {}
        for batch in BATCHES:
            inputs = requests(batch)[signature]
            asks = [functools.partial(model.signatures[signature], **inputs) for model in models]
            for ask in asks:
                seconds(ask, 2)  # traced and warm
            timed = [[seconds(ask, CALLS[batch]) for ask in asks] for _ in range(turns)]
            metrics[f"ms, batch {batch}"] = 1000 * statistics.median(own for _, own in timed)
            metrics[f"ratio, batch {batch}"] = statistics.median(own / old for old, own in timed)
        rows.append(ReportRow(f"{name} {signature}", metrics, {}))
    return rows


@click.command()
@click.option("--before", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--turns", default=9, show_default=True)
def main(before: Path, turns: int) -> None:
    """Measures, prints the table and writes the CSV."""
    rows: list[ReportRow] = []
    for folder in sorted(one for one in SAVED_MODELS.iterdir() if one.is_dir()):
        rows += measured(folder.name, before, turns)
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "exports_in_turns.csv", rows)
    print_table(rows, tuple(rows[0].metrics), title="Exported models after a change")


if __name__ == "__main__":
    main()
