"""A trained model with the ids, titles and events it answers about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.graph_names import GraphNames
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.profiles import Interests, Phrase, reason

_PAIRS_AT_ONCE = 2**20  # bounds the memory of models that score pair by pair


class Model(Protocol):
    """What every model of the zoo offers beside what makes it special."""

    def score_model(self, known: Events | None = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}`, given what is known.

        `frozen` computes what does not depend on the user once, now.
        """
        ...

    def history_model(self) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, or None.

        For people who are in no vocabulary: item indices, oldest first, 0 where there is none.
        """
        ...

    def similarity_model(self) -> keras.Model | None:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, or None."""
        ...


@dataclass(frozen=True)
class Recommender:
    """Answers in ids and titles.

    Attributes:
        model: A trained model of the zoo.
        users: Vocabulary of the users.
        items: Vocabulary of the catalogue.
        titles: `(num_items,)` titles in index order, the empty string for the unseen item.
        known: What users did: read by query towers, and not recommended again.
        texts: `(num_items,)` texts in index order, as models read them (`data.item_texts`).
        interests: What users care about, in their own words, where that was mined.
        graph: Names of the knowledge graph that the model reads, where it reads one.

    Example: see `zoo.run.load_run`, which returns one.
    """

    model: Model
    users: Vocabulary
    items: Vocabulary
    titles: np.ndarray
    known: Events
    texts: np.ndarray | None = None
    interests: Interests | None = None
    graph: GraphNames | None = None

    def recommend(self, user_id: str, k: int = 10) -> pd.DataFrame:
        """The best items a user does not know yet.

        Args:
            user_id: Any id; a user never seen is offered what is popular.
            k: How many.

        Returns:
            Columns `item_id`, `title`, `score`, best first; fewer than `k` rows when the user
            knows nearly everything.

        Raises:
            ValueError: When `k` is not between 1 and the number of items.
        """
        self._check_k(k)
        user = self.users.index([user_id])
        scores = self.score(user)[0] if user[0] else self.popularity
        seen = self.known.item[self.known.user == user[0]] if user[0] else np.zeros(0, int)
        return self._table(scores, seen, k)

    def recommend_from_history(self, item_ids: Sequence[str], k: int = 10) -> pd.DataFrame:
        """The best items for somebody the model has never seen, by what they took.

        Args:
            item_ids: Items of the catalogue, oldest first.
            k: How many.

        Returns:
            As `recommend`; the items given are left out.

        Raises:
            ValueError: When there is no item, one is unknown, `k` is out of range, or the model
                scores known users only.
        """
        self._check_k(k)
        items = self.items.index(item_ids)
        if not len(items) or not items.all():
            unknown = [one for one, index in zip(item_ids, items, strict=True) if not index]
            raise InvalidInput(
                f"`item_ids` must be items of the catalogue, at least one. Received: "
                f"{', '.join(map(repr, unknown)) or 'none'} unknown; its ids look like "
                f"{self.items.ids[1:4].tolist()}."
            )
        graph = self.model.history_model()
        if graph is None:
            raise InvalidInput(
                "This model knows people by their ids alone. Ask one that reads histories, such "
                "as two_tower, gpt2_hybrid or ease."
            )
        scores = np.asarray(graph({"history": items[None, :]})["scores"])[0]
        return self._table(scores, items, k)

    def reasons(self, user_id: str, item_id: str, max_phrases: int = 3) -> list[Phrase]:
        """What a user cares about that an item's text speaks of.

        Args:
            user_id: A user of the model.
            item_id: An item of the catalogue.
            max_phrases: How many.

        Returns:
            The user's phrases found in the text, the heaviest first; none for a new user.

        Raises:
            ValueError: When no interests were mined for this model.
        """
        if self.interests is None or self.texts is None:
            raise InvalidInput("No interests were mined for this model; gpt2_hybrid has them.")
        user, item = self.users.index([user_id])[0], self.items.index([item_id])[0]
        return reason(self.interests.of(int(user)), str(self.texts[item]), max_phrases)

    def similar(self, item_id: str, k: int = 10) -> pd.DataFrame:
        """The items most like one.

        Args:
            item_id: An item of the catalogue.
            k: How many.

        Returns:
            Columns `item_id`, `title`, `score`, most similar first.

        Raises:
            ValueError: When the item is unknown, `k` is out of range, or the model has no notion
                of similar items.
        """
        self._check_k(k)
        item = self.items.index([item_id])
        if not item[0]:
            raise InvalidInput(
                f"Item {item_id!r} is not in the catalogue of {len(self.items) - 1} items. "
                f"Its ids look like {self.items.ids[1:4].tolist()}."
            )
        graph = self.model.similarity_model()
        if graph is None:
            raise InvalidInput("This model has no notion of similar items; ask item_knn or ease.")
        return self._table(np.asarray(graph({"item_id": item})["scores"])[0], item, k)

    @cached_property
    def score(self) -> Callable[[np.ndarray], np.ndarray]:
        """User indices `(batch,)` → scores `(batch, num_items)` float32; compiled once."""
        return compiled_scores(self.model.score_model(self.known))

    @property
    def read_texts(self) -> np.ndarray:
        """`(num_items,)` texts; without `texts` the titles that are no ids."""
        if self.texts is not None:
            return self.texts
        return np.where(self.titles == self.items.ids, "", self.titles)

    @property
    def popularity(self) -> np.ndarray:
        """`(num_items,)` float32: how many events each item has."""
        return self.known.item_counts.astype(np.float32)

    def _check_k(self, k: int) -> None:
        if not 1 <= k < len(self.items):
            raise InvalidInput(
                "`k` must be at least 1 and at most the number of items. "
                f"Received: k={k}, {len(self.items) - 1} items."
            )

    def _table(self, scores: np.ndarray, excluded: np.ndarray, k: int) -> pd.DataFrame:
        allowed = np.ones(len(self.items), bool)
        allowed[0] = False
        allowed[excluded] = False
        order = np.argsort(-scores, kind="stable")
        best = order[allowed[order]][:k]
        columns = {"item_id": self.items.id_of(best), "title": self.titles[best]}
        return pd.DataFrame({**columns, "score": scores[best].astype(float)})


def compiled_scores(score_model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A score model as `score(user_indices (batch,)) -> (batch, num_items)` float32.

    Large batches are scored in parts, so that memory stays bounded for models that build
    something for every pair of user and item.
    """
    num_items = score_model.output["scores"].shape[-1]
    rows = max(1, _PAIRS_AT_ONCE // (num_items or 1))
    spec = tf.TensorSpec((None,), tf.int32)
    graph = tf.function(
        lambda user: score_model({"user_id": user}, training=False)["scores"],
        input_signature=[spec],
    )

    def score(user_indices: np.ndarray) -> np.ndarray:
        users = np.asarray(user_indices, np.int32)
        starts = range(0, max(1, len(users)), rows)  # one part also for no users
        parts = [graph(users[start : start + rows]) for start in starts]
        return np.concatenate([part.numpy() for part in parts]).astype(np.float32)

    return score
