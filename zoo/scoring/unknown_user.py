"""Tables without the users' rows, for models that answer unknown users."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def first_rows(layer: Any, number: int) -> Any:
    """A copy of a table that holds its first rows alone.

    Args:
        layer: A built `FusedTower` or `TextTable`; it is left as it is.
        number: Rows that are kept; those behind them are zeros, at least one.

    Returns:
        A layer of the same kind and name.

    Example:

    >>> from tfrec_fusion.layers.fused_tower import FusedTower
    >>> users = FusedTower(num_rows=4, dim=2, use_text=False)
    >>> shape = users(np.array([3])).shape
    >>> first_rows(users, 1).embeddings.numpy().any(axis=1).tolist()
    [True, False]
    """
    # The sizes must differ, so that weights that have a row an index are told by their shapes.
    size = number + 1 if layer.num_rows != number + 1 else number + 2
    copy = type(layer).from_config({**layer.get_config(), "num_rows": size})
    if shapes := layer.get_build_config():
        copy.build_from_config(shapes)
    weights = []
    for own, new in zip(layer.weights, copy.weights, strict=True):
        rows = ops.convert_to_numpy(own)
        if tuple(own.shape) != tuple(new.shape):
            kept = np.zeros(new.shape, rows.dtype)
            kept[:number] = rows[:number]
            rows = kept
        weights.append(rows)
    copy.set_weights(weights)
    return copy
