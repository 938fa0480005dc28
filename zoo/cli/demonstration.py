"""The demonstration: baselines and neural models on one data set, compared, exported and asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.serving.export.reload import recommend_in_clean_process
from tfrec_fusion.serving.export.sources import POPULARITY
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.runs.comparison import notes, write_report
from tfrec_fusion.zoo.runs.run import is_measured, load_run
from tfrec_fusion.zoo.runs.train import train

DEMO_MODELS = ("popularity", "item_knn", "ease", "neumf", "two_tower")


@dataclass(frozen=True)
class Demonstration:
    """Results of the demonstration.

    Attributes:
        rows: The models' numbers on the test part.
        best: Name of the best by NDCG@10.
        export: The version folder of its SavedModel.
        items: What a process with only TensorFlow recommends: `item_id`, `title`, `score`.
    """

    rows: list[ReportRow]
    best: str
    export: Path
    items: list[dict[str, Any]]


def run_demo(
    tables: RecData, folder: Path, *, user_id: str, say: Callable[[str], None]
) -> Demonstration:
    """Trains `DEMO_MODELS`, prints them side by side, exports the best and asks the export.

    Runs that `folder` holds already are kept, so that an interrupted demo goes on.

    Args:
        tables: Validated tables.
        folder: Where runs, report and SavedModel go.
        user_id: The user whose recommendations are shown.
        say: Called with one line about each step.

    Returns:
        The numbers, and what the best model by test NDCG@10 answered.
    """
    started = time.perf_counter()
    runs = []
    for name in DEMO_MODELS:
        there = is_measured(folder / name)
        say(f"{name}: trained already" if there else f"{name}:")
        runs.append(
            load_run(folder / name) if there else train(name, tables, folder / name, say=say)
        )
    rows = [
        ReportRow(run.info["model"], run.info["test"], run.info["test_intervals"]) for run in runs
    ]
    curves = {
        run.info["model"]: run.info["training"]["history"]
        for run in runs
        if "history" in run.info["training"]
    }
    title = f"Models of the zoo on {tables.name}"
    said = [
        *notes(runs[-1].info)[:1],
        *dict.fromkeys(one for run in runs for one in run.info.get("notes", ())),
    ]
    write_report(folder, rows, title=title, notes=said, curves=curves)
    best = max(runs, key=lambda run: run.info["test"].get("ndcg@10", -1.0))
    report = export_run(best, folder / "savedmodels" / best.info["model"])
    say(
        f"The best, {best.info['model']}, is exported to {report.path} and answers the same in a "
        f"process that has only TensorFlow (largest difference {report.max_abs_difference:.1e})."
    )
    answer = recommend_in_clean_process(report.path, [user_id])[0]
    if any(item["source"] == POPULARITY for item in answer["items"]):
        say(f"User {user_id} was never seen: these are popular items, whose scores count events.")
    say(f"{folder / 'report.html'} shows the numbers; {time.perf_counter() - started:.0f} s.")
    return Demonstration(rows, best.info["model"], report.path, answer["items"])
