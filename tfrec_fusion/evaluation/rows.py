"""One model's numbers, and how they are written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tfrec_fusion.errors import InvalidInput

DASH = "\N{EN DASH}"
_ACRONYMS = ("ndcg", "hr", "mrr", "auc", "rmse", "mae", "f1")
_LOWER_IS_BETTER = ("rmse", "mae", "gini", "loss", "perplexity")
_NEITHER_IS_BETTER = ("popularity", "num", "seconds")


@dataclass(frozen=True)
class ReportRow:
    """One model's numbers.

    Attributes:
        model: Name of the model or run.
        metrics: Metric names, such as `ndcg@10`, to values.
        intervals: Metric names to their 95% interval `(low, high)`, where there is one.
    """

    model: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def metric_label(name: str) -> str:
    """A metric's name as a heading.

    Example:
    >>> metric_label("ndcg@10"), metric_label("popularity_bias@10")
    ('NDCG@10', 'Popularity bias@10')
    """
    stem, at, k = name.partition("@")
    words = [word.upper() if word in _ACRONYMS else word for word in stem.split("_")]
    label = " ".join(words)
    return label[:1].upper() + label[1:] + at + k


def number(value: float | None) -> str:
    """A metric's value at a width that tells models apart; a dash where there is none.

    Example:
    >>> number(0.19161), number(12.345), number(1234.5)
    ('0.1916', '12.35', '1234.5')
    """
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.{4 if abs(value) < 10 else 2 if abs(value) < 100 else 1}f}"


def metric_names(rows: Sequence[ReportRow], metrics: Sequence[str] | None = None) -> list[str]:
    """The metrics to show: `metrics`, else all that a row has, in order of appearance.

    Raises:
        ValueError: When there is no row, or none of them has one of `metrics`.
    """
    if not rows:
        raise InvalidInput("`rows` must hold at least one model. Received: none.")
    present = list(dict.fromkeys(name for row in rows for name in row.metrics))
    for name in metrics or ():
        if name not in present:
            raise InvalidInput(f"`metrics` must be among {present}. Received: {name!r}.")
    return list(metrics) if metrics is not None else present


def best_models(rows: Sequence[ReportRow], metric: str) -> set[str]:
    """Names of the models that are best at `metric`; empty when there is nothing to compare."""
    values = {row.model: row.metrics[metric] for row in rows if metric in row.metrics}
    finite = {model: value for model, value in values.items() if math.isfinite(value)}
    if len(finite) < 2 or metric.startswith(_NEITHER_IS_BETTER):
        return set()
    lower = metric.removeprefix("val_").startswith(_LOWER_IS_BETTER)
    best = min(finite.values()) if lower else max(finite.values())
    return {model for model, value in finite.items() if value == best}


def interval(bounds: tuple[float, float]) -> str:
    """An interval as text, its ends joined by an en dash."""
    return f"{number(bounds[0])}{DASH}{number(bounds[1])}"
