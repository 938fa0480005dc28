"""Bootstrap intervals: how much a number would move had other users (or events) been drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tfrec_fusion.errors import InvalidInput

BLOCK_CELLS = 2**21  # draws held at a time: 16 MiB of int64


def resampled_counts(num_rows: int, num_bootstrap: int, seed: int) -> Iterator[np.ndarray]:
    """Draws `num_rows` rows with replacement, `num_bootstrap` times, a block at a time.

    Args:
        num_rows: How many rows (users, events) there are to draw from.
        num_bootstrap: How many resamples.
        seed: Seed of the draws.

    Yields:
        `(block, num_rows)` float64: how often each row occurs in each resample.

    Raises:
        ValueError: When `num_rows` is below 1 or `num_bootstrap` below 0.
    """
    if num_rows < 1:
        raise InvalidInput(f"`num_rows` must be at least 1. Received: num_rows={num_rows}.")
    if num_bootstrap < 0:
        raise InvalidInput(
            f"`num_bootstrap` must be 0 (no intervals) or more. Received: {num_bootstrap}."
        )
    generator = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // num_rows)
    for start in range(0, num_bootstrap, block):
        size = min(block, num_bootstrap - start)
        drawn = generator.integers(num_rows, size=(size, num_rows))
        drawn += np.arange(size)[:, None] * num_rows
        counts = np.bincount(drawn.ravel(), minlength=size * num_rows)
        yield counts.reshape(size, num_rows).astype(np.float64)


def resampled_means(values: np.ndarray, num_bootstrap: int, seed: int) -> np.ndarray:
    """Means of `values` over resampled rows; every column sees the same resamples.

    Args:
        values: `(num_rows, num_columns)` floats.
        num_bootstrap: How many resamples.
        seed: Seed of the draws.

    Returns:
        `(num_bootstrap, num_columns)` float64.
    """
    num_rows = len(values)
    blocks = resampled_counts(num_rows, num_bootstrap, seed)
    means = [counts @ values / num_rows for counts in blocks]
    return np.concatenate(means) if means else np.empty((0, values.shape[1]))


def percentile_interval(replicates: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of Efron (1979) from a statistic's bootstrap replicates.

    Args:
        replicates: `(num_bootstrap,)`; replicates in which the statistic is undefined are NaN
            and left out.
        level: Share of the replicates between the two ends.

    Returns:
        The lower and the upper end; NaN when no replicate is defined.

    Example:

    >>> low, high = percentile_interval(np.arange(101.0), level=0.9)
    >>> round(low, 6), round(high, 6)
    (5.0, 95.0)
    """
    defined = replicates[np.isfinite(replicates)]
    if not len(defined):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
