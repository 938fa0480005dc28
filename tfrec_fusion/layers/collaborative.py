"""Interactions of a user vector with an item vector: the parts of neural collaborative filtering.

Both layers score pairs, `(batch, dim)` with `(batch, dim)`, and, through the same weights, every
user against every item, `(batch, dim)` with `(num_items, dim)`, without repeating either side.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision


@keras.saving.register_keras_serializable("tfrec_fusion")
class WeightedDot(FullPrecision):
    """`sum_d h_d * user_d * item_d + bias`: generalized matrix factorization (He et al. 2017).

    The weights start at `1 / sqrt(dim)`, close to a plain dot product.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        user: `(batch, dim)`.
        item: `(batch, dim)`, or `(num_items, dim)` with `all_pairs`.
        all_pairs: Whether to score each user against each item.

    Returns:
        `(batch,)`, or `(batch, num_items)` with `all_pairs`; float32 under any dtype policy.

    Raises:
        ValueError: When the two vectors differ in size.

    Example:

    >>> import numpy as np
    >>> layer = WeightedDot()
    >>> layer(np.ones((2, 4)), np.ones((3, 4)), all_pairs=True).shape
    TensorShape([2, 3])
    """

    def build(self, user_shape: tuple[int, ...], item_shape: tuple[int, ...]) -> None:
        """Makes the weights."""
        if user_shape[-1] != item_shape[-1]:
            raise InvalidInput(
                "`user` and `item` must have vectors of one size. "
                f"Received: user {tuple(user_shape)}, item {tuple(item_shape)}."
            )
        start = keras.initializers.Constant(user_shape[-1] ** -0.5)
        self.weight = self.add_weight(name="weight", shape=(user_shape[-1],), initializer=start)
        self.bias = self.add_weight(name="bias", shape=(), initializer="zeros")

    def call(self, user: Any, item: Any, all_pairs: bool = False) -> Any:
        """Computes what the class describes."""
        weighted = user * self.weight
        if all_pairs:
            return ops.matmul(weighted, ops.transpose(item)) + self.bias  # (batch, num_items)
        return ops.sum(weighted * item, axis=-1) + self.bias  # (batch,)


@keras.saving.register_keras_serializable("tfrec_fusion")
class PairDense(keras.layers.Layer):
    """A dense layer over `[user; item]` that never builds the concatenation.

    `activation(user W_u + item W_i + b)` equals `Dense(concat(user, item))`, but an item's half is
    computed once however many users it meets.

    Args:
        units: Size of the output, positive.
        activation: Name of an activation or a callable.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        user: `(batch, user_dim)`.
        item: `(batch, item_dim)`, or `(num_items, item_dim)` with `all_pairs`.
        all_pairs: Whether to pair each user with each item.

    Returns:
        `(batch, units)`, or `(batch, num_items, units)` with `all_pairs`.

    Raises:
        ValueError: When `units` is not positive.

    Example:

    >>> import numpy as np
    >>> PairDense(8)(np.ones((2, 4)), np.ones((2, 3))).shape
    TensorShape([2, 8])
    """

    def __init__(self, units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise InvalidInput(f"`units` must be positive. Received: units={units}.")
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, user_shape: tuple[int, ...], item_shape: tuple[int, ...]) -> None:
        """Makes the weights."""
        # Glorot's limit for the concatenated input, so that both halves start as one layer would.
        limit = (6 / (user_shape[-1] + item_shape[-1] + self.units)) ** 0.5
        start = keras.initializers.RandomUniform(-limit, limit)
        shapes = {"user_kernel": user_shape[-1], "item_kernel": item_shape[-1]}
        self.user_kernel, self.item_kernel = (
            self.add_weight(name=name, shape=(size, self.units), initializer=start.clone())
            for name, size in shapes.items()
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, user: Any, item: Any, all_pairs: bool = False) -> Any:
        """Computes what the class describes."""
        user_kernel, item_kernel, bias = (
            ops.cast(one, self.compute_dtype)
            for one in (self.user_kernel, self.item_kernel, self.bias)
        )
        user = ops.matmul(user, user_kernel) + bias
        item = ops.matmul(item, item_kernel)
        if all_pairs:
            user = ops.expand_dims(user, 1)  # (batch, 1, units), added to (num_items, units)
        return self.activation(user + item)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}
