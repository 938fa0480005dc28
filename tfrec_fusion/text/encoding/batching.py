"""Texts of one length together, so that little is computed about padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tfrec_fusion.errors import InvalidInput


def batches_by_length(
    num_tokens: np.ndarray, tokens_at_once: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of rows of like length, about as many tokens each, the longest first.

    Args:
        num_tokens: `(num_texts,)` tokens of each text.
        tokens_at_once: The most tokens of a batch, padding included; a longer text runs alone.

    Yields:
        Row numbers, and the length that all of them fit into, at least 1. Each row comes once.

    Raises:
        ValueError: When `tokens_at_once` is not positive.

    Example:

    >>> [(rows.tolist(), length) for rows, length in batches_by_length(np.array([2, 9, 3, 0]), 9)]
    [([1], 9), ([2, 0, 3], 3)]
    """
    if tokens_at_once < 1:
        raise InvalidInput(
            f"`tokens_at_once` must be positive. Received: tokens_at_once={tokens_at_once}."
        )
    order = np.argsort(-num_tokens, kind="stable")
    start = 0
    while start < len(order):
        length = max(1, int(num_tokens[order[start]]))
        stop = start + max(1, tokens_at_once // length)
        yield order[start:stop], length
        start = stop
