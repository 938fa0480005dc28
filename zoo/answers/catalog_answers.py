"""A trained model with the ids, titles and events it answers about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import pandas as pd

from tfrec_fusion.answer_warnings import SHOWN, listed, warn
from tfrec_fusion.data.events import Events
from tfrec_fusion.data.graph_names import GraphNames
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_history, checked_id, checked_k
from tfrec_fusion.text.interests.profiles import Interests, Phrase, reason
from tfrec_fusion.zoo.answers.answer_warnings import (
    counted_items,
    warn_of_few_items,
    warn_of_few_others,
    warn_of_unknown_users,
)
from tfrec_fusion.zoo.answers.compiled_scores import PAIRS_AT_ONCE, compiled_scores
from tfrec_fusion.zoo.answers.near_misses import near_misses
from tfrec_fusion.zoo.answers.questions import asked_users, unknown_id
from tfrec_fusion.zoo.protocols import Model

MODEL, POPULARITY = "model", "popularity"  # what a score comes from
_FALLBACK = f"these are popular items, whose scores count events (source `{POPULARITY}`)"
Users: TypeAlias = str | int | Iterable[object] | pd.DataFrame
Ranked: TypeAlias = tuple[np.ndarray, np.ndarray]  # items and scores, best first


@dataclass(frozen=True)
class CatalogAnswers:
    """Answers of a model in ids and titles.

    Attributes:
        model: A trained model of the zoo.
        users: Vocabulary of the users.
        items: Vocabulary of the catalog.
        titles: `(num_items,)` titles in index order, the empty string for the OOV item.
        known: The users' events: read by query towers, and not recommended again.
        texts: `(num_items,)` texts in index order, as models read them (`data.item_texts`).
        interests: What users care about, in their own words, where that was mined.
        graph: Names of the knowledge graph that the model reads, where it reads one.
        allow_seen: Whether items that a user has interacted with are recommended again, unless
            the question says otherwise.

    Where a method takes `allowed`, that is `(num_items,)` bool, the items that may be answered, as
    `Catalog.candidates` gives it; None stands for all.

    Example: see `zoo.runs.run.Run`, which has one.
    """

    model: Model
    users: Vocabulary
    items: Vocabulary
    titles: np.ndarray
    known: Events
    texts: np.ndarray | None = None
    interests: Interests | None = None
    graph: GraphNames | None = None
    allow_seen: bool = False

    def recommend(
        self,
        user_id: Users,
        k: int = 10,
        *,
        allow_seen: bool | None = None,
        allowed: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Ranks the items for a user, or for each of several.

        Args:
            user_id: Any id; or a list, array, Series or Index of ids, or a DataFrame with a column
                `user_id`. A user never seen is offered what is popular, with a warning.
            k: How many items for each user.
            allow_seen: Whether items that the user has interacted with may be recommended; by
                default as the model was measured.
            allowed: The items that may be recommended.

        Returns:
            Columns `item_id`, `title`, `score` and `source`, best first; of a list of users one
            long table with `user_id` in front, in the order of the list. `source` says what the
            score is: `"model"`, or `"popularity"`, the number of the item's events. A user who
            has interacted with nearly everything gets fewer than `k` rows, with a warning.

        Raises:
            ValueError: When an id is none, or `k` is not between 1 and the number of items.
        """
        users, several = asked_users(user_id)
        k = self._checked_k(k)
        index = self._known_users(users)
        ranked = list(self._ranked(index, k, self._allows(allow_seen), allowed))
        lengths = [len(items) for items, _ in ranked]
        warn_of_few_items(users, lengths, k, _number(allowed))
        table = self._table(ranked)
        table["source"] = np.repeat(_sources(index), lengths)
        if several:
            table.insert(0, "user_id", np.repeat(np.array(users, object), lengths))
        return table

    def recommend_from_history(
        self,
        item_ids: Sequence[object],
        k: int = 10,
        *,
        allow_seen: bool | None = None,
        allowed: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Ranks the items for a new user, by their history.

        Args:
            item_ids: Items of the catalog, oldest first.
            k: How many.
            allow_seen: Whether the items given may be recommended, too; by default as the model
                was measured.
            allowed: The items that may be recommended.

        Returns:
            As `recommend` for one user.

        Raises:
            ValueError: When `item_ids` is no list, is empty or has an unknown item, `k` is out of
                range, or the model scores known users only.
        """
        k = self._checked_k(k)
        given = id_list(checked_history(item_ids, "item_ids"), "item_ids")
        items = self.items.index(given)
        if not items.all():
            unknown = [one for one, index in zip(given, items, strict=True) if not index]
            raise InvalidInput(
                f"A history must hold items of the catalog. Received: {listed(unknown)} unknown; "
                f"its ids look like {self.items.ids[1:4].tolist()}."
                f"{near_misses(unknown[:SHOWN], self.items.ids[1:])}"
            )
        graph = self.model.history_model()
        if graph is None:
            raise InvalidInput(
                "This model knows people by their ids alone. Ask one that reads histories, such "
                "as two_tower, text_hybrid or ease."
            )
        scores = np.asarray(graph({"history": items[None, :]})["scores"])[0]
        best = self._best(scores, () if self._allows(allow_seen) else items, k, allowed)
        warn_of_few_others(len(best[0]), k, _number(allowed))
        return self._table([best]).assign(source=MODEL)

    def score_items(self, user_id: Users, item_ids: Sequence[str]) -> pd.DataFrame:
        """Scores items for a user, or for each of several, items already seen included.

        Args:
            user_id: As of `recommend`; a user never seen gets the items' numbers of events, with
                a warning.
            item_ids: Items of the catalog.

        Returns:
            As `recommend`, in the order of `item_ids`.

        Raises:
            ValueError: When an id is none, or an item is unknown.
        """
        users, several = asked_users(user_id)
        items = np.array([self._known_item(one) for one in id_list(item_ids, "item_ids")], int)
        index = self._known_users(users)
        ranked = [(items, own[items]) for _, scores in self._scores(index) for own in scores]
        table = self._table(ranked)
        table["source"] = np.repeat(_sources(index), len(items))
        if several:
            table.insert(0, "user_id", np.repeat(np.array(users, object), len(items)))
        return table

    def reasons(self, user_id: object, item_id: object, max_phrases: int = 3) -> list[Phrase]:
        """Finds what a user cares about in an item's text.

        Args:
            user_id: A user of the model.
            item_id: An item of the catalog.
            max_phrases: How many.

        Returns:
            The user's phrases found in the text, the heaviest first; none for a new user.

        Raises:
            ValueError: When no interests were mined for this model, or the item is unknown.
        """
        if self.interests is None or self.texts is None:
            raise InvalidInput("No interests were mined for this model; text_hybrid has them.")
        user = self.users.index([checked_id(user_id, "user_id")])[0]
        text = str(self.texts[self._known_item(item_id)])
        most = checked_k(max_phrases, name="max_phrases")
        return reason(self.interests.of(int(user)), text, most)

    def similar(
        self, item_id: object, k: int = 10, *, allowed: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Ranks the items most like one.

        Args:
            item_id: An item of the catalog.
            k: How many.
            allowed: The items that may be answered.

        Returns:
            Columns `item_id`, `title`, `score`, most similar first.

        Raises:
            ValueError: When the item is unknown, `k` is out of range, or the model has no notion
                of similar items.
        """
        k = self._checked_k(k)
        item = self._known_item(item_id)
        graph = self.model.similarity_model()
        if graph is None:
            raise InvalidInput("This model has no notion of similar items; ask item_knn or ease.")
        scores = np.asarray(graph({"item_id": np.array([item])})["scores"])[0]
        best = self._best(scores, [item], k, allowed)
        if len(best[0]) < k:
            have = "The catalog has" if allowed is None else "The filters leave"
            warn(f"{have} {counted_items(len(best[0]))} besides this one, fewer than k={k}.")
        return self._table([best])

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

    @cached_property
    def popularity(self) -> np.ndarray:
        """`(num_items,)` float32: how many events each item has."""
        return self.known.item_counts.astype(np.float32)

    def _checked_k(self, k: object) -> int:
        return checked_k(k, len(self.items) - 1)

    def _allows(self, allow_seen: object) -> bool:
        if allow_seen is not None and not isinstance(allow_seen, (bool, np.bool_)):
            raise InvalidInput(
                f"`allow_seen` must be True, False or None. Received: {allow_seen!r:.60}."
            )
        return self.allow_seen if allow_seen is None else bool(allow_seen)

    def _known_users(self, users: list[str]) -> np.ndarray:
        """Indices of users, 0 for those never seen, of whom a warning is given."""
        index = self.users.index(users)
        warn_of_unknown_users(users, index > 0, self.users.ids[1:], _FALLBACK)
        return index

    def _known_item(self, item_id: object) -> int:
        item = checked_id(item_id, "item_id")
        index = int(self.items.index([item])[0])
        if not index:
            raise unknown_id("Item", item, self.items.ids)
        return index

    def _scores(self, users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Scores users by index, 0 for popularity, some at a time: these and their scores."""
        rows = max(1, PAIRS_AT_ONCE // len(self.items))
        for start in range(0, len(users), rows):
            part = users[start : start + rows]
            scores = np.empty((len(part), len(self.items)), np.float32)
            if (trained := part > 0).any():
                scores[trained] = self.score(part[trained])
            if not trained.all():
                scores[~trained] = self.popularity
            yield part, scores

    def _ranked(
        self, users: np.ndarray, k: int, again: bool, allowed: np.ndarray | None
    ) -> Iterator[Ranked]:
        splits = self.known.row_splits
        for part, scores in self._scores(users):
            for user, own in zip(part, scores, strict=True):
                seen = self.known.item[splits[user] : splits[user + 1]]
                yield self._best(own, () if again or not user else seen, k, allowed)

    def _best(
        self,
        scores: np.ndarray,
        excluded: Sequence[int] | np.ndarray,
        k: int,
        allowed: np.ndarray | None = None,
    ) -> Ranked:
        """Returns the `k` best items and their scores; of equal ones the smaller index first."""
        allowed = np.ones(len(self.items), bool) if allowed is None else allowed.copy()
        allowed[0] = False
        allowed[np.asarray(excluded, int)] = False
        places = np.flatnonzero(allowed)
        loss = -scores[places]
        if k < len(places):  # the worst that can be among them, so that fewer are sorted
            kept = ~(loss > np.partition(loss, k - 1)[k - 1])
            places, loss = places[kept], loss[kept]
        best = places[np.argsort(loss, kind="stable")[:k]]
        return best, scores[best]

    def _table(self, ranked: Sequence[Ranked]) -> pd.DataFrame:
        items = np.concatenate([np.zeros(0, int), *(items for items, _ in ranked)])
        scores = np.concatenate([np.zeros(0), *(scores for _, scores in ranked)])
        columns = {"item_id": self.items.id_of(items), "title": self.titles[items]}
        return pd.DataFrame({**columns, "score": scores.astype(float)})


def _sources(index: np.ndarray) -> np.ndarray:
    return np.where(index > 0, MODEL, POPULARITY).astype(object)


def _number(allowed: np.ndarray | None) -> int | None:
    return None if allowed is None else int(allowed[1:].sum())
