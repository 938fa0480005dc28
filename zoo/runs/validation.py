"""Measurements of a network in training on the validation part, which choose its epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.protocols import PairModel
from tfrec_fusion.zoo.runs.full_ranking import ranking_of, why_undefined
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics, undefined_tasks
from tfrec_fusion.zoo.runs.settings import Settings


def make_validator(
    model: Any,
    known: Events,
    heldout: Events,
    set_rest: Callable[[Mapping[str, float]], None],
    *,
    auc: bool,
    allow_seen: bool,
) -> Callable[[], Mapping[str, float]]:
    """Makes the function that measures a network after an epoch.

    Args:
        model: The network.
        known: Its training events.
        heldout: Events of validation.
        set_rest: Sets what training sets after `fit`, given the weights of the score; called
            before each measurement.
        auc: Whether AUC over the catalog is measured.
        allow_seen: Whether items that a user has already are ranked too.
    """
    measures: list[Callable[[], Any]] = [
        ranking_of(model, known, heldout, num_bootstrap=0, allow_seen=allow_seen, auc=auc)
    ]
    if isinstance(model, PairModel):
        measures.append(pair_metrics(model, known, heldout, num_bootstrap=0))

    def validate() -> Mapping[str, float]:
        set_rest({})
        return {name: value for one in measures for name, value in one().metrics.items()}

    return validate


def why_not_validated(
    settings: Settings, monitor: str, model: Any, known: Events, heldout: Events
) -> str:
    """Returns why a metric on held-out events cannot choose epochs; empty where it can."""
    if monitor in {task.metric for task in settings.spec.tasks.values()}:
        return undefined_tasks(model, model.output, known, heldout)[monitor]
    return why_undefined(monitor, known, heldout, allow_seen=settings.options.allow_seen)
