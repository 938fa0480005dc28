"""Fusions of several vectors of one item or user, such as its id's and its text's, into one.

All fusions are called alike, `fusion([id_vectors, text_vectors], [id_is_present, None])`, and give
vectors of one size, so that a keyword exchanges them. A missing source, such as the id of a
cold-start item, adds nothing; where every source is missing, the vector is zero or a learned
constant. Each source is first projected to the common size, `x_k = source_k W_k`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput


@keras.saving.register_keras_serializable("tfrec_fusion")
class ConcatFusion(keras.layers.Layer):
    """`sum_k present_k x_k`: one linear layer over the concatenated sources.

    Args:
        dim: Size of the result.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        sources: Vectors `(..., dim_k)`, the same leading shape for all.
        present: For each source None (always there) or `(...)`, 1 or True where it is there.

    Returns:
        `(..., dim)`.

    Raises:
        ValueError: When `dim` is not positive or the number of `present` is not that of `sources`.

    Example:

    >>> import numpy as np
    >>> layer = ConcatFusion(4)
    >>> ids, texts = np.ones((2, 3)), np.ones((2, 8))
    >>> layer([ids, texts], [np.array([True, False]), None]).shape
    TensorShape([2, 4])
    """

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if dim < 1:
            raise InvalidInput(f"`dim` must be positive. Received: dim={dim}.")
        self.dim = dim

    def build(self, sources_shape: Sequence[Any], present_shape: Any = None) -> None:
        """Makes the weights: the projections."""
        policy = self.dtype_policy
        self.projections: list[Any] = []
        for number, shape in enumerate(sources_shape):
            name = f"project_{number}"
            if number == 0 and shape[-1] == self.dim:
                layer = keras.layers.Identity(dtype=policy, name=name)
            else:
                layer = keras.layers.Dense(self.dim, use_bias=False, dtype=policy, name=name)
            layer.build(shape)
            self.projections.append(layer)

    def call(self, sources: Sequence[Any], present: Sequence[Any] | None = None) -> Any:
        """Computes what the class describes."""
        projected, _ = self._projected(sources, present)
        return sum(projected[1:], projected[0])

    def _projected(
        self, sources: Sequence[Any], present: Sequence[Any] | None
    ) -> tuple[list[Any], list[Any]]:
        """`x_k`, zero where absent, and `(..., 1)` presence of each source."""
        given = [None] * len(sources) if present is None else list(present)
        if len(given) != len(sources) or len(sources) != len(self.projections):
            raise InvalidInput(
                "A fusion needs one `present` for each source, and as many sources as it was "
                f"built for. Received: {len(sources)} sources, {len(given)} present, built for "
                f"{len(self.projections)}."
            )
        projected, there = [], []
        for source, mask, project in zip(sources, given, self.projections, strict=True):
            x = project(source)
            mask = ops.ones_like(x[..., :1]) if mask is None else ops.cast(mask, x.dtype)[..., None]
            projected.append(x * mask)
            there.append(mask)
        return projected, there

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "dim": self.dim}


@keras.saving.register_keras_serializable("tfrec_fusion")
class GatedFusion(ConcatFusion):
    """`sum_k g_k * x_k`, the gates a softmax over the sources, one for each dimension.

    `g = softmax_k(x W_k + log present_k)` with `x` the concatenated `x_k`: each dimension takes
    more from the source that knows (gated multimodal units: Arevalo et al. 2017,
    https://arxiv.org/abs/1702.01992, with a softmax in place of their sigmoid). See
    `ConcatFusion` for arguments.
    """

    def build(self, sources_shape: Sequence[Any], present_shape: Any = None) -> None:
        """Makes the weights: the projections and the gates."""
        super().build(sources_shape)
        number = len(sources_shape)
        self.gate = keras.layers.Dense(number * self.dim, dtype=self.dtype_policy, name="gate")
        self.gate.build((*sources_shape[0][:-1], number * self.dim))

    def call(self, sources: Sequence[Any], present: Sequence[Any] | None = None) -> Any:
        """Computes what the class describes."""
        projected, there = self._projected(sources, present)
        gates = ops.split(self.gate(ops.concatenate(projected, axis=-1)), len(projected), axis=-1)
        weights = _softmax_over(gates, there)
        return sum(w * x for w, x in zip(weights, projected, strict=True))


@keras.saving.register_keras_serializable("tfrec_fusion")
class AttentionFusion(ConcatFusion):
    """`sum_k a_k x_k + x̄`, attention across the sources with a learned query.

    `a = softmax_k(q · x_k / sqrt(dim) + b_k)` over the sources that are there, and `x̄` their sum,
    so that attention changes a mix that is sound from the start. See `ConcatFusion` for arguments.
    """

    def build(self, sources_shape: Sequence[Any], present_shape: Any = None) -> None:
        """Makes the weights: the projections, the query and a bias for each source."""
        super().build(sources_shape)
        self.query = self.add_weight(name="query", shape=(self.dim,))
        self.preference = self.add_weight(
            name="preference", shape=(len(sources_shape),), initializer="zeros"
        )

    def call(self, sources: Sequence[Any], present: Sequence[Any] | None = None) -> Any:
        """Computes what the class describes."""
        projected, there = self._projected(sources, present)
        query = ops.cast(self.query, projected[0].dtype) * self.dim**-0.5
        scores = [
            ops.sum(x * query, axis=-1, keepdims=True) + ops.cast(self.preference[k], x.dtype)
            for k, x in enumerate(projected)
        ]
        weights = _softmax_over(scores, there)
        return sum((1 + w) * x for w, x in zip(weights, projected, strict=True))


@keras.saving.register_keras_serializable("tfrec_fusion")
class ResidualFusion(ConcatFusion):
    """`sum_k x_k + gelu([x_1 … x_n] W) V`: the linear fusion and what it misses.

    `V` starts at zero, so training starts from the linear fusion (as residual branches do in
    Goyal et al. 2017, https://arxiv.org/abs/1706.02677). See `ConcatFusion` for arguments.
    """

    def build(self, sources_shape: Sequence[Any], present_shape: Any = None) -> None:
        """Makes the weights: the projections and the residual branch."""
        super().build(sources_shape)
        leading, policy = sources_shape[0][:-1], self.dtype_policy
        self.widen = keras.layers.Dense(2 * self.dim, "gelu", dtype=policy, name="widen")
        self.widen.build((*leading, len(sources_shape) * self.dim))
        self.narrow = keras.layers.Dense(
            self.dim, kernel_initializer="zeros", dtype=policy, name="narrow"
        )
        self.narrow.build((*leading, 2 * self.dim))

    def call(self, sources: Sequence[Any], present: Sequence[Any] | None = None) -> Any:
        """Computes what the class describes."""
        projected, _ = self._projected(sources, present)
        rest = self.narrow(self.widen(ops.concatenate(projected, axis=-1)))
        return sum(projected[1:], projected[0]) + rest


FUSIONS: dict[str, type[ConcatFusion]] = {
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "attention": AttentionFusion,
    "residual": ResidualFusion,
}


def fusion_layer(kind: str, dim: int, **kwargs: Any) -> ConcatFusion:
    """The fusion of a name.

    Args:
        kind: `"concat"`, `"gated"`, `"attention"` or `"residual"`.
        dim: Size of the result.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: When there is no fusion of that name.

    Example:

    >>> type(fusion_layer("gated", 8)).__name__
    'GatedFusion'
    """
    if kind not in FUSIONS:
        raise InvalidInput(f"`kind` must be one of {', '.join(FUSIONS)}. Received: {kind!r}.")
    return FUSIONS[kind](dim, **kwargs)


def _softmax_over(scores: Sequence[Any], there: Sequence[Any]) -> list[Any]:
    """Weights over the sources that are there, `(..., 1 or dim)` each; zeros where none is."""
    seen = [
        ops.where(mask > 0, score, ops.cast(-1e4, score.dtype))
        for score, mask in zip(scores, there, strict=True)
    ]
    weights = ops.softmax(ops.stack(seen), axis=0)  # (sources, ..., 1 or dim)
    return [weights[k] * mask for k, mask in enumerate(there)]
