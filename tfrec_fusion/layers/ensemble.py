"""Scores of several models put on one scale and added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision

SCALES = ("scores", "ranks")
RANK_OFFSET = 60  # of reciprocal rank fusion, in the paper


@keras.saving.register_keras_serializable("tfrec_fusion")
class CombinedScores(FullPrecision):
    """A weighted sum of what several models say of every item.

    `"scores"` are brought to mean 0 and deviation 1 over a user's items first; `"ranks"` are
    reciprocal ranks `61 / (60 + rank)`, 1 for the best item (Cormack, Clarke and Büttcher 2009).
    Position 0, the unseen item, has no part in the mean and the ranks and gets 0.

    Args:
        weights: One of each model, not negative, not all 0; they are scaled to sum to 1.
        scale: `"scores"` or `"ranks"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        scores: `(num_models, batch, num_items)`.

    Returns:
        `(batch, num_items)`, float32 under any dtype policy.

    Raises:
        ValueError: For unsound weights or an unknown scale.

    Example:

    >>> both = np.array([[[0.0, 5.0, 7.0]], [[0.0, 30.0, 10.0]]], "float32")
    >>> CombinedScores([3, 1])(both).numpy().tolist()
    [[0.0, -0.5, 0.5]]
    """

    def __init__(self, weights: Sequence[float], scale: str = "scores", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = np.asarray(weights, np.float64)
        if given.ndim != 1 or not np.isfinite(given).all() or (given < 0).any() or not given.any():
            raise InvalidInput(
                "`weights` must be numbers of at least 0, not all of them 0. "
                f"Received: {list(weights)}."
            )
        if scale not in SCALES:
            raise InvalidInput(f"`scale` must be one of {', '.join(SCALES)}. Received: {scale!r}.")
        self.given_weights, self.scale = (given / given.sum()).tolist(), scale

    def call(self, scores: Any) -> Any:
        """Computes what the class describes."""
        if scores.shape[0] not in (None, len(self.given_weights)):
            raise InvalidInput(
                f"`scores` must be of {len(self.given_weights)} models. "
                f"Received: {scores.shape[0]}."
            )
        shown = scaled(scores[..., 1:], self.scale)  # (num_models, batch, num_items - 1)
        total = ops.tensordot(ops.cast(self.given_weights, shown.dtype), shown, axes=1)
        return ops.pad(total, ((0, 0), (1, 0)))

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "weights": self.given_weights, "scale": self.scale}


def scaled(scores: Any, scale: str) -> Any:
    """Scores `(..., num_items)` as they are added: standard scores, or reciprocal ranks."""
    if scale == "scores":
        centered = scores - ops.mean(scores, axis=-1, keepdims=True)
        return centered / (ops.std(scores, axis=-1, keepdims=True) + 1e-9)
    order = ops.argsort(-scores, axis=-1)
    rank = ops.cast(ops.argsort(order, axis=-1), scores.dtype)  # 0 is the best
    return (RANK_OFFSET + 1) / (RANK_OFFSET + 1 + rank)
