"""Dtype policies: what stays float32 under any of them, and models built under a given one.

Under `mixed_bfloat16` a number has 8 significant bits, so that the scores of a catalog would tie,
counts above 256 would be rounded, and a loss of one type could not be added to one of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


class FullPrecision(keras.layers.Layer):
    """A layer that computes in float32, and keeps its weights so, under any dtype policy.

    Layers whose outputs are scores, ratings or losses are of this class.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`; `dtype` is accepted and has no effect.

    Example:

    >>> FullPrecision(dtype="mixed_bfloat16").compute_dtype
    'float32'
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})


@contextmanager
def dtype_policy_scope(policy: Any) -> Iterator[None]:
    """Layers made inside have this dtype policy, unless they are given another one.

    Args:
        policy: As of `keras.config.set_dtype_policy`, or as `keras.dtype_policies.serialize`
            returns it.

    Example:

    >>> with dtype_policy_scope("mixed_bfloat16"):
    ...     layer = keras.layers.Dense(1)
    >>> layer.compute_dtype, keras.config.dtype_policy().name
    ('bfloat16', 'float32')
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.get(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
