"""Nearest items in a few of many lists: an inverted file of TensorFlow's own operations.

The items are divided into lists of like vectors (k-means; large clusters are cut into lists of
equal size along their principal direction, so that a list is one dense block of memory). A query
is compared with the lists' means, then with the items of the most promising lists alone: Sivic and
Zisserman 2003; Jégou et al. 2011, https://doi.org/10.1109/TPAMI.2010.57. An unmodified TensorFlow
Serving runs it, for it is a gather and two products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import keras
import numpy as np
from keras import ops
from sklearn.cluster import MiniBatchKMeans

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.catalog import LOWEST
from tfrec_fusion.serving.index.kinds import Precision

_INT8_MOST = 127


@keras.saving.register_keras_serializable("tfrec_fusion")
class InvertedFile(keras.layers.Layer):
    """Queries → the items of the lists that suit them best, with their scores.

    Args:
        num_items: Size of the item vocabulary, the unseen index 0 included.
        num_lists: Lists.
        capacity: Items a list holds at most.
        dim: Size of a vector.
        num_probes: Lists that are looked through for a query.
        precision: How vectors are kept: `float32`, `bfloat16`, or `int8` with a scale a vector;
            scores are float32 in any case.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: `(batch, dim)` float32.

    Returns:
        `items` `(batch, num_probes * capacity)` int32, 0 where a list has room left, and `scores`
        of that shape, `query · item`, there the lowest finite float32; in no order.

    Raises:
        ValueError: When a size is out of range, or `precision` is unknown.

    Example:

    >>> vectors = np.eye(5, 3, k=-1, dtype=np.float32)  # item 0 is nobody
    >>> index = InvertedFile.of(vectors, capacity=2, num_probes=1)
    >>> found = index(np.array([[0.0, 1.0, 0.0]], np.float32))
    >>> int(found["items"][0][np.argmax(found["scores"][0])])
    2
    """

    repeatable = True

    def __init__(
        self,
        num_items: int,
        num_lists: int,
        capacity: int,
        dim: int,
        num_probes: int,
        precision: Precision = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        if min(num_items, capacity, dim) < 1 or not 1 <= num_probes <= num_lists:
            raise InvalidInput(
                "Sizes must be positive and `num_probes` between 1 and `num_lists`. "
                f"Received: num_items={num_items}, num_lists={num_lists}, capacity={capacity}, "
                f"dim={dim}, num_probes={num_probes}."
            )
        if precision not in get_args(Precision):
            raise InvalidInput(
                f"`precision` must be one of {', '.join(get_args(Precision))}. "
                f"Received: {precision!r}."
            )
        self.num_items, self.num_lists, self.capacity = num_items, num_lists, capacity
        self.dim, self.num_probes, self.precision = dim, num_probes, precision
        self.means = self._constant("means", (num_lists, dim), "float32")
        self.items = self._constant("items", (num_lists, capacity), "int32")
        self.places = self._constant("places", (num_items,), "int32")
        self.vectors = self._constant("vectors", (num_lists, capacity, dim), precision)
        if precision == "int8":
            self.scales = self._constant("scales", (num_lists, capacity), "float32")
        self.built = True

    def _constant(self, name: str, shape: tuple[int, ...], dtype: str) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    @classmethod
    def of(
        cls,
        vectors: np.ndarray,
        capacity: int = 128,
        num_probes: int = 8,
        precision: Precision = "float32",
        seed: int = 0,
    ) -> InvertedFile:
        """The index of given vectors.

        Args:
            vectors: `(num_items, dim)`; row 0, the unseen item, is left out.
            capacity: Items a list holds at most.
            num_probes: Lists that are looked through; at most all are.
            precision: How vectors are kept.
            seed: Of k-means.
        """
        lists = divided(np.asarray(vectors[1:], np.float32), capacity, seed)
        items = np.zeros((len(lists), capacity), np.int32)
        for row, members in zip(items, lists, strict=True):
            row[: len(members)] = members + 1
        probes = min(num_probes, len(lists))
        index = cls(len(vectors), len(lists), capacity, vectors.shape[1], probes, precision)
        index.means.assign(np.stack([vectors[members + 1].mean(axis=0) for members in lists]))
        index.items.assign(items)
        places = np.zeros(len(vectors), np.int32)
        places[items[items > 0]] = np.flatnonzero(items)
        index.places.assign(places)
        blocks = np.where(items[..., None] > 0, vectors[items], 0).astype(np.float32)
        if precision == "int8":
            scales = np.abs(blocks).max(axis=-1) / _INT8_MOST
            index.scales.assign(scales)
            blocks = np.rint(blocks / np.maximum(scales, 1e-30)[..., None])
        index.vectors.assign(ops.cast(blocks, precision))
        return index

    def call(self, query: Any) -> dict[str, Any]:
        """Computes what the class describes."""
        query = ops.cast(query, "float32")
        promising = ops.matmul(query, ops.transpose(self.means))  # (batch, num_lists)
        lists = ops.top_k(promising, self.num_probes, sorted=False)[1]  # (batch, probes)
        items = ops.take(self.items, lists, axis=0)  # (batch, probes, capacity)
        near = ops.cast(ops.take(self.vectors, lists, axis=0), "float32")
        scores = ops.squeeze(ops.matmul(near, query[:, None, :, None]), -1)
        if self.precision == "int8":
            scores *= ops.take(self.scales, lists, axis=0)
        scores = ops.where(items > 0, scores, LOWEST)
        return {
            "items": ops.reshape(items, (-1, self.num_found)),
            "scores": ops.reshape(scores, (-1, self.num_found)),
        }

    @property
    def num_found(self) -> int:
        """Items that are found for a query, places without one included."""
        return self.num_probes * self.capacity

    def scores_of(self, query: Any, items: Any) -> Any:
        """Scores of given items, whatever list they are in.

        Args:
            query: `(batch, dim)` float32.
            items: `(batch, any)` item indices; of 0 the score means nothing.

        Returns:
            `(batch, any)` float32.
        """
        places = ops.take(self.places, items, axis=0)
        flat = ops.reshape(self.vectors, (-1, self.dim))
        chosen = ops.cast(ops.take(flat, places, axis=0), "float32")  # (batch, any, dim)
        scores = ops.squeeze(ops.matmul(chosen, ops.cast(query, "float32")[:, :, None]), -1)
        if self.precision == "int8":
            scores *= ops.take(ops.reshape(self.scales, (-1,)), places, axis=0)
        return scores

    def all_scores(self, query: Any) -> Any:
        """Scores of every item, whatever list it is in.

        Args:
            query: `(batch, dim)` float32.

        Returns:
            `(batch, num_items)` float32; for item 0 it means nothing.
        """
        flat = ops.cast(ops.reshape(self.vectors, (-1, self.dim)), "float32")
        scores = ops.matmul(ops.cast(query, "float32"), ops.transpose(flat))
        if self.precision == "int8":
            scores *= ops.reshape(self.scales, (-1,))
        return ops.take(scores, self.places, axis=1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again; what it holds are weights."""
        names = ("num_items", "num_lists", "capacity", "dim", "num_probes", "precision")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def divided(vectors: np.ndarray, capacity: int, seed: int = 0) -> list[np.ndarray]:
    """Divides vectors into lists of like ones.

    Args:
        vectors: `(number, dim)`.
        capacity: The most of a list.
        seed: Of k-means.

    Returns:
        Row numbers by list; each row is in one, and none is empty.

    Raises:
        ValueError: When there are no vectors, one is not finite, or `capacity` is below 1.
    """
    if not len(vectors) or not np.isfinite(vectors).all() or capacity < 1:
        raise InvalidInput(
            "There must be vectors, all finite, and `capacity` must be positive. "
            f"Received: {len(vectors)} vectors, capacity={capacity}."
        )
    number = max(1, min(round(2 * np.sqrt(len(vectors))), len(vectors) // capacity))
    means = MiniBatchKMeans(
        number, batch_size=8192, n_init=1, max_iter=30, random_state=seed, init="random"
    )
    cluster = means.fit_predict(vectors)
    order = np.argsort(cluster, kind="stable")
    cuts = np.flatnonzero(np.diff(cluster[order])) + 1
    return [block for rows in np.split(order, cuts) for block in _blocks(vectors, rows, capacity)]


def _blocks(vectors: np.ndarray, rows: np.ndarray, capacity: int) -> list[np.ndarray]:
    """Cuts a cluster across its principal direction until each part fits; all but one are full."""
    if len(rows) <= capacity:
        return [rows]
    own = vectors[rows] - vectors[rows].mean(axis=0)
    direction = np.linalg.eigh(own.T @ own)[1][:, -1]
    rows = rows[np.argsort(own @ direction, kind="stable")]
    half = -(-len(rows) // capacity) // 2 * capacity
    return [
        *_blocks(vectors, rows[:half], capacity),
        *_blocks(vectors, rows[half:], capacity),
    ]


def recall_of(
    index: Callable[[Any], dict[str, Any]], queries: np.ndarray, best: np.ndarray
) -> float:
    """Share of the true best items that an index finds.

    Args:
        index: Queries → `items` and `scores`, such as an `InvertedFile`.
        queries: `(number, dim)`.
        best: `(number, k)` item indices of the exact search.
    """
    k, hits = best.shape[1], 0
    for start in range(0, len(queries), 256):
        found = index(queries[start : start + 256])
        scores, items = np.asarray(found["scores"]), np.asarray(found["items"])
        top = np.argpartition(-scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]
        named = np.take_along_axis(items, top, axis=1)
        hits += sum(
            len(np.intersect1d(one, other)) for one, other in zip(named, best[start:], strict=False)
        )
    return hits / best.size
