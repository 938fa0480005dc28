"""The questions a SavedModel answers, as one TensorFlow graph: strings in, strings out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_fusion.serving.catalogue import LOWEST, UNSEEN, Catalogue
from tfrec_fusion.serving.ranking import masked, output_of
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
        self.ranker = models.ranker(catalogue.popularity)
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
        known = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.known_items),
            tf.convert_to_tensor(self.known_splits),
            validate=False,
        )
        hidden = tf.gather(known, users).to_tensor()  # (batch, most)
        hidden, allowed = self._lists(users, hidden, exclude_item_ids, allow_item_ids)
        return self._page(*self.ranker.best({"user_id": users}, users == 0, hidden, allowed, k))

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
        unknown = tf.reduce_all(history == 0, axis=1)
        hidden, allowed = self._lists(unknown, history, exclude_item_ids, allow_item_ids)
        return self._page(*self.ranker.best({"history": history}, unknown, hidden, allowed, k))

    def score(self, user_id: tf.Tensor, item_id: tf.Tensor) -> Tensors:
        """The score of one item for one user, known items included.

        Args:
            user_id: `(batch,)` strings; an unseen user gets the item's popularity.
            item_id: `(batch,)` strings; an unknown item gets the lowest finite float32.

        Returns:
            `score`: `(batch,)` float32.
        """
        users, items = self.user_table.lookup(user_id), self.item_table.lookup(item_id)
        scores = self.ranker.score({"user_id": users}, users == 0, items)  # (batch,)
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
        found = output_of(self.models.similarity, {"item_id": items}, "scores", self.num_items)
        scores = masked(found, items[:, None], tf.zeros_like(items)[:, None])
        return self._page(*tf.math.top_k(tf.where(items[:, None] == 0, LOWEST, scores), k))

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
        scores = output_of(self.models.search, {"text": vectors}, "scores", self.num_items)
        nothing = tf.zeros_like(scores[:, :1], tf.int32)
        hidden, allowed = self._lists(silent, nothing, exclude_item_ids, allow_item_ids)
        scores = tf.where(silent[:, None], LOWEST, masked(scores, hidden, allowed))
        return self._page(*tf.math.top_k(scores, k))

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
        scores = output_of(self.models.score_of_text, inputs, "score")
        return {"score": tf.where(silent, LOWEST, scores)}

    def embed_items(self, text: tf.Tensor) -> Tensors:
        """Vectors of items that are in no catalogue, by their texts.

        Args:
            text: `(batch,)` strings, UTF-8.

        Returns:
            `embedding`: `(batch, dim)` float32.
        """
        vectors, _ = self._vectors(text)
        return {"embedding": output_of(self.models.item_of_text, {"text": vectors}, "embedding")}

    def _vectors(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`(batch, text_dim)`, zeros where there is no word, as in training; and where that is."""
        silent = tf.strings.regex_full_match(text, r"\s*")
        vectors = tf.cast(self.models.encoder(text, training=False), tf.float32)  # type: ignore[misc]
        return tf.where(silent[:, None], 0.0, vectors), silent

    def _lists(
        self, rows: tf.Tensor, hidden: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What is hidden and what is allowed, as a `Ranker` wants them; `rows` is `(batch,)`."""
        batch = tf.size(rows)
        excluded = self.item_table.lookup(exclude)
        excluded = tf.broadcast_to(excluded, [batch, tf.shape(excluded)[1]])
        allowed = self.item_table.lookup(allow)
        allowed = tf.where((allow != UNSEEN) & (allowed == 0), -1, allowed)  # named, not known
        allowed = tf.broadcast_to(allowed, [batch, tf.shape(allowed)[1]])
        return tf.concat([hidden, excluded], axis=1), allowed

    def _page(self, scores: tf.Tensor, items: tf.Tensor) -> Tensors:
        items = tf.where(scores <= LOWEST, 0, items)  # (batch, k)
        return {
            "item_id": tf.gather(self.item_ids, items),
            "title": tf.gather(self.titles, items),
            "score": scores,
        }


def _index_table(ids: np.ndarray) -> tf.lookup.StaticHashTable:
    keys = tf.constant(ids[1:].tolist(), tf.string)
    values = tf.range(1, len(ids), dtype=tf.int32)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default_value=0
    )


def _fixed(values: np.ndarray, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(tf.constant(values, dtype), trainable=False, name=name)
