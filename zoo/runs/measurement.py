"""A trained model's numbers on held-out events, and what of them could not be had."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.protocols import PairModel
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.full_ranking import count_seen, ranking_of, seen_note
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics
from tfrec_fusion.zoo.runs.run import Run


@dataclass(frozen=True)
class Measured:
    """One model's numbers.

    Attributes:
        row: Metrics and intervals, all finite; what is undefined is missing.
        notes: What is missing, and why.
    """

    row: ReportRow
    notes: tuple[str, ...] = ()


def measured(
    title: str,
    model: Any,
    known: Events,
    heldout: Events,
    *,
    allow_seen: bool = False,
    auc: bool = False,
    tasks: bool = True,
) -> Measured:
    """Measures a model's lists, and its tasks where it has some.

    Args:
        title: What the row is called.
        model: The model.
        known: What is known when the held-out events are predicted.
        heldout: What should be found.
        allow_seen: Whether items that a user has already are ranked too.
        auc: Whether AUC over the catalog is measured.
        tasks: Whether the tasks are measured, which needs the texts of the events.

    Returns:
        The row, and notes. Scores that are not finite, of a training that diverged, give an empty
        row with a note.
    """
    parts = (known, heldout)
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    measures: list[Callable[[], Any]] = [
        lambda: ranking_of(model, *parts, allow_seen=allow_seen, auc=auc)()
    ]
    if tasks and isinstance(model, PairModel) and len(heldout):
        measures.append(lambda: pair_metrics(model, *parts)())
    notes: list[str] = []
    for measure in measures:
        try:
            found = measure()
        except InvalidInput as error:
            notes.append(f"{title} could not be measured: {error}")
            continue
        notes += found.notes
        metrics |= found.metrics
        intervals |= found.intervals
    if infinite := [key for key, value in metrics.items() if not math.isfinite(value)]:
        notes.append(f"{', '.join(infinite)} of {title} is not finite and is omitted.")
    row = ReportRow(
        title,
        {key: value for key, value in metrics.items() if key not in infinite},
        {
            key: ends
            for key, ends in intervals.items()
            if key not in infinite and all(map(math.isfinite, ends))
        },
    )
    return Measured(row, tuple(notes))


def further_metrics(name: str) -> tuple[str, ...]:
    """Returns what a report shows of a model besides the lists' metrics; nothing of an ensemble."""
    spec = specs().get(name)
    return () if spec is None else spec.metrics


def evaluated(run: Run, allow_seen: bool = False) -> tuple[dict[str, Any], ReportRow]:
    """Measures the lists of a run on its test part again.

    Args:
        run: A run; its events keep no texts, so tasks are not measured.
        allow_seen: Whether items that a user has already are ranked too, also where the run was
            measured without them.

    Returns:
        `model`, `test`, `test_intervals`, `test_events`, `test_events_seen`, `allow_seen` and
        `notes`, as of a `run.json`; and the row.
    """
    name, known, test = run.info["model"], run.known_at_test, run.parts["test"]
    allow_seen = allow_seen or bool(run.info.get("options", {}).get("allow_seen"))
    auc = "auc" in further_metrics(name)
    found = measured(name, run.model, known, test, allow_seen=allow_seen, auc=auc, tasks=False)
    seen = seen_note(known, test, allow_seen=allow_seen)
    answer = {
        "model": name,
        "test": found.row.metrics,
        "test_intervals": found.row.intervals,
        "test_events": len(test),
        "test_events_seen": count_seen(known, test),
        "allow_seen": allow_seen,
        "notes": [*filter(None, [seen]), *found.notes],
    }
    return answer, found.row
