"""Losses of several tasks combined into one: the arithmetic, without a model.

`num_tasks` losses, each a mean over a batch, become one total, or their gradients one step:

    fixed         total = Σ w_i L_i
    uncertainty   total = Σ c_i exp(-s_i) L_i + s_i / 2       (Kendall, Gal, Cipolla 2018)
    dwa           total = Σ w_i L_i, w ∝ softmax(r / T)       (Liu, Johns, Davison 2019)
    gradnorm      total = Σ w_i L_i, w moved towards equal training rates (Chen et al. 2018)
    pcgrad        step  = Σ projected gradients               (Yu et al. 2020)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

BALANCES = ("fixed", "uncertainty", "dwa", "gradnorm", "pcgrad")


def uncertainty_total(losses: Any, log_variance: Any, gaussian: Any) -> Any:
    """Losses weighted by their learned noise: `Σ c_i exp(-s_i) L_i + s_i / 2`.

    `s_i` is the logarithm of the task's variance. `c_i` is 1/2 for a squared error, whose
    likelihood is Gaussian, and 1 for a cross-entropy, so that each term is a negative
    log-likelihood (Kendall, Gal and Cipolla 2018, equations 7 and 10).

    Args:
        losses: `(num_tasks,)`.
        log_variance: `(num_tasks,)`.
        gaussian: `(num_tasks,)` bool, whether a loss is a squared error.

    Example:

    >>> float(uncertainty_total(np.array([4.0, 1.0]), np.zeros(2), np.array([True, False])))
    3.0
    """
    losses = ops.convert_to_tensor(losses)
    factor = ops.cast(ops.where(gaussian, 0.5, 1.0), losses.dtype)
    return ops.sum(factor * ops.exp(-log_variance) * losses + log_variance / 2)


def dynamic_weights(last: np.ndarray, before: np.ndarray, temperature: float = 2.0) -> np.ndarray:
    """Weights of an epoch from the losses of the two before it; they sum to the number of tasks.

    A task whose loss fell less gets more: `w = num_tasks · softmax(last / before / temperature)`.

    Args:
        last: `(num_tasks,)` mean losses of the last epoch.
        before: `(num_tasks,)` of the one before that, positive.
        temperature: The higher, the more equal.

    Example:

    >>> dynamic_weights(np.array([1.0, 1.0]), np.array([1.0, 1.0])).tolist()
    [1.0, 1.0]
    """
    rate = np.asarray(last, np.float64) / before / temperature
    share = np.exp(rate - rate.max())
    return len(share) * share / share.sum()


def normalized_gradients_step(
    weights: Any, losses: Any, first_losses: Any, norms: Any, alpha: float, rate: float
) -> Any:
    """One GradNorm step of the weights, which stay positive and keep their sum.

    The gradients of the weighted losses should have norms `mean(w n) · r_i ** alpha`, `r_i` being
    how far task `i` lags: its loss relative to its first, over the mean of that. The weights go
    down the slope of the absolute differences, the wanted norms held constant.

    Args:
        weights: `(num_tasks,)`.
        losses: `(num_tasks,)` of this step.
        first_losses: `(num_tasks,)` of the first step.
        norms: `(num_tasks,)` of the unweighted losses' gradients on the shared weights.
        alpha: How strongly laggards are pulled; 0 makes all norms equal.
        rate: Learning rate of the weights.

    Example:

    >>> one = np.ones(2, "float32")
    >>> moved = normalized_gradients_step(one, one, one, 2 * one, alpha=0.0, rate=0.1)
    >>> moved.numpy().tolist()  # equal already
    [1.0, 1.0]
    """
    lag = losses / first_losses
    lag = lag / ops.mean(lag)
    own = weights * norms
    wanted = ops.mean(own) * lag**alpha
    moved = ops.maximum(weights - rate * ops.sign(own - wanted) * norms, 1e-3)
    return moved * ops.sum(weights) / ops.sum(moved)


def without_conflicts(gradients: Any, order: Any) -> Any:
    """Gradients of which none points against another task's: PCGrad.

    Each gradient that has a negative dot product with another task's original gradient loses its
    part along it: `g_i - (g_i · g_j) / (g_j · g_j) g_j`, the others taken in `order`.

    Args:
        gradients: `(num_tasks, size)`.
        order: `(num_tasks,)` a permutation; random in training.

    Returns:
        `(num_tasks, size)`; the step is their sum.

    Example:

    >>> without_conflicts(np.array([[1.0, 0.0], [-1.0, 1.0]]), [0, 1]).numpy().tolist()
    [[0.5, 0.5], [0.0, 1.0]]
    """
    gradients = ops.convert_to_tensor(gradients)
    order = ops.convert_to_tensor(order, dtype="int32")
    own = gradients
    number = ops.arange(gradients.shape[0])
    for turn in range(gradients.shape[0]):
        other = ops.take(gradients, order[turn], axis=0)  # (size,)
        along = ops.matmul(own, other) / ops.maximum(ops.sum(other**2), 1e-30)  # (num_tasks,)
        conflict = ops.logical_and(along < 0, number != order[turn])
        own = own - ops.where(conflict, along, ops.zeros_like(along))[:, None] * other
    return own
