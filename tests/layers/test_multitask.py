"""Balancing losses: every method by hand, and published properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from tfrec_fusion.layers.multitask import (
    dynamic_weights,
    normalized_gradients_step,
    uncertainty_total,
    without_conflicts,
)


def test_uncertainty_by_hand():
    losses, log_variance = np.array([2.0, 3.0]), np.array([np.log(4.0), 0.0])
    # 2 / (2 * 4) + log(4) / 2 of the squared error, 3 / 1 + 0 of the cross-entropy
    expected = 0.25 + np.log(2.0) + 3.0
    received = uncertainty_total(losses, log_variance, np.array([True, False]))
    assert float(received) == pytest.approx(expected)


def test_the_best_variance_of_a_squared_error_is_that_error():
    grid = np.linspace(-2, 3, 5001)
    totals = [float(uncertainty_total(np.array([1.7]), np.array([s]), [True])) for s in grid[::50]]
    assert np.exp(grid[::50][np.argmin(totals)]) == pytest.approx(1.7, rel=0.05)


def test_dynamic_weights_by_hand():
    # ratios 0.5 and 1 over temperature 2: exp(0.25) and exp(0.5)
    parts = np.exp([0.25, 0.5])
    received = dynamic_weights(np.array([1.0, 3.0]), np.array([2.0, 3.0]))
    np.testing.assert_allclose(received, 2 * parts / parts.sum())


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_a_temperature_divides_the_ratios(temperature):
    # ratios 0.5, 2 and 1
    received = dynamic_weights(
        np.array([1.0, 4.0, 3.0]), np.array([2.0, 2.0, 3.0]), temperature=temperature
    )
    parts = [np.exp(ratio / temperature) for ratio in (0.5, 2.0, 1.0)]
    np.testing.assert_allclose(received, [3 * part / sum(parts) for part in parts])


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=5))
def test_dynamic_weights_sum_to_the_number_of_tasks(losses):
    last = np.array(losses)
    weights = dynamic_weights(last, last[::-1])
    assert weights.sum() == pytest.approx(len(losses)) and (weights >= 0).all()


def test_normalized_gradients_by_hand():
    weights, norms = np.array([1.0, 1.0], np.float32), np.array([4.0, 2.0], np.float32)
    losses, first = np.array([1.0, 3.0], np.float32), np.array([2.0, 2.0], np.float32)
    # lags 0.5 and 1.5; wanted norms 3 * 0.5 and 3 * 1.5 against 4 and 2; slopes +4 and -2
    moved = np.array([1 - 0.1 * 4, 1 + 0.1 * 2])
    received = normalized_gradients_step(weights, losses, first, norms, alpha=1.0, rate=0.1)
    np.testing.assert_allclose(received, moved * 2 / moved.sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("rate", "moved"), [(0.01, [0.2 - 0.04, 1.7 - 0.02, 1.1 + 0.01]), (0.1, [1e-3, 1.5, 1.2])]
)
def test_normalized_gradients_weight_the_norms_and_keep_the_sum(rate, moved):
    # Weighted norms 0.8, 3.4 and 1.1, mean 5.3 / 3; lags 0.5, 1 and 1.5, squared 0.25, 1 and 2.25:
    # wanted 0.44, 1.77 and 3.98. Without the square, or the weights, a sign would differ.
    weights, norms = np.array([[0.2, 1.7, 1.1], [4, 2, 1]], np.float32)
    losses, first = np.array([[1, 4, 3], [1, 2, 1]], np.float32)
    received = normalized_gradients_step(weights, losses, first, norms, alpha=2.0, rate=rate)
    np.testing.assert_allclose(received, np.array(moved) * 3 / sum(moved), rtol=1e-5)


def test_normalized_gradients_end_with_equal_norms():
    weights, one = np.ones(3, np.float32), np.ones(3, np.float32)
    norms = np.array([1.0, 2.0, 4.0], np.float32)
    for _ in range(3000):
        weights = normalized_gradients_step(weights, one, one, norms, alpha=0.0, rate=2e-4)
    own = np.asarray(weights) * norms
    assert own.max() / own.min() < 1.01


def test_two_conflicting_gradients_give_the_published_projection():
    g = np.array([[1.0, 0.0], [-1.0, 1.0]])
    first = g[0] - g[0] @ g[1] / (g[1] @ g[1]) * g[1]
    second = g[1] - g[1] @ g[0] / (g[0] @ g[0]) * g[0]
    for order in ([0, 1], [1, 0]):
        np.testing.assert_allclose(without_conflicts(g, order), [first, second], atol=1e-12)


def test_gradients_without_a_conflict_stay_as_they_are():
    g = np.array([[1.0, 0.5], [0.2, 1.0]])
    np.testing.assert_array_equal(without_conflicts(g, [1, 0]), g)


def test_three_tasks_are_projected_one_after_the_other():
    g = np.random.default_rng(3).normal(size=(3, 4))
    order = [2, 0, 1]
    expected = g.copy()
    for task in range(3):
        for other in order:
            product = expected[task] @ g[other]
            if other != task and product < 0:
                expected[task] -= product / (g[other] @ g[other]) * g[other]
    received = ops.convert_to_numpy(without_conflicts(g, order))
    np.testing.assert_allclose(received, expected, atol=1e-12)
