"""Models made of two towers: scores by user and by history, queries and candidates."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.layers.embedding import HistoryTable
from tfrec_fusion.layers.history import most_recent
from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
from tfrec_fusion.zoo.scoring.candidate_vectors import candidate_vectors
from tfrec_fusion.zoo.scoring.configured_model import ConfiguredModel
from tfrec_fusion.zoo.scoring.towers import Towers


class TowerModel(ConfiguredModel):
    """A functional model of a query tower and a candidate tower.

    A subclass sets `towers` and `retrieval_head`, and its config has `num_items`, `temperature`,
    `history_length`, `reads_history` and `reads_user_id`.
    """

    towers: Towers
    retrieval_head: CatalogLogits | InBatchLogits | None

    @property
    def answers_histories(self) -> bool:
        """Returns whether a history alone is a query, for users in no vocabulary."""
        return bool(self.config.reads_history)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: The users' interactions (`data.events.Events`); each user's last
                `history_length` items are kept as a constant of the returned model. Needed when
                the query reads them.
            frozen: Whether item rows are computed now, so that an answer costs what it costs a
                model of ids alone; later training does not change them then.

        Raises:
            ValueError: When the query reads histories and `known` is missing.
        """
        user_id = keras.Input((), dtype="int32", name="user_id")
        inputs = self.known_inputs(user_id, known)
        scores = self._catalog_scores(self.towers_now(frozen), inputs, anchor=user_id)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, for unknown users.

        Of longer histories the last `history_length` items are read. Where the query also reads
        the user it is the OOV one, and the graph holds no other; with `asks_user` it is a second
        input, `{"user_id": (batch,)}`. None where a history alone is no query.
        """
        if not self.answers_histories:
            return None
        given = history_inputs(asks_user)
        towers = self.towers_now(frozen=True)
        towers = towers if asks_user else towers.without_users()
        scores = self._catalog_scores(towers, self._history(**given), anchor=given["history"])
        return keras.Model(given, {"scores": scores}, name="scores_of_histories")

    def query_models(self, known: Any = None) -> tuple[keras.Model, keras.Model | None]:
        """Models of the queries that `candidate_vectors` are compared with.

        Args:
            known: As of `score_model`.

        Returns:
            `{"user_id": (batch,)}` → `{"query": (batch, size)}` float32, and `{"history": (batch,
            steps)}` → the same, None where a history alone is no query.
        """
        towers = self.towers_now(frozen=True)
        user_id = keras.Input((), dtype="int32", name="user_id")
        query = _float32_query(towers, self.known_inputs(user_id, known))
        of_users = keras.Model({"user_id": user_id}, {"query": query}, name="queries")
        if not self.answers_histories:
            return of_users, None
        given = history_inputs()
        query = _float32_query(towers.without_users(), self._history(**given))
        return of_users, keras.Model(given, {"query": query}, name="of_histories")

    def candidate_vectors(self) -> np.ndarray | None:
        """`(num_items, size + 1)`: the score is the product with the query and a 1."""
        return candidate_vectors(self)

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32: what the query is compared with."""
        return ops.convert_to_numpy(self.towers.catalog()).astype(np.float32)

    def towers_now(self, frozen: bool) -> Any:
        """The towers, with `frozen` over the item vectors as they are now."""
        return self.towers.with_frozen_items(self.item_vectors()) if frozen else self.towers

    def known_inputs(self, user_id: Any, known: Any) -> dict[str, Any]:
        """Inputs of the query for users whose interactions are known."""
        inputs = {"user_id": user_id} if self.config.reads_user_id else {}
        if self.config.reads_history:
            table = HistoryTable.of_known(known, self.config.history_length, name="histories")
            inputs["history"] = table(user_id)
        return inputs

    def _history(self, history: Any, user_id: Any = None) -> dict[str, Any]:
        """Cut to the length of training: by id and by history a user gets the same items."""
        history = most_recent(history, self.config.history_length)
        if not self.config.reads_user_id:
            return {"history": history}
        return {"history": history, "user_id": 0 * history[:, 0] if user_id is None else user_id}

    def _catalog_scores(self, towers: Towers, inputs: dict[str, Any], anchor: Any) -> Any:
        """`(batch, num_items)` scores of the query after the whole history."""
        catalog = towers.catalog(anchor)
        history = inputs.get("history")
        # The rows of all items are there already: taking some is cheaper than fusing them again.
        rows = None if history is None else ops.take(catalog, history, axis=0)
        query = towers.weighted(towers.query(inputs, rows, last=True))
        head = self.retrieval_head
        if not isinstance(head, CatalogLogits):
            head = CatalogLogits(self.config.num_items, self.config.temperature, use_bias=False)
        return head(query, catalog)


def history_inputs(asks_user: bool = False) -> dict[str, Any]:
    """`{"history": (batch, steps)}`, with `asks_user` also `{"user_id": (batch,)}`."""
    user_id = {"user_id": keras.Input((), dtype="int32", name="user_id")} if asks_user else {}
    return {"history": keras.Input((None,), dtype="int32", name="history"), **user_id}


def _float32_query(towers: Towers, inputs: dict[str, Any]) -> Any:
    """`(batch, size)`, its terms weighted."""
    history = inputs.get("history")
    rows = None if history is None else towers.item_rows(history)
    query = towers.query(inputs, rows, last=True)
    return ops.cast(towers.weighted(query), "float32")
