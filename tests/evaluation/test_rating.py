"""Ratings and clicks: numbers worked by hand, intervals against scikit-learn, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, precision_score, recall_score, roc_auc_score

from tfrec_fusion.evaluation.bootstrap import resampled_counts
from tfrec_fusion.evaluation.rating import _click_replicates, evaluate_clicks, evaluate_rating

LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([0.1, 0.6, 0.5, 0.9])


def test_rmse_and_mae_by_hand():
    result = evaluate_rating(np.array([4.0, 2.0, 5.0]), np.array([1.0, 2.0, 4.0]))
    assert result.metrics["rmse"] == pytest.approx(math.sqrt((9 + 0 + 1) / 3))
    assert result.metrics["mae"] == pytest.approx(4 / 3)
    assert result.num_events == 3


def test_rating_intervals_hold_the_value():
    generator = np.random.default_rng(0)
    true = generator.integers(1, 6, 500).astype(np.float32)
    result = evaluate_rating(true, true + generator.normal(0, 1, 500))
    for name, (low, high) in result.intervals.items():
        assert low < result.metrics[name] < high
    low, high = result.intervals["rmse"]
    assert (high - low) / 2 == pytest.approx(1.96 / math.sqrt(2 * 500), rel=0.25)


def test_rating_intervals_are_quantiles_over_resampled_events():
    true, predicted = np.array([[4.0, 2, 5, 1, 3, 3, 5], [3.5, 3, 4, 2.5, 3, 1, 5]])
    result = evaluate_rating(true, predicted, num_bootstrap=40, seed=3)
    squares, sizes = [], []
    for counts in np.concatenate(list(resampled_counts(7, 40, seed=3))):
        drawn = np.repeat(predicted - true, counts.astype(int))
        squares.append(math.sqrt(sum(drawn**2) / 7))
        sizes.append(sum(abs(drawn)) / 7)
    for name, replicates in (("rmse", sorted(squares)), ("mae", sorted(sizes))):
        # 2.5% of 39 steps: 0.975 of the way from the first to the second, and from the last back
        low = replicates[0] + 0.975 * (replicates[1] - replicates[0])
        high = replicates[-1] - 0.975 * (replicates[-1] - replicates[-2])
        assert result.intervals[name] == pytest.approx((low, high))


def test_clicks_by_hand():
    # At 0.5 the predictions are 0 1 1 1: two hits, one false alarm, no miss.
    metrics = evaluate_clicks(LABELS, PROBABILITIES).metrics
    assert metrics["auc"] == pytest.approx(3 / 4)
    assert metrics["accuracy"] == pytest.approx(3 / 4)
    assert metrics["precision"] == pytest.approx(2 / 3)
    assert metrics["recall"] == pytest.approx(1.0)
    assert metrics["f1"] == pytest.approx(4 / 5)
    loss = -(math.log(0.9) + math.log(0.4) + math.log(0.5) + math.log(0.9)) / 4
    assert metrics["log_loss"] == pytest.approx(loss)


def test_threshold_moves_the_decision():
    metrics = evaluate_clicks(LABELS, PROBABILITIES, threshold=0.95).metrics
    assert metrics["precision"] == metrics["recall"] == metrics["f1"] == 0.0


def test_every_resample_equals_scikit_learn_with_weights():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 2, 60).astype(np.float64)
    probabilities = np.round(generator.random(60), 1)  # many ties, some exactly 0 or 1
    replicates = _click_replicates(labels, probabilities, 0.5, 5, 7)
    clicked = probabilities >= 0.5
    counts = np.concatenate(list(resampled_counts(60, 5, seed=7)))
    for row, weight in enumerate(counts):
        expected = {
            "auc": roc_auc_score(labels, probabilities, sample_weight=weight),
            "precision": precision_score(labels, clicked, sample_weight=weight),
            "recall": recall_score(labels, clicked, sample_weight=weight),
            "f1": f1_score(labels, clicked, sample_weight=weight),
            "log_loss": log_loss(labels, probabilities, sample_weight=weight),
        }
        for name, value in expected.items():
            assert replicates[name][row] == pytest.approx(value), name


def test_click_intervals_hold_the_value_and_can_be_left_out():
    generator = np.random.default_rng(2)
    labels = generator.integers(0, 2, 400)
    probabilities = np.clip(labels * 0.3 + generator.random(400) * 0.7, 0, 1)
    result = evaluate_clicks(labels, probabilities)
    assert set(result.intervals) == set(result.metrics)
    for name, (low, high) in result.intervals.items():
        assert low < result.metrics[name] < high
    assert evaluate_clicks(labels, probabilities, num_bootstrap=0).intervals == {}


def test_resamples_of_one_class_have_no_auc_and_are_left_out():
    result = evaluate_clicks(np.array([0, 1]), np.array([0.2, 0.8]))
    assert result.intervals["auc"] == (1.0, 1.0)
    assert result.intervals["recall"] == (1.0, 1.0)


def test_one_class_has_the_numbers_that_are_defined():
    clicks = evaluate_clicks(np.ones(3), np.array([0.5, 0.25, 1.0]))
    assert set(clicks.metrics) == {"accuracy", "precision", "recall", "f1", "log_loss"}
    assert clicks.metrics["recall"] == pytest.approx(2 / 3)
    assert clicks.metrics["log_loss"] == pytest.approx((math.log(2) + math.log(4)) / 3)
    assert clicks.notes == ("All 3 labels are 1: auc is undefined and omitted.",)
    others = evaluate_clicks(np.zeros(2), np.array([0.5, 0.25]))
    assert others.metrics["accuracy"] == 0.5 and others.metrics["precision"] == 0
    assert set(others.metrics) == {"accuracy", "precision", "log_loss"} == set(others.intervals)
    assert others.notes == ("All 2 labels are 0: auc, recall, f1 are undefined and omitted.",)


def test_one_event_has_no_interval():
    assert evaluate_rating(np.array([4.0]), np.array([1.0])).intervals == {}
    assert evaluate_clicks(np.array([1]), np.array([0.75])).intervals == {}


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "`true` must be one-dimensional and not empty"),
        ([[1.0]], [1.0], "`true` must be one-dimensional"),
        ([1.0, 2.0], [1.0], "same length. Received: 2 and 1"),
        ([1.0, np.nan], [1.0, 1.0], "`true` must be finite. Received: nan at position 1"),
        ([1.0], [np.inf], "`predicted` must be finite. Received: inf at position 0"),
    ],
)
def test_bad_ratings(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        evaluate_rating(np.array(true), np.array(predicted))


@pytest.mark.parametrize(
    ("labels", "probabilities", "threshold", "message"),
    [
        ([0, 2], [0.5, 0.6], 0.5, r"`labels` must be 0 or 1\. Received: \[0.0, 2.0\]"),
        ([0, 1], [-1.0, 3.0], 0.5, "between 0 and 1. Received: -1 to 3; apply a sigmoid"),
        ([0, 1], [0.5, np.nan], 0.5, "`probabilities` must be finite"),
        ([0, 1, 1], [0.5, 0.5], 0.5, "same length. Received: 3 and 2"),
        ([0, 1], [0.5, 0.6], 1.5, "`threshold` must be between 0 and 1"),
    ],
)
def test_bad_clicks(labels, probabilities, threshold, message):
    with pytest.raises(ValueError, match=message):
        evaluate_clicks(np.array(labels), np.array(probabilities), threshold)
