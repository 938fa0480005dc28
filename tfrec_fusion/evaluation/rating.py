"""How well ratings and clicks are predicted, event by event, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.bootstrap import (
    percentile_interval,
    resampled_counts,
    resampled_means,
)


@dataclass(frozen=True)
class EventResult:
    """What was measured over events.

    Attributes:
        metrics: One number a metric. What is undefined is missing.
        intervals: 95% bootstrap intervals over events, `(low, high)`, by the same names. One event
            has none.
        num_events: How many events were compared.
        notes: What is missing, and why.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    num_events: int
    notes: tuple[str, ...] = ()


def evaluate_rating(
    true: np.ndarray, predicted: np.ndarray, *, num_bootstrap: int = 1000, seed: int = 0
) -> EventResult:
    """RMSE and MAE, in the units of the ratings.

    Args:
        true: Ratings given, `(num_events,)`.
        predicted: Ratings predicted, `(num_events,)`.
        num_bootstrap: Resamples behind each interval; 0 leaves the intervals out.
        seed: Seed of the resamples.

    Returns:
        An `EventResult` with `"rmse"` and `"mae"`.

    Raises:
        ValueError: When the arrays differ in shape, are empty, or hold NaN or infinity.

    Example:

    >>> evaluate_rating(np.array([4.0, 2.0]), np.array([1.0, 2.0])).metrics["mae"]
    1.5
    """
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    true, predicted = _checked(true, "true"), _checked(predicted, "predicted")
    _check_same_length(true, "true", predicted, "predicted")
    metrics = {
        "rmse": float(root_mean_squared_error(true, predicted)),
        "mae": float(mean_absolute_error(true, predicted)),
    }
    error = predicted - true
    num_bootstrap = num_bootstrap if len(true) > 1 else 0
    means = resampled_means(np.column_stack([error**2, np.abs(error)]), num_bootstrap, seed)
    replicates = {"rmse": np.sqrt(means[:, 0]), "mae": means[:, 1]}
    return EventResult(metrics, _intervals(replicates), len(true))


def evaluate_clicks(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: float = 0.5,
    *,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> EventResult:
    """AUC, accuracy, precision, recall, F1 and log loss of predicted probabilities.

    Args:
        labels: 1 for a click, 0 for none, `(num_events,)`.
        probabilities: Predicted probability of a click, from 0 to 1, `(num_events,)`.
        threshold: A probability at or above it counts as a predicted click.
        num_bootstrap: Resamples behind each interval; 0 leaves the intervals out.
        seed: Seed of the resamples.

    Returns:
        An `EventResult` with `"auc"`, `"accuracy"`, `"precision"`, `"recall"`, `"f1"` and
        `"log_loss"`. Precision and F1 are 0 when no click is predicted. AUC is missing where all
        labels are alike, recall and F1 where no label is a click; `notes` say so.

    Raises:
        ValueError: When shapes differ, or a value is NaN or out of range.

    Example:

    >>> result = evaluate_clicks(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9]))
    >>> result.metrics["auc"], result.metrics["recall"]
    (0.75, 1.0)
    """
    labels, probabilities = _checked(labels, "labels"), _checked(probabilities, "probabilities")
    _check_same_length(labels, "labels", probabilities, "probabilities")
    _check_clicks(labels, probabilities, threshold)
    metrics = _click_metrics(labels, probabilities, threshold)
    num_bootstrap = num_bootstrap if len(labels) > 1 else 0
    replicates = _click_replicates(labels, probabilities, threshold, num_bootstrap, seed)
    notes: tuple[str, ...] = ()
    if len(classes := np.unique(labels)) == 1:
        undefined = ("auc",) if classes[0] else ("auc", "recall", "f1")
        metrics = {name: one for name, one in metrics.items() if name not in undefined}
        notes = (
            f"All {len(labels)} labels are {int(classes[0])}: {', '.join(undefined)} "
            f"{'is' if len(undefined) == 1 else 'are'} undefined and omitted.",
        )
    intervals = _intervals({name: replicates[name] for name in metrics})
    return EventResult(metrics, intervals, len(labels), notes)


def _checked(values: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array):
        raise InvalidInput(
            f"`{name}` must be one-dimensional and not empty. Received: shape {array.shape}."
        )
    if not np.isfinite(array).all():
        position = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InvalidInput(
            f"`{name}` must be finite. Received: {array[position]} at position {position}."
        )
    return array


def _check_same_length(first: np.ndarray, name: str, second: np.ndarray, other: str) -> None:
    if first.shape != second.shape:
        raise InvalidInput(
            f"`{name}` and `{other}` must have the same length. "
            f"Received: {len(first)} and {len(second)}."
        )


def _check_clicks(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> None:
    distinct = np.unique(labels)
    if not np.isin(distinct, [0, 1]).all():
        raise InvalidInput(f"`labels` must be 0 or 1. Received: {distinct[:5].tolist()}.")
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise InvalidInput(
            "`probabilities` must be between 0 and 1. Received: "
            f"{probabilities.min():g} to {probabilities.max():g}; apply a sigmoid to logits first."
        )
    if not 0 <= threshold <= 1:
        raise InvalidInput(f"`threshold` must be between 0 and 1. Received: {threshold}.")


def _click_metrics(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float
) -> dict[str, float]:
    from sklearn import metrics

    clicked = (probabilities >= threshold).astype(np.float64)
    alike = labels.min() == labels.max()
    return {
        "auc": np.nan if alike else float(metrics.roc_auc_score(labels, probabilities)),
        "accuracy": float(metrics.accuracy_score(labels, clicked)),
        "precision": float(metrics.precision_score(labels, clicked, zero_division=0.0)),
        "recall": float(metrics.recall_score(labels, clicked, zero_division=0.0)),
        "f1": float(metrics.f1_score(labels, clicked, zero_division=0.0)),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=[0, 1])),
    }


def _click_replicates(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
    num_bootstrap: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Every metric in every resample, from weighted sums instead of a thousand re-computations."""
    clicked = probabilities >= threshold
    safe = np.clip(probabilities, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps)
    loss = -np.where(labels == 1, np.log(safe), np.log1p(-safe))
    true_clicks = (clicked & (labels == 1)).astype(np.float64)
    columns = np.column_stack([true_clicks, clicked, labels, clicked == labels, loss])
    auc_of = _weighted_auc(labels, probabilities)
    sums, auc = [np.empty((0, columns.shape[1]))], [np.empty(0)]
    for counts in resampled_counts(len(labels), num_bootstrap, seed):
        sums.append(counts @ columns)
        auc.append(auc_of(counts))
    hit, predicted, actual, correct, total_loss = np.concatenate(sums).T
    with np.errstate(invalid="ignore"):
        recall = hit / actual  # undefined, hence left out, in a resample without clicks
    return {
        "auc": np.concatenate(auc),
        "accuracy": correct / len(labels),
        "precision": hit / np.maximum(predicted, 1),
        "recall": recall,
        "f1": 2 * hit / np.maximum(predicted + actual, 1),
        "log_loss": total_loss / len(labels),
    }


def _weighted_auc(
    labels: np.ndarray, probabilities: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """AUC as a function of how often each event counts, `(block, num_events)` → `(block,)`.

    The events are sorted once. A click beats every non-click below it and half of those that tie.
    """
    order = np.argsort(probabilities, kind="stable")
    label = labels[order]
    first = np.flatnonzero(np.diff(probabilities[order], prepend=-1.0))  # of each tied group

    def auc(counts: np.ndarray) -> np.ndarray:
        counts = counts[:, order]
        clicks = np.add.reduceat(counts * label, first, axis=1)  # (block, num_groups)
        others = np.add.reduceat(counts * (1 - label), first, axis=1)
        below = np.cumsum(others, axis=1) - others
        pairs = clicks.sum(axis=1) * others.sum(axis=1)
        won = (clicks * (below + others / 2)).sum(axis=1)
        return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)

    return auc


def _intervals(replicates: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    return {
        name: percentile_interval(drawn)
        for name, drawn in replicates.items()
        if np.isfinite(drawn).any()
    }
