"""The questions a SavedModel answers, as one TensorFlow graph: strings in, strings out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_fusion.serving.export.catalog import LOWEST, UNSEEN, Catalog
from tfrec_fusion.serving.export.row_blocks import bounded
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.sources import MODEL, NEW_USER, NO_ANSWER, POPULARITY, TEXT
from tfrec_fusion.serving.export.top_k import masked, output_of

Tensors = dict[str, Any]
Signature = tuple[Callable[..., Tensors], list[tf.TensorSpec]]

ONE, MANY = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, None), tf.string)
FILTERED = "_filtered"  # ends the names of signatures that take items to exclude and to allow
UNKNOWN = "unknown_item_ids"


class AnswerGraph:
    """Wraps Keras models into functions from strings to strings, one a signature.

    Every input and output has the batch first and none is scalar, as batching servers need; inputs
    with different numbers of rows and requests that are too large are refused, and rows are
    answered some at a time (`row_blocks`). Ids are looked up, known items masked and titles
    attached inside the graph. A cell that has no answer (fewer than `k` items are left, or the
    item is unknown) holds an empty id, title and source, and the score 0. Item ids that the model
    does not know are returned as `unknown_item_ids`: an error would fail the requests of others
    that a server puts into the same batch.

    Args:
        catalog: Ids, titles, known items, popularity.
        models: What can be asked.
    """

    def __init__(self, catalog: Catalog, models: ServedModels) -> None:
        self.num_items = catalog.num_items
        self.models = models
        self.allow_seen = catalog.allow_seen
        self.user_table: Any = None  # where users are left out
        if catalog.num_users > 1:
            self.user_table = _index_table(catalog.user_ids)
        self.item_table = _index_table(catalog.item_ids)
        self.item_ids = _fixed(catalog.item_ids, tf.string, "item_ids")
        self.titles = _fixed(catalog.titles, tf.string, "titles")
        self.ranker = models.ranker(catalog.popularity)
        self.known_items = _fixed(catalog.known.indices, tf.int32, "known_items")
        self.known_splits = _fixed(catalog.known.indptr, tf.int64, "known_splits")

    def signatures(self, page_sizes: Sequence[int]) -> dict[str, Signature]:
        """Returns functions and their inputs by the name of their signature.

        Args:
            page_sizes: How many items are answered: a signature such as `recommend_10` for each,
                and the first under the plain name too.
        """
        pages = {k: self._pages(k) for k in page_sizes}
        found: dict[str, Signature] = {}
        for name, function in pages[page_sizes[0]].items():
            found[name] = function
            found |= {f"{name}_{k}": pages[k][name] for k in page_sizes}
        if self.models.score is not None:
            found["score"] = _once(self.score, ONE, ONE)
        if self.models.score_of_text is not None:
            found["score_text"] = _once(self.score_text, ONE, ONE, texts=True)
        if self.models.item_of_text is not None:
            found["embed_items"] = _once(self.embed_items, ONE, texts=True)
        return found

    def _pages(self, k: int) -> dict[str, Signature]:
        """Returns the signatures that answer `k` items; names of arguments are names of inputs.

        A plain signature calls the filtered one with empty lists, so that both are written once.
        """
        pages: dict[str, Signature] = {}
        if self.models.score is not None:
            of_users = _once(
                lambda user_id, exclude_item_ids, allow_item_ids: self.recommend(
                    user_id, exclude_item_ids, allow_item_ids, k
                ),
                *(ONE, MANY, MANY),
            )
            pages["recommend"] = _plain(
                lambda user_id: _without_ids(_unfiltered(of_users, user_id)), ONE
            )
            pages[f"recommend{FILTERED}"] = of_users
        if self.models.history is not None:
            of_histories = _once(
                lambda item_ids, exclude_item_ids, allow_item_ids: self.recommend_from_history(
                    item_ids, exclude_item_ids, allow_item_ids, k
                ),
                *(MANY, MANY, MANY),
            )
            pages["recommend_from_history"] = _plain(
                lambda item_ids: _unfiltered(of_histories, item_ids), MANY
            )
            pages[f"recommend_from_history{FILTERED}"] = of_histories
        if self.models.similarity is not None:
            pages["similar_items"] = _once(lambda item_id: self.similar_items(item_id, k), ONE)
        if self.models.search is not None:
            of_queries = _once(
                lambda query, exclude_item_ids, allow_item_ids: self.search(
                    query, exclude_item_ids, allow_item_ids, k
                ),
                *(ONE, MANY, MANY),
                texts=True,
            )
            pages["search"] = _plain(
                lambda query: _without_ids(_unfiltered(of_queries, query)), ONE
            )
            pages[f"search{FILTERED}"] = of_queries
        return pages

    def recommend(
        self, user_id: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """Returns the best items a user does not know yet.

        Args:
            user_id: `(batch,)` strings; an unseen user is answered with popular items.
            exclude_item_ids: `(batch, num_excluded)` strings, never answered; "" and unknown ids
                exclude nothing.
            allow_item_ids: `(batch, num_allowed)` strings; where a row has any but "", no other
                item is answered.
            k: How many.

        Returns:
            `item_id`, `title` `(batch, k)` strings and `score` `(batch, k)` float32, best
            first, ties to the smaller index; `source` `(batch, k)` strings, of what the score
            comes from; and `unknown_item_ids` `(batch, num_excluded + num_allowed)`, the ids in
            the lists that the model does not know, "" in the other places.
        """
        users = self.user_table.lookup(user_id)  # (batch,)
        known = tf.RaggedTensor.from_row_splits(
            tf.convert_to_tensor(self.known_items),
            tf.convert_to_tensor(self.known_splits),
            validate=False,
        )
        hidden = tf.gather(known, users).to_tensor()  # (batch, most)
        hidden, allowed, unknown = self._lists(hidden, exclude_item_ids, allow_item_ids)
        best = self.ranker.best({"user_id": users}, users == 0, hidden, allowed, k)
        return self._page(best, _source(users == 0)) | {UNKNOWN: unknown}

    def recommend_from_history(
        self, item_ids: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """Returns the best items for a user known by a history alone.

        Args:
            item_ids: `(batch, steps)` strings, oldest first; "" and unknown ids, wherever they
                stand, are no items. A row without items is answered with popular ones.
            exclude_item_ids: As of `recommend`.
            allow_item_ids: As of `recommend`.
            k: How many.

        Returns:
            As `recommend`, without the history; its unknown ids are in front.
        """
        items, not_read = self._items(item_ids)  # (batch, steps)
        items = tf.pad(items, [[0, 0], [1, 0]])  # models are spared a history of no steps
        order = tf.argsort(tf.cast(items > 0, tf.int32), axis=1, stable=True)
        history = tf.gather(items, order, batch_dims=1)  # nothing in front, then oldest first
        nothing = tf.reduce_all(history == 0, axis=1)
        seen = tf.zeros_like(history) if self.allow_seen else history
        hidden, allowed, unknown = self._lists(seen, exclude_item_ids, allow_item_ids)
        best = self.ranker.best({"history": history}, nothing, hidden, allowed, k)
        page = self._page(best, _source(nothing))
        return page | {UNKNOWN: tf.concat([not_read, unknown], axis=1)}

    def score(self, user_id: tf.Tensor, item_id: tf.Tensor) -> Tensors:
        """Returns the score of one item for one user, known items included.

        Args:
            user_id: `(batch,)` strings; an unseen user gets the item's popularity.
            item_id: `(batch,)` strings; an unknown item gets the score 0 and an empty source.

        Returns:
            `score` `(batch,)` float32 and `source` `(batch,)` strings.
        """
        users, items = self.user_table.lookup(user_id), self.item_table.lookup(item_id)
        scores = self.ranker.score({"user_id": users}, users == 0, items)  # (batch,)
        return _numbers(scores, _source(users == 0), (items != 0) & (scores > LOWEST))

    def similar_items(self, item_id: tf.Tensor, k: int) -> Tensors:
        """Returns the items most like an item, itself excluded.

        Args:
            item_id: `(batch,)` strings; an unknown item is answered with empty cells alone.
            k: How many.

        Returns:
            `item_id`, `title`, `source` `(batch, k)` strings and `score` `(batch, k)` float32.
        """
        items = self.item_table.lookup(item_id)  # (batch,)
        found = output_of(self.models.similarity, {"item_id": items}, "scores", self.num_items)
        scores = masked(found, items[:, None], tf.zeros_like(items)[:, None])
        best = tf.math.top_k(tf.where(items[:, None] == 0, LOWEST, scores), k)
        return self._page(best, _source(tf.zeros_like(items, tf.bool)))

    def search(
        self, query: tf.Tensor, exclude_item_ids: tf.Tensor, allow_item_ids: tf.Tensor, k: int
    ) -> Tensors:
        """Returns the items whose texts are nearest in meaning to a query.

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
        hidden, allowed, unknown = self._lists(nothing, exclude_item_ids, allow_item_ids)
        scores = tf.where(silent[:, None], LOWEST, masked(scores, hidden, allowed))
        page = self._page(tf.math.top_k(scores, k), tf.fill(tf.shape(silent), TEXT))
        return page | {UNKNOWN: unknown}

    def score_text(self, user_id: tf.Tensor, text: tf.Tensor) -> Tensors:
        """Returns the score of items that are in no catalog, by their texts.

        Args:
            user_id: `(batch,)` strings; an unseen user is scored as one without a history, which
                the source `new_user` says.
            text: `(batch,)` strings, UTF-8; an empty one gets the score 0 and an empty source.

        Returns:
            `score` `(batch,)` float32, comparable with those of `score`, and `source` `(batch,)`.
        """
        vectors, silent = self._vectors(text)
        users = self.user_table.lookup(user_id)
        inputs = {"user_id": users, "text": vectors}
        scores = output_of(self.models.score_of_text, inputs, "score")
        return _numbers(scores, tf.where(users == 0, NEW_USER, MODEL), ~silent)

    def embed_items(self, text: tf.Tensor) -> Tensors:
        """Returns vectors of items that are in no catalog, by their texts.

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

    def _items(self, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Item indices of ids, and the ids that are unknown with "" in the other places."""
        items = self.item_table.lookup(ids)
        return items, tf.where(items == 0, ids, UNSEEN)

    def _lists(
        self, hidden: tf.Tensor, exclude: tf.Tensor, allow: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What is hidden and allowed, as a `Ranker` wants it, and ids that are unknown."""
        excluded, not_excluded = self._items(exclude)
        allowed, not_allowed = self._items(allow)
        allowed = tf.where(not_allowed != UNSEEN, -1, allowed)  # named, not known
        unknown = tf.concat([not_excluded, not_allowed], axis=1)
        return tf.concat([hidden, excluded], axis=1), allowed, unknown

    def _page(self, best: tuple[tf.Tensor, tf.Tensor], source: tf.Tensor) -> Tensors:
        """A page of scores and items `(batch, k)`; the lowest score becomes an empty cell."""
        scores, items = best
        there = scores > LOWEST  # (batch, k)
        items = tf.where(there, items, 0)
        return {
            "item_id": tf.gather(self.item_ids, items),
            "title": tf.gather(self.titles, items),
            **_numbers(scores, source[:, None], there),
        }


def _once(
    function: Callable[..., Tensors], *specs: tf.TensorSpec, texts: bool = False
) -> Signature:
    """As `_plain`, of any number of rows that a request may have; see `bounded`."""
    return _plain(bounded(function, specs, texts), *specs)


def _plain(function: Callable[..., Tensors], *specs: tf.TensorSpec) -> Signature:
    """A function whose graph is written once, however many functions call it, and its inputs."""
    return tf.function(function, input_signature=specs, autograph=False), list(specs)


def _unfiltered(signature: Signature, asked: tf.Tensor) -> Tensors:
    """Calls a signature with nothing excluded and everything allowed."""
    nothing = tf.fill([tf.shape(asked)[0], 0], UNSEEN)
    function, _ = signature
    return function(asked, nothing, nothing)


def _without_ids(page: Tensors) -> Tensors:
    """A page whose question named no item ids."""
    return {name: value for name, value in page.items() if name != UNKNOWN}


def _source(unknown: tf.Tensor) -> tf.Tensor:
    return tf.where(unknown, POPULARITY, MODEL)


def _numbers(scores: tf.Tensor, source: tf.Tensor, there: tf.Tensor) -> Tensors:
    """Scores with what they come from, where there are any."""
    return {"score": tf.where(there, scores, 0.0), "source": tf.where(there, source, NO_ANSWER)}


def _index_table(ids: np.ndarray) -> tf.lookup.StaticHashTable:
    keys = tf.constant(ids[1:].tolist(), tf.string)
    values = tf.range(1, len(ids), dtype=tf.int32)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default_value=0
    )


def _fixed(values: np.ndarray, dtype: tf.DType, name: str) -> tf.Variable:
    return tf.Variable(tf.constant(values, dtype), trainable=False, name=name)
