"""Numbers next to those of baselines: the rows, notes and report of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.data.suspicious import audit_lines
from tfrec_fusion.evaluation.report import ReportRow, write_csv, write_html
from tfrec_fusion.zoo.baselines.ease import SPEC as EASE
from tfrec_fusion.zoo.baselines.neighbors import ITEM_KNN
from tfrec_fusion.zoo.baselines.popularity import SPEC as POPULARITY
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.measurement import Measured, further_metrics, measured

SHOWN_METRICS = ("ndcg@10", "recall@10", "recall@20", "hr@10", "mrr@10", "coverage@10")


def yardsticks(
    data: IndexedData,
    *,
    allow_seen: bool = False,
    auc: bool = False,
    own: tuple[Any, Measured] | None = None,
) -> list[ReportRow]:
    """Measures popularity and EASE, fitted on train and validation, on the test part.

    Item-kNN takes the place of EASE where the catalog is too large for EASE.

    Args:
        data: Vocabularies and parts.
        allow_seen: Whether items that a user has already are ranked too.
        auc: Whether AUC over the catalog is measured.
        own: A model fitted on train and validation and its numbers, which are not measured again
            where it is one of these two with its defaults.
    """
    known, rows = data.train_and_validation, []
    tuned = EASE if EASE.config().fits_memory(known.num_items) else ITEM_KNN
    for spec in (POPULARITY, tuned):
        title, model = f"{spec.name} (classic)", spec.config()
        if own is not None and model == own[0]:  # of the same class, with the same keywords
            rows.append(replace(own[1].row, model=title))
            continue
        model.fit(known)
        found = measured(title, model, known, data.test, allow_seen=allow_seen, auc=auc)
        rows.append(found.row)
    return rows


def shown_metrics(rows: Sequence[ReportRow], model: str) -> list[str]:
    """Returns the metrics that a table about a model shows: the lists', and its tasks'."""
    present = {name for row in rows for name in row.metrics}
    return [name for name in (*SHOWN_METRICS, *further_metrics(model)) if name in present]


def notes(info: Mapping[str, Any]) -> list[str]:
    """Returns the conditions of a run's numbers as sentences, from its `run.json`."""
    data, training = info["data"], info["training"]
    lines = [
        f"Data: {data['name']}, {data['split']}. Every item of the catalog is ranked"
        f"{'' if info['options'].get('allow_seen') else ' but those a user knows'}; the classics "
        "are fitted on train and validation with their defaults.",
        f"Seed {info['options']['seed']}; {training['seconds']} s of training.",
    ]
    if "best_epoch" in training:
        how = "chosen on validation" if training["validation"] else "without validation, as given"
        lines.append(f"Epochs {how}: {training['best_epoch']}.")
    if info["command"]:
        lines.append(f"Command: {info['command']}")
    if data["citation"]:
        lines.append(f"Cite: {data['citation']}")
    return [*lines, *info.get("notes", ()), *audit_lines(info.get("suspicious", {}))]


def write_report(
    folder: Path,
    rows: Sequence[ReportRow],
    *,
    title: str,
    notes: Sequence[str],
    curves: Mapping[str, Mapping[str, Sequence[float | None]]] | None = None,
) -> None:
    """Writes `metrics.csv` and `report.html` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "metrics.csv", rows)
    shown = shown_metrics(rows, rows[-1].model)
    plotted = [name for name in shown if rows[0].intervals.get(name)]
    kept = {run: plotted_curves(history) for run, history in (curves or {}).items()}
    write_html(
        folder / "report.html",
        rows,
        title=title,
        metrics=shown or None,
        plotted=plotted or None,
        curves=kept or None,
        notes=notes,
    )


def plotted_curves(history: Mapping[str, Sequence[float | None]]) -> dict[str, list[float]]:
    """Selects the curves of a training's history that `learning_curves` draws.

    Args:
        history: Values by epoch, None where an epoch was not validated: `training.history` of a
            `run.json`.

    Returns:
        What chooses epochs, the loss, the losses of tasks and their weights, in this order; NaN
        for None.

    Example:

    >>> plotted_curves({"loss": [2.0, 1.0], "val_ndcg@10": [None, 0.1], "val_hr@20": [0.2, 0.3]})
    {'val_ndcg@10': [nan, 0.1], 'loss': [2.0, 1.0]}
    """
    shown = [name for name in history if _is_plotted(name)]
    in_order = [name for name in shown if name.startswith("val_")]
    for ending in ("loss", "_weight"):
        in_order += sorted((one for one in shown if one.endswith(ending)), key="loss".__ne__)
    return {name: _numbers(history[name]) for name in in_order}


def _is_plotted(name: str) -> bool:
    """Losses, weights of losses, and what chooses epochs."""
    of_tasks = {metric for spec in specs().values() for metric in spec.metrics}
    plotted = ("loss", "val_ndcg@10", *(f"val_{one}" for one in of_tasks))
    return name in plotted or name.endswith(("_loss", "_weight"))


def _numbers(values: Sequence[float | None]) -> list[float]:
    """JSON's null, an epoch that was not validated, as NaN."""
    return [math.nan if value is None else value for value in values]
