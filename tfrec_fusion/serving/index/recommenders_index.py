"""Nearest items by TensorFlow Recommenders: ScaNN, for servers built with it, or brute force.

TensorFlow Recommenders needs the former Keras, which `TF_USE_LEGACY_KERAS=1` puts in the place of
`tf.keras` for a whole process, so an export with such an index is a process of its own
(`tfrec-zoo export --index scann` starts it). Keras 3 models work in it as ever.
"""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.catalog import LOWEST
from tfrec_fusion.serving.index.kinds import Kind, has_its_keras

_FEWEST = 16  # from which ScaNN learns its codes


class RecommendersIndex(tf.Module):
    """Queries → the items nearest to them, with their scores; as `InvertedFile` is called.

    `"scann"` (Guo et al. 2020, https://arxiv.org/abs/1908.10396) looks through the leaves of a
    tree that are most like the query, and compares the best of them exactly; `"brute_force"`
    compares all.

    Args:
        vectors: `(num_items, dim)`; row 0, the unseen item, is left out.
        kind: `"scann"` or `"brute_force"`.
        num_probes: Leaves that are looked through for a query; at most all are.
        num_found: Items that are found for a query; at most all are.

    Attributes:
        num_lists: Leaves of the tree; 1 with brute force.

    Raises:
        ValueError: When `kind` is unknown, or ScaNN gets too few items to learn from.
        ImportError: When `kinds.PACKAGES` are missing or the process has the other Keras.

    Example: `tfrec-zoo export RUN --to savedmodels/NAME --index scann`.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        kind: Kind = "scann",
        num_probes: int = 1,
        num_found: int = 512,
    ) -> None:
        super().__init__(name="nearest")
        if kind not in get_args(Kind):
            raise InvalidInput(
                f"`kind` must be one of {', '.join(get_args(Kind))}. Received: {kind!r}."
            )
        number, self.dim = len(vectors) - 1, vectors.shape[1]
        self.num_items, self.num_found = len(vectors), min(num_found, number)
        self.num_lists = 1 if kind == "brute_force" else max(1, round(math.sqrt(number)))
        # ScaNN rounds what it compares leaves by: of two that are alike either may be taken.
        self.repeatable = kind == "brute_force"
        self.num_probes = min(num_probes, self.num_lists)
        self.vectors = tf.Variable(vectors.astype(np.float32), trainable=False, name="vectors")
        factorized_top_k = _library()
        if kind == "brute_force":
            layer = factorized_top_k.BruteForce(k=self.num_found)
        elif number < _FEWEST:
            raise InvalidInput(
                f"ScaNN learns its codes from {_FEWEST} items or more. Received: {number}. An "
                "exact search through so few is fast: export without an index."
            )
        else:
            layer = factorized_top_k.ScaNN(
                k=self.num_found,
                num_leaves=self.num_lists,
                num_leaves_to_search=self.num_probes,
                num_reordering_candidates=2 * self.num_found,
            )
        identifiers = tf.range(1, len(vectors), dtype=tf.int32)
        self.layer = layer.index(tf.convert_to_tensor(self.vectors)[1:], identifiers)

    def __call__(self, query: Any) -> dict[str, Any]:
        """The best items.

        Args:
            query: `(batch, dim)` float32.

        Returns:
            `items` `(batch, num_found)` int32, 0 where fewer were found, and `scores` of that
            shape, there the lowest finite float32.
        """
        scores, items = self.layer(tf.convert_to_tensor(query, tf.float32))
        found = tf.math.is_finite(scores)  # ScaNN fills the rows of a batch with NaN
        items, scores = tf.where(found, items, 0), tf.where(found, scores, LOWEST)
        room = [[0, 0], [0, self.num_found - tf.shape(scores)[1]]]
        return {
            "items": tf.pad(items, room),
            "scores": tf.pad(scores, room, constant_values=LOWEST),
        }

    def scores_of(self, query: Any, items: Any) -> Any:
        """Scores of given items, found or not; as `InvertedFile.scores_of`."""
        chosen = tf.gather(self.vectors, items)  # (batch, any, dim)
        return tf.einsum("bnd,bd->bn", chosen, tf.cast(query, tf.float32))

    def all_scores(self, query: Any) -> Any:
        """Scores of all items; as `InvertedFile.all_scores`."""
        return tf.matmul(query, self.vectors, transpose_b=True)


def _library() -> Any:
    if not has_its_keras():
        raise ImportError(
            "TensorFlow Recommenders needs TF_USE_LEGACY_KERAS=1 from the start of the process. "
            "`tfrec-zoo export --index scann` sees to it."
        )
    from tensorflow_recommenders.layers import factorized_top_k

    return factorized_top_k
