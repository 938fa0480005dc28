"""Query towers over what a user did: causal attention or a GRU, aware of position.

Both are causal: the state at a position depends only on items up to it, so one pass over a
history trains a query for each of its prefixes.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput


@keras.saving.register_keras_serializable("tfrec_fusion")
class CausalAttention(keras.layers.Layer):
    """Self-attention over earlier positions with a learned bias for each distance.

    `softmax(q k / sqrt(head_dim) + bias[distance])` over positions at or before the query's that
    hold an item. Distances, unlike absolute positions, mean the same in a window of any length
    (relative position bias: Raffel et al. 2020, without their logarithmic buckets).

    Args:
        dim: Size of the vectors; a multiple of `num_heads`.
        num_heads: Attention heads.
        max_distance: Distances from here on share one bias.
        dropout: Rate at which attention weights are dropped in training.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: `(batch, steps, dim)`.
        valid: `(batch, steps)` bool, False where there is no item.

    Returns:
        `(batch, steps, dim)`; positions that see no item give zeros plus the output bias.

    Raises:
        ValueError: When `dim` is not a multiple of `num_heads`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int = 1,
        max_distance: int = 100,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_heads < 1 or dim % num_heads:
            raise InvalidInput(
                "`dim` must be a multiple of `num_heads`. "
                f"Received: dim={dim}, num_heads={num_heads}."
            )
        self.dim, self.num_heads = dim, num_heads
        self.max_distance, self.dropout = max_distance, dropout
        self.project_in = keras.layers.Dense(3 * dim, dtype=self.dtype_policy, name="project_in")
        self.project_out = keras.layers.Dense(dim, dtype=self.dtype_policy, name="project_out")
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, x_shape: Any, valid_shape: Any = None) -> None:
        """Makes the weights."""
        self.project_in.build(x_shape)
        self.project_out.build((*x_shape[:-1], self.dim))
        self.distance_bias = self.add_weight(
            name="distance_bias", shape=(self.num_heads, self.max_distance), initializer="zeros"
        )

    def call(self, x: Any, valid: Any, training: bool | None = None) -> Any:
        """Computes what the class describes."""
        batch, steps = ops.shape(x)[0], ops.shape(x)[1]
        head_dim = self.dim // self.num_heads
        qkv = ops.reshape(self.project_in(x), (batch, steps, 3, self.num_heads, head_dim))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)  # (batch, heads, steps, dim)
        logits = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * head_dim**-0.5
        place = ops.arange(steps)
        distance = ops.expand_dims(place, 1) - ops.expand_dims(place, 0)  # (steps, steps)
        near = ops.clip(distance, 0, self.max_distance - 1)
        bias = ops.take(self.distance_bias, near, axis=1)  # (heads, steps, steps)
        logits = logits + ops.cast(bias, logits.dtype)
        visible = ops.logical_and(distance >= 0, valid[:, None, None, :])
        logits = ops.where(visible, logits, ops.cast(-1e4, logits.dtype))
        weights = ops.softmax(logits) * ops.cast(visible, logits.dtype)
        mixed = ops.matmul(self.drop(weights, training=training), v)
        mixed = ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, steps, self.dim))
        return self.project_out(mixed)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {
            **super().get_config(),
            "dim": self.dim,
            "num_heads": self.num_heads,
            "max_distance": self.max_distance,
            "dropout": self.dropout,
        }


def _orthogonal(shape: Any, dtype: Any = None) -> Any:
    """Keras's orthogonal start, drawn in float32: TensorFlow has no QR of bfloat16."""
    return ops.cast(keras.initializers.OrthogonalInitializer()(shape, "float32"), dtype)


def most_recent(history: Any, length: int) -> Any:
    """The last `length` steps of a history `(batch, steps)`, all of a shorter one."""
    return history[:, -length:]


@keras.saving.register_keras_serializable("tfrec_fusion")
class HistoryEncoder(keras.layers.Layer):
    """Item vectors of a history → the user's state after each of its items.

    `"attention"` is a pre-norm causal transformer (SASRec: Kang and McAuley 2018), `"gru"` a
    recurrent network (GRU4Rec: Hidasi et al. 2016).

    Args:
        dim: Size of the item vectors and of the states.
        kind: `"attention"` or `"gru"`.
        num_layers: Blocks, or recurrent layers, on top of each other.
        num_heads: Attention heads.
        max_distance: Longest distance between items that has its own attention bias.
        dropout: Rate on the item vectors, between and inside the blocks.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: `(batch, steps, dim)` item vectors, oldest first.
        valid: `(batch, steps)` bool, False where there is no item.

    Returns:
        `(batch, steps, dim)`.

    Raises:
        ValueError: When `kind` is unknown or a size is out of range.

    Example:

    >>> import numpy as np
    >>> encoder = HistoryEncoder(dim=8, num_layers=1)
    >>> encoder(np.ones((2, 5, 8)), np.ones((2, 5), bool)).shape
    TensorShape([2, 5, 8])
    """

    def __init__(
        self,
        dim: int,
        kind: str = "attention",
        num_layers: int = 2,
        num_heads: int = 1,
        max_distance: int = 100,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in ("attention", "gru"):
            raise InvalidInput(f'`kind` must be "attention" or "gru". Received: kind={kind!r}.')
        if num_layers < 1 or not 0 <= dropout < 1:
            raise InvalidInput(
                "`num_layers` must be positive and `dropout` in [0, 1). "
                f"Received: num_layers={num_layers}, dropout={dropout}."
            )
        self.dim, self.kind, self.num_layers, self.num_heads = dim, kind, num_layers, num_heads
        self.max_distance, self.dropout = max_distance, dropout
        policy = self.dtype_policy
        self.drop = keras.layers.Dropout(dropout, dtype=policy)
        self.final_norm = keras.layers.LayerNormalization(dtype=policy, name="final_norm")
        self.mixers: list[Any] = []
        self.mixer_norms: list[Any] = []
        self.expands: list[Any] = []
        self.contracts: list[Any] = []
        self.expand_norms: list[Any] = []
        for _ in range(num_layers):
            if kind == "gru":
                # cuDNN's GRU takes masks that are padded on the right only.
                how = {"return_sequences": True, "use_cudnn": False, "dtype": policy}
                if self.variable_dtype in ("bfloat16", "float16"):
                    how["recurrent_initializer"] = _orthogonal
                self.mixers.append(keras.layers.GRU(dim, **how))
                continue
            self.mixers.append(CausalAttention(dim, num_heads, max_distance, dropout, dtype=policy))
            self.mixer_norms.append(keras.layers.LayerNormalization(dtype=policy))
            self.expands.append(keras.layers.Dense(2 * dim, activation="gelu", dtype=policy))
            self.contracts.append(keras.layers.Dense(dim, dtype=policy))
            self.expand_norms.append(keras.layers.LayerNormalization(dtype=policy))

    def build(self, x_shape: Any, valid_shape: Any = None) -> None:
        """Makes the weights."""
        for mixer in self.mixers:
            mixer.build(x_shape)
        for layer in (*self.mixer_norms, *self.expand_norms, *self.expands, self.final_norm):
            layer.build(x_shape)
        for contract in self.contracts:
            contract.build((*x_shape[:-1], 2 * self.dim))

    def call(self, x: Any, valid: Any, training: bool | None = None) -> Any:
        """Computes what the class describes."""
        x = self.drop(x, training=training)  # (batch, steps, dim)
        for number, mixer in enumerate(self.mixers):
            if self.kind == "gru":
                states = mixer(x, mask=valid, training=training)
                # A new tensor, which ends the mask: Keras would scale the loss by size / valid.
                states = ops.where(valid[..., None], states, ops.zeros_like(states))
                x = self.drop(states, training=training)
                continue
            mixed = mixer(self.mixer_norms[number](x), valid, training=training)
            x = x + self.drop(mixed, training=training)
            wide = self.drop(self.expands[number](self.expand_norms[number](x)), training=training)
            x = x + self.drop(self.contracts[number](wide), training=training)
        return self.final_norm(x)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("dim", "kind", "num_layers", "num_heads", "max_distance", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
