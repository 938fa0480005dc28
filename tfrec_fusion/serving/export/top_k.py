"""Which items are best: among all of them, or among those an index finds."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.catalog import LOWEST

Tensors = dict[str, Any]

_FEW_HIDDEN = 256


class NearItems(Protocol):
    """Finds the items whose vectors suit a query; an `InvertedFile` or a `RecommendersIndex`.

    Attributes:
        num_items: Size of the item vocabulary, the unseen index 0 included.
        dim: Size of a vector.
        num_found: Items that are found for a query.
        num_probes: Lists that are looked through for it.
        num_lists: Lists there are.
        repeatable: Whether a query finds the same items whatever stands beside it in the batch.
    """

    num_items: int
    dim: int
    num_probes: int
    num_lists: int
    repeatable: bool

    @property
    def num_found(self) -> int:
        """See the class."""
        ...

    def __call__(self, query: Any) -> Tensors:
        """`items` and `scores` `(batch, num_found)` of `query` `(batch, dim)`; 0 is no item."""
        ...

    def scores_of(self, query: Any, items: Any) -> Any:
        """`(batch, any)` scores of given `items`, found or not."""
        ...

    def all_scores(self, query: Any) -> Any:
        """`(batch, num_items)` scores of all items; for item 0 it means nothing."""
        ...


class Ranker(Protocol):
    """Orders items for users or histories; indices in, indices out."""

    def best(self, asked: Tensors, unknown: Any, hidden: Any, allowed: Any, k: int) -> Any:
        """The best items.

        Args:
            asked: `user_id (batch,)`, or `history (batch, steps)`.
            unknown: `(batch,)`, who is answered with popular items.
            hidden: `(batch, any)` item indices never answered; 0 hides nothing more.
            allowed: `(batch, any)`: where a row has any but 0, no other item is answered, and where
                it has only -1, none.
            k: How many.

        Returns:
            Scores and item indices `(batch, k)`, best first; where there is none the lowest finite
            float32 and any index.
        """
        ...

    def score(self, asked: Tensors, unknown: Any, items: Any) -> Any:
        """Scores `(batch,)` of `items (batch,)`."""
        ...


class ExactRanker:
    """Scores every item.

    Args:
        models: Keras models by what they are asked with, `user_id` or `history`, to
            `{"scores": (batch, num_items)}`.
        popularity: `(num_items,)`.
    """

    def __init__(self, models: dict[str, keras.Model], popularity: tf.Variable) -> None:
        self.models, self.popularity = models, popularity

    def best(self, asked: Tensors, unknown: Any, hidden: Any, allowed: Any, k: int) -> Any:
        """As of `Ranker`."""
        scores = self._scores(asked)
        # Most requests name nobody unknown and allow everything: they are spared passes over all
        # scores, as long as what is hidden is soon compared.
        easy = ~tf.reduce_any(unknown) & ~tf.reduce_any(allowed != 0)
        easy &= tf.shape(hidden)[1] <= _FEW_HIDDEN

        def all_at_once() -> Any:
            wanted = masked(self._with_popular(scores, unknown), hidden, allowed)
            return tuple(tf.math.top_k(wanted, k))

        def best_first() -> Any:
            number = tf.minimum(tf.shape(scores)[1], k + tf.shape(hidden)[1] + 1)
            values, items = tf.math.top_k(scores, number)
            return _best_but(values, items, tf.pad(hidden, [[0, 0], [1, 0]]), k)

        return tf.cond(easy, best_first, all_at_once)

    def score(self, asked: Tensors, unknown: Any, items: Any) -> Any:
        """As of `Ranker`."""
        scores = tf.gather(self._scores(asked), items, batch_dims=1)
        return tf.where(unknown, tf.gather(self.popularity, items), scores)

    def _scores(self, asked: Tensors) -> Any:
        (name,) = asked
        return output_of(self.models[name], asked, "scores", self.popularity.shape[0])

    def _with_popular(self, scores: Any, unknown: Any) -> Any:
        return tf.where(unknown[:, None], self.popularity[None, :], scores)


class NearestRanker:
    """Scores the items that an index finds for a query, and those that are allowed.

    Args:
        models: Keras models by what they are asked with to `{"query": (batch, dim)}`.
        index: Of vectors `(num_items, dim + 1)`, the last column multiplied by 1.
        popularity: `(num_items,)`.
    """

    def __init__(
        self, models: dict[str, keras.Model], index: NearItems, popularity: np.ndarray
    ) -> None:
        self.models, self.index = models, index
        most = min(index.num_found, len(popularity) - 1)
        order = 1 + np.argsort(-popularity[1:], kind="stable")[:most]
        self.popular = tf.Variable(order.astype(np.int32), trainable=False, name="popular")
        self.popularity = tf.Variable(popularity, trainable=False, name="popularity")

    def best(self, asked: Tensors, unknown: Any, hidden: Any, allowed: Any, k: int) -> Any:
        """As of `Ranker`."""
        query = self._query(asked)
        found = self.index(query)
        items, scores = self._with_popular(found["items"], found["scores"], unknown)
        only = tf.reduce_any(allowed != 0, axis=1, keepdims=True)

        def with_allowed() -> tuple[Any, Any]:
            chosen = _each_once(tf.maximum(allowed, 0))
            own = self._scores_of(query, unknown, chosen)
            own = tf.where((chosen > 0) & only, own, LOWEST)
            both = tf.concat([tf.where(only, LOWEST, scores), own], axis=1)
            return tf.concat([items, chosen], axis=1), both

        items, scores = tf.cond(tf.reduce_any(only), with_allowed, lambda: (items, scores))
        # What is hidden is at most so many: no more than these can be among the best.
        number = tf.minimum(tf.shape(scores)[1], k + tf.shape(hidden)[1])
        scores, places = tf.math.top_k(scores, number)
        return _best_but(scores, tf.gather(items, places, batch_dims=1), hidden, k)

    def score(self, asked: Tensors, unknown: Any, items: Any) -> Any:
        """As of `Ranker`."""
        return self._scores_of(self._query(asked), unknown, items[:, None])[:, 0]

    def _query(self, asked: Tensors) -> Any:
        (name,) = asked
        query = output_of(self.models[name], asked, "query", self.index.dim - 1)
        return tf.pad(query, [[0, 0], [0, 1]], constant_values=1.0)

    def _with_popular(self, items: Any, scores: Any, unknown: Any) -> tuple[Any, Any]:
        """Popular items in the rows of those who are unknown."""
        room = tf.shape(items)[1] - tf.size(self.popular)
        popular = tf.pad(tf.convert_to_tensor(self.popular), [[0, room]])
        of_popular = tf.where(popular > 0, tf.gather(self.popularity, popular), LOWEST)
        items = tf.where(unknown[:, None], popular[None, :], items)
        return items, tf.where(unknown[:, None], of_popular[None, :], scores)

    def _scores_of(self, query: Any, unknown: Any, items: Any) -> Any:
        of_popular = tf.gather(self.popularity, items)
        return tf.where(unknown[:, None], of_popular, self.index.scores_of(query, items))


def _best_but(scores: Any, items: Any, hidden: Any, k: int) -> Any:
    """The best `k` of `items` and their `scores`, best first, that are not `hidden`."""
    scores = tf.pad(
        tf.where(_among(items, hidden), LOWEST, scores), [[0, 0], [0, k]], constant_values=LOWEST
    )
    scores, places = tf.math.top_k(scores, k)
    return scores, tf.gather(tf.pad(items, [[0, 0], [0, k]]), places, batch_dims=1)


def output_of(model: keras.Model, inputs: Tensors, name: str, width: int | None = None) -> Any:
    """An output of a Keras model in float32, checked.

    Raises:
        ValueError: When the model has no such output, or it is not `(batch, width)`.
    """
    outputs = model(inputs, training=False)
    if not isinstance(outputs, dict) or name not in outputs:
        got = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise InvalidInput(f"The model must output a dict with '{name}'. Received: {got}.")
    found = outputs[name]
    if width is not None and (found.shape.rank != 2 or found.shape[1] not in (None, width)):
        raise InvalidInput(
            f"The model's '{name}' must have the shape (batch, {width}), the unseen item 0 "
            f"included among scores. Received: {tuple(found.shape)}."
        )
    return tf.cast(found, tf.float32)


def masked(scores: Any, hidden: Any, allowed: Any) -> Any:
    """Scores `(batch, num_items)` with item 0, `hidden`, and what is not `allowed`, put last."""
    scores = _lowest_at(scores, tf.pad(hidden, [[0, 0], [1, 0]]))
    only = tf.reduce_any(allowed != 0, axis=1, keepdims=True)

    def only_allowed() -> Any:
        cells = _cells(tf.maximum(allowed, 0))
        there = tf.scatter_nd(cells, tf.ones_like(cells[:, 0]), tf.shape(scores)) > 0
        return tf.where(there | ~only, scores, LOWEST)

    return tf.cond(tf.reduce_any(only), only_allowed, lambda: scores)


def _among(items: Any, others: Any) -> Any:
    """`(batch, any)`: which of `items` `(batch, any)` are among `others` `(batch, any)` of the row.

    By a binary search: comparing each with each would take memory for all pairs.
    """
    ordered = tf.sort(tf.pad(others, [[0, 0], [1, 0]], constant_values=-1), axis=1)
    places = tf.searchsorted(ordered, items, side="right") - 1
    return tf.gather(ordered, places, batch_dims=1) == items


def _each_once(items: Any) -> Any:
    """`items` `(batch, any)` in order, with 0 in the place of each that comes again."""
    ordered = tf.sort(items, axis=1)
    before = tf.pad(ordered[:, :-1], [[0, 0], [1, 0]])[:, : tf.shape(items)[1]]
    return tf.where(ordered == before, 0, ordered)


def _cells(items: Any) -> Any:
    """`(batch * any, 2)` row and column of each of `items` `(batch, any)`."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    return tf.reshape(tf.stack([rows, items], axis=-1), [-1, 2])


def _lowest_at(scores: Any, items: Any) -> Any:
    cells = _cells(items)
    return tf.tensor_scatter_nd_update(scores, cells, tf.fill(tf.shape(cells)[:1], LOWEST))
