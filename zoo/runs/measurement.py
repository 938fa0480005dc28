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

PRODUCTION_NOTE = (
    "The numbers are those of the model of train and validation. After it was measured, the model "
    "that is kept was trained on all events, the test part included, for as many epochs: no event "
    "is left to measure it on."
)


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
        `notes`, as of a `run.json`; and the row. Of a production model, which has learned from
        the test part, they are the numbers that its record has of the model before.

    Raises:
        InvalidInput: For a production model whose record has no such numbers.
    """
    name, known, test = run.info["model"], run.known_at_test, run.parts["test"]
    measured_so = bool(run.info.get("options", {}).get("allow_seen"))
    if run.is_production:
        return _of_record(run, allow_seen=allow_seen or measured_so, as_measured=measured_so)
    allow_seen = allow_seen or measured_so
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


def _of_record(
    run: Run, *, allow_seen: bool, as_measured: bool
) -> tuple[dict[str, Any], ReportRow]:
    """The numbers of a production run's record."""
    trained_so = (
        f"{run.folder} was trained on all events, the test part included (--production), so that "
        "nothing is left to measure it on"
    )
    if not run.info.get("test"):
        raise InvalidInput(
            f"{trained_so}, and it keeps no numbers of the model before. Those of a prebuilt "
            "model are in `list --pretrained`; otherwise train without --production."
        )
    if allow_seen != as_measured:
        raise InvalidInput(
            f"{trained_so}. The model before was measured without items already seen: omit "
            "--allow-seen, or train without --production."
        )
    kept = ("model", "test", "test_intervals", "test_events", "test_events_seen")
    answer = {key: run.info[key] for key in kept if key in run.info}
    answer |= {"allow_seen": allow_seen, "notes": list(run.info.get("notes", ()))}
    intervals = {key: tuple(ends) for key, ends in run.info["test_intervals"].items()}
    return answer, ReportRow(run.info["model"], run.info["test"], intervals)
