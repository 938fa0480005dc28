"""Items found by a text query, and for a known user ordered by their scores too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.answer_warnings import warn
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_k, checked_text
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.zoo.answers.answer_warnings import counted_items, warn_of_unknown_users
from tfrec_fusion.zoo.answers.catalog_answers import MODEL, CatalogAnswers, Users
from tfrec_fusion.zoo.answers.negation import read_negation
from tfrec_fusion.zoo.answers.questions import asked_users

TEXT = "text"  # the source of an order that no user's scores took part in
SHORTLIST = 50  # items that a query finds before a user's taste orders them
_RANK_OFFSET = 60  # of reciprocal rank fusion, in its paper; the best item has rank 1
_USERS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class SemanticSearch:
    """Finds items whose texts mean what a query says, whatever words they use.

    Texts and query are vectors of one language model; items are ordered by cosine. The model's
    vectors are trained to be compared as they are, so nothing is whitened here. With a user, the
    best 50 are ordered anew by reciprocal rank fusion of meaning and of the user's scores
    (Cormack et al. 2009, https://doi.org/10.1145/1571941.1572114).

    Attributes:
        item_ids: `(num_items,)` ids; position 0 is the OOV item.
        titles: `(num_items,)` titles.
        vectors: `(num_items, dim)` unit vectors of the texts; zero where there is no text: such
            an item is never found.
        encoder: What made them.
        texts: `(num_items,)` texts, in which words that a query excludes are looked up.
    """

    item_ids: np.ndarray
    titles: np.ndarray
    vectors: np.ndarray
    encoder: TextEncoder
    texts: np.ndarray | None = None

    @classmethod
    def over(
        cls,
        item_ids: Iterable[object],
        titles: Iterable[str],
        texts: Iterable[Any],
        encoder: TextEncoder,
        store: TextStore | None = None,
    ) -> SemanticSearch:
        """Encodes a catalog, or reads its vectors from the store.

        Args:
            item_ids: `(num_items,)` ids; position 0 is the OOV item.
            titles: `(num_items,)` titles.
            texts: One text an item index; a missing one is like nothing.
            encoder: The language model.
            store: Where vectors are kept; the default store's folder by default.

        Raises:
            ValueError: When the three are not equally long, or position 0 has an id.
        """
        ids, names, given = list(item_ids), list(titles), list(texts)
        if not len(ids) == len(names) == len(given) or ids[:1] != [""]:
            raise InvalidInput(
                "`item_ids`, `titles` and `texts` must have one entry for each item, and before "
                f"them one for the OOV item, whose id is ''. Received: {len(ids)} ids from "
                f"{ids[:1]} on, {len(names)} titles, {len(given)} texts."
            )
        ids = ["", *id_list(ids[1:], "item_ids")]
        given = ["" if _missing(text) else text for text in given]
        encoder.warn_of_unknown(given)
        vectors = np.array((store or TextStore()).encode(encoder, given))
        vectors[[not text.strip() for text in given]] = 0
        columns = np.array(ids, object), np.array(names, object)
        return cls(*columns, _unit(vectors), encoder, np.array(given, object))

    def search(
        self,
        query: str,
        k: int = 10,
        recommender: CatalogAnswers | None = None,
        user_id: Users | None = None,
        *,
        allowed: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """Finds the items that fit a query best.

        Args:
            query: A text query, in any words. Items whose texts have the words that it excludes
                ("a comedy without zombies", "not a western") are left out, and a warning says so:
                no more is understood of a negation.
            k: How many.
            recommender: A trained model over the same catalog, to order by a user's taste.
            user_id: Whose taste: one user or several, as `CatalogAnswers.recommend` takes them.
                For a user never seen the query alone decides, with a warning.
            allowed: `(num_items,)` bool, the items that may be found; by default all.

        Returns:
            Columns `item_id`, `title`, `score` (cosine with the query) and `source`, best first; of
            several users one long table with `user_id` in front. `source` is `"model"` where a
            user's scores took part in the order, else `"text"`.

        Raises:
            ValueError: When the query is empty, `k` is out of range, a user comes without a model
                or a model without a user, or the model has another catalog.
        """
        query = checked_text(query, "query")
        k = checked_k(k, len(self.item_ids) - 1)
        if (recommender is None) != (user_id is None):
            raise InvalidInput(
                "Give `recommender` and `user_id`, or neither. Received: "
                f"recommender={recommender!r:.60}, user_id={user_id!r:.60}."
            )
        cosine = self._cosine(query)
        if allowed is not None:
            cosine[~allowed] = -np.inf
        best = np.argsort(-cosine, kind="stable")[: max(k, SHORTLIST)]
        best = best[np.isfinite(cosine[best])]
        if allowed is not None and len(best) < k:
            left = counted_items(len(best))
            warn(f"The filters and the query leave {left}, fewer than k={k}.")
        if recommender is None:
            return self._table(best[None, :k], cosine, np.zeros(1, bool))
        users, several = asked_users(user_id)
        orders, known = self._by_taste(best, recommender, users)
        table = self._table(orders[:, :k], cosine, known)
        if several:
            table.insert(0, "user_id", np.repeat(np.array(users, object), min(k, len(best))))
        return table

    def _table(self, items: np.ndarray, cosine: np.ndarray, by_taste: np.ndarray) -> pd.DataFrame:
        """One row a cell of `items`, `(num_users, k)`; `by_taste` says whom the model knows."""
        source = np.where(by_taste, MODEL, TEXT).astype(object)
        columns = {"item_id": self.item_ids, "title": self.titles, "score": cosine.astype(float)}
        table = pd.DataFrame({name: column[items.ravel()] for name, column in columns.items()})
        return table.assign(source=np.repeat(source, items.shape[1]))

    def _cosine(self, query: str) -> np.ndarray:
        """`(num_items,)` likeness to a query; -inf for what it excludes, and without a text."""
        negation = None if self._is_title(query) else read_negation(query)
        nothing: np.ndarray = (self.vectors == 0).all(axis=1)
        nothing[0] = True
        sign = 1
        if negation is not None and negation.excluded and self.texts is not None:
            unwanted = ~negation.allowed(self.texts)
            warn(
                f"Of a negation only its words are understood: {int((unwanted & ~nothing).sum())} "
                f"items with {negation} in their texts are left out, and "
                + (
                    f"the query is read as {negation.wanted!r}."
                    if negation.wanted
                    else "as nothing else is looked for, the least like it come first."
                )
            )
            nothing |= unwanted
            sign = 1 if negation.wanted else -1
            query = negation.wanted or " ".join(word for one in negation.excluded for word in one)
        elif negation is not None:
            warn(
                f"Negation is not understood: what {query!r} excludes may be found. Ask without it."
            )
        cosine = sign * (self.vectors @ _unit(self.encoder.encode([query]))[0])
        cosine[nothing] = -np.inf
        return cosine

    def _is_title(self, query: str) -> bool:
        """Whether a query is an item's name, such as "No Country for Old Men"."""
        plain = query.strip().casefold()
        return any(str(title).strip().casefold() == plain for title in self.titles[1:])

    def _by_taste(
        self, best: np.ndarray, recommender: CatalogAnswers, users: list[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Orders what was found by each user's taste: `(num_users, found)`, and who is known."""
        if list(recommender.items.ids) != list(self.item_ids):
            raise InvalidInput("The model was trained on another catalog than is searched.")
        index = recommender.users.index(users)
        known = index > 0
        orders = np.tile(best, (len(users), 1))
        rows = np.flatnonzero(known)
        for start in range(0, len(rows), _USERS_AT_ONCE):
            part = rows[start : start + _USERS_AT_ONCE]
            for row, scores in zip(part, recommender.score(index[part]), strict=True):
                orders[row] = best[np.argsort(-fused_ranks(scores[best]), kind="stable")]
        fallback = f"the query alone orders the items (source `{TEXT}`)"
        warn_of_unknown_users(users, known, recommender.users.ids[1:], fallback)
        return orders, known


def fused_ranks(liking: np.ndarray) -> np.ndarray:
    """Sums of reciprocal ranks, by meaning and by a user's scores.

    Args:
        liking: `(found,)` scores of what was found, in the order of meaning.

    Returns:
        `(found,)`, higher for what is better.
    """
    by_meaning = np.arange(1, len(liking) + 1)
    by_taste = np.empty(len(liking))
    by_taste[np.argsort(-liking, kind="stable")] = by_meaning
    return 1 / (_RANK_OFFSET + by_meaning) + 1 / (_RANK_OFFSET + by_taste)


def _missing(text: object) -> bool:
    return text is None or text is pd.NA or (isinstance(text, float) and np.isnan(text))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
