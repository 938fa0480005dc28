"""The questions a SavedModel answers, as one TensorFlow graph: strings in, strings out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.serving.catalogue import LOWEST, UNSEEN, Catalogue
from tfrec_fusion.serving.served import ServedModels

Tensors = dict[str, Any]
Signature = tuple[Callable[..., Tensors], list[tf.TensorSpec]]

ONE, MANY = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, None), tf.string)


class AnswerGraph:
    """Wraps Keras models into functions from strings to strings, one a signature.

    Every input and output has the batch first and none is scalar, as batching servers need.
    Ids are looked up, known items masked and titles attached inside the graph. A cell that
    has no answer (fewer than `k` items are left, or the item is unknown) holds an empty id and
    title and the lowest finite float32 as its score, which JSON can carry and NaN cannot.

    Args:
        catalogue: Ids, titles, known items, popularity.
        models: What can be asked.
    """

    def __init__(self, catalogue: Catalogue, models: ServedModels) -> None:
        self.num_items = catalogue.num_items
        self.models = models
        self.user_table = _index_table(catalogue.user_ids)
        self.item_table = _index_table(catalogue.item_ids)
        self.item_ids = _fixed(catalogue.item_ids, tf.string, "item_ids")
        self.titles = _fixed(catalogue.titles, tf.string, "titles")
        self.popularity = _fixed(catalogue.popularity, tf.float32, "popularity")
        self.known_items = _fixed(catalogue.known.indices, tf.int32, "known_items")
        self.known_splits = _fixed(catalogue.known.indptr, tf.int64, "known_splits")

    def signatures(self, page_sizes: Sequence[int]) -> dict[str, Signature]:
        """Functions and their inputs by name.

        Args:
            page_sizes: How many items are answered: a signature such as `recommend_10` for each,
                and the first under the plain name too.
        """
        found: dict[str, Signature] = {}
        for name, (page, specs) in self._pages().items():
            found[name] = (page(page_sizes[0]), specs)
            for k in page_sizes:
                found[f"{name}_{k}"] = (page(k), specs)
        found["score"] = (self.score, [ONE, ONE])
        if self.models.score_of_text is not None:
            found["score_text"] = (self.score_text, [ONE, ONE])
        if self.models.item_of_text is not None:
            found["embed_items"] = (self.embed_items, [ONE])
        return found

    def _pages(self) -> dict[str, tuple[Callable[[int], Callable[..., Tensors]], list[Any]]]:
        """By name what makes a function of a page size, and its inputs.

        The defaults of the functions enter the SignatureDef.
        """
        none = tf.constant([[UNSEEN]])
        pages: dict[str, Any] = {
            "recommend": (
                lambda k: (
                    lambda user_id, exclude_item_ids=none, allow_item_ids=none: self.recommend(
                        user_id, exclude_item_ids, allow_item_ids, k
                    )
                ),
                [ONE, MANY, MANY],
            )
        }
        if self.models.history is not None:
            pages["recommend_from_history"] = (
                lambda k: (
                    lambda item_ids, exclude_item_ids=none, allow_item_ids=none: (
                        self.recommend_from_history(item_ids, exclude_item_ids, allow_item_ids, k)
                    )
                ),
                [MANY, MANY, MANY],
            )
        if self.models.similarity is not None:
            pages["similar_items"] = (
                lambda k: lambda item_id: self.similar_items(item_id, k),
                [ONE],
            )
        if self.models.search is not None:
            pages["search"] = (
                lambda k: (
                    lambda query, exclude_item_ids=none, allow_item_ids=none: self.search(
                        query, exclude_item_ids, allow_item_ids, k
                    )
                ),
                [ONE, MANY, MANY],
            )
        return pages

    def recommend(
        self, user_id: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """The best items a user does not know yet.

        Args:
            user_id: `(batch,)` strings; an unseen user is answered with popular items.
            exclude_item_ids: `(batch or 1, num_excluded)` strings, never answered; "" and
                unknown ids exclude nothing. One row serves the whole batch.
            allow_item_ids: `(batch or 1, num_allowed)` strings; where a row has any but "", no
                other item is answered.
            k: How many.

        Returns:
            `item_id`, `title` `(batch, k)` strings and `score` `(batch, k)` float32, best
            first, ties to the smaller index.
        """
        users = self.user_table.lookup(user_id)  # (batch,)
        scores = self._asked_for(self._user_scores(users), exclude_item_ids, allow_item_ids)
        known = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.known_items),
            tf.convert_to_tensor(self.known_splits),
            validate=False,
        )
        known = tf.gather(known, users)  # (batch, ragged)
        cells = tf.stack([tf.cast(known.value_rowids(), tf.int32), known.flat_values], axis=1)
        return self._best(_lowest_at(scores, cells), k)

    def recommend_from_history(
        self, item_ids: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """The best items for somebody known by a history alone, the history left out.

        Args:
            item_ids: `(batch, steps)` strings, oldest first; "" and unknown ids, wherever they
                stand, are no items. A row without items is answered with popular ones.
            exclude_item_ids: As of `recommend`.
            allow_item_ids: As of `recommend`.
            k: How many.

        Returns:
            As `recommend`.
        """
        items = self.item_table.lookup(item_ids)  # (batch, steps)
        items = tf.pad(items, [[0, 0], [1, 0]])  # models are spared a history of no steps
        order = tf.argsort(tf.cast(items > 0, tf.int32), axis=1, stable=True)
        history = tf.gather(items, order, batch_dims=1)  # nothing in front, then oldest first
        scores = self._ask(self.models.history, {"history": history})
        empty = tf.reduce_all(history == 0, axis=1, keepdims=True)
        scores = tf.where(empty, self.popularity[None, :], scores)
        scores = self._asked_for(scores, exclude_item_ids, allow_item_ids)
        return self._best(_lowest_at(scores, _cells(history)), k)

    def score(self, user_id: tf.Tensor, item_id: tf.Tensor) -> Tensors:
        """The score of one item for one user, known items included.

        Args:
            user_id: `(batch,)` strings; an unseen user gets the item's popularity.
            item_id: `(batch,)` strings; an unknown item gets the lowest finite float32.

        Returns:
            `score`: `(batch,)` float32.
        """
        users, items = self.user_table.lookup(user_id), self.item_table.lookup(item_id)
        scores = tf.gather(self._user_scores(users), items, batch_dims=1)  # (batch,)
        return {"score": tf.where(items == 0, LOWEST, scores)}

    def similar_items(self, item_id: tf.Tensor, k: int) -> Tensors:
        """The items most like an item, itself left out.

        Args:
            item_id: `(batch,)` strings; an unknown item is answered with empty cells.
            k: How many.

        Returns:
            `item_id`, `title` `(batch, k)` strings and `score` `(batch, k)` float32.
        """
        items = self.item_table.lookup(item_id)  # (batch,)
        scores = self._ask(self.models.similarity, {"item_id": items})
        scores = _lowest_at(scores, _cells(tf.stack([tf.zeros_like(items), items], axis=1)))
        return self._best(tf.where(items[:, None] == 0, LOWEST, scores), k)

    def search(
        self, query: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """The items whose texts are nearest in meaning to a wish.

        Args:
            query: `(batch,)` strings, UTF-8; an empty one is answered with empty cells.
            exclude_item_ids: As of `recommend`.
            allow_item_ids: As of `recommend`.
            k: How many.

        Returns:
            As `recommend`; scores are cosines.
        """
        vectors, silent = self._vectors(query)
        scores = self._ask(self.models.search, {"text": vectors})
        scores = self._asked_for(scores, exclude_item_ids, allow_item_ids)
        return self._best(tf.where(silent[:, None], LOWEST, scores), k)

    def score_text(self, user_id: tf.Tensor, text: tf.Tensor) -> Tensors:
        """The score of items that are in no catalogue, by their texts.

        Args:
            user_id: `(batch,)` strings; an unseen user is one who did nothing yet.
            text: `(batch,)` strings, UTF-8; an empty one gets the lowest finite float32.

        Returns:
            `score`: `(batch,)` float32, comparable with those of `score`.
        """
        vectors, silent = self._vectors(text)
        inputs = {"user_id": self.user_table.lookup(user_id), "text": vectors}
        scores = self._output(self.models.score_of_text, inputs, "score")
        return {"score": tf.where(silent, LOWEST, scores)}

    def embed_items(self, text: tf.Tensor) -> Tensors:
        """Vectors of items that are in no catalogue, by their texts.

        Args:
            text: `(batch,)` strings, UTF-8.

        Returns:
            `embedding`: `(batch, dim)` float32.
        """
        vectors, _ = self._vectors(text)
        return {"embedding": self._output(self.models.item_of_text, {"text": vectors}, "embedding")}

    def _vectors(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`(batch, text_dim)`, zeros where there is no word, as in training; and where that is."""
        silent = tf.strings.regex_full_match(text, r"\s*")
        vectors = tf.cast(self.models.encoder(text, training=False), tf.float32)  # type: ignore[misc]
        return tf.where(silent[:, None], 0.0, vectors), silent

    def _user_scores(self, users: tf.Tensor) -> tf.Tensor:
        scores = self._ask(self.models.score, {"user_id": users})
        return tf.where(users[:, None] == 0, self.popularity[None, :], scores)

    def _ask(self, model: keras.Model | None, inputs: Tensors) -> tf.Tensor:
        scores = self._output(model, inputs, "scores")
        if scores.shape.rank != 2 or scores.shape[1] not in (None, self.num_items):
            raise ValueError(
                "The model's 'scores' must have the shape (batch, num_items), the unseen item 0 "
                f"included. Received: {tuple(scores.shape)}, num_items={self.num_items}."
            )
        return scores  # (batch, num_items)

    def _output(self, model: keras.Model | None, inputs: Tensors, name: str) -> tf.Tensor:
        outputs = model(inputs, training=False)  # type: ignore[misc]
        if not isinstance(outputs, dict) or name not in outputs:
            got = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
            raise ValueError(f"The model must output a dict with '{name}'. Received: {got}.")
        return tf.cast(outputs[name], tf.float32)

    def _asked_for(self, scores: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor) -> tf.Tensor:
        """Puts item 0, what is excluded and what is not allowed last."""
        batch = tf.shape(scores)[0]
        excluded = self.item_table.lookup(exclude)  # (batch or 1, num_excluded)
        excluded = tf.broadcast_to(excluded, [batch, tf.shape(excluded)[1]])
        excluded = tf.pad(excluded, [[0, 0], [1, 0]])  # item 0 always
        scores = _lowest_at(scores, _cells(excluded))
        chosen = tf.reduce_any(allow != UNSEEN, axis=1, keepdims=True)  # (batch or 1, 1)

        def only_allowed() -> tf.Tensor:
            allowed = self.item_table.lookup(allow)
            cells = _cells(tf.broadcast_to(allowed, [batch, tf.shape(allowed)[1]]))
            there = tf.scatter_nd(cells, tf.ones_like(cells[:, 0]), tf.shape(scores)) > 0
            return tf.where(there | ~chosen, scores, LOWEST)

        return tf.cond(tf.reduce_any(chosen), only_allowed, lambda: scores)

    def _best(self, scores: tf.Tensor, k: int) -> Tensors:
        values, items = tf.math.top_k(scores, k)  # (batch, k)
        items = tf.where(values <= LOWEST, 0, items)
        return {
            "item_id": tf.gather(self.item_ids, items),
            "title": tf.gather(self.titles, items),
            "score": values,
        }


def _cells(items: tf.Tensor) -> tf.Tensor:
    """`(batch * any, 2)` row and column of each of `items` `(batch, any)`."""
    rows = tf.broadcast_to(tf.range(tf.shape(items)[0])[:, None], tf.shape(items))
    return tf.reshape(tf.stack([rows, items], axis=-1), [-1, 2])


def _lowest_at(scores: tf.Tensor, cells: tf.Tensor) -> tf.Tensor:
    """`scores` `(batch, num_items)` with the lowest finite value at `cells` `(any, 2)`."""
    lowest = tf.fill(tf.shape(cells)[:1], LOWEST)
    return tf.tensor_scatter_nd_update(scores, cells, lowest)


def _index_table(ids: np.ndarray) -> tf.lookup.StaticHashTable:
    keys = tf.constant(ids[1:].tolist(), tf.string)
    values = tf.range(1, len(ids), dtype=tf.int32)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default_value=0
    )


def _fixed(values: np.ndarray, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(tf.constant(values, dtype), trainable=False, name=name)
