"""Free text finds items: a wish in one's own words, and for a known user what suits them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoder import TextEncoder
from tfrec_fusion.text.store import TextStore
from zoo.negation import read_negation
from zoo.recommender import Recommender

logger = logging.getLogger(__name__)

SHORTLIST = 50  # items that a query finds before a user's taste orders them
_RANK_OFFSET = 60  # of reciprocal rank fusion, in its paper; the best item has rank 1


@dataclass(frozen=True, eq=False)
class SemanticSearch:
    """Finds items whose texts mean what a query says, whatever words they use.

    Texts and query are vectors of one language model; items are ordered by cosine. The model's
    vectors are trained to be compared as they are, so nothing is whitened here. With a user, the
    best 50 are ordered anew by reciprocal rank fusion of meaning and of the user's scores
    (Cormack et al. 2009, https://doi.org/10.1145/1571941.1572114).

    Attributes:
        item_ids: `(num_items,)` ids; position 0 is the unseen item.
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
        item_ids: np.ndarray,
        titles: np.ndarray,
        texts: Iterable[str],
        encoder: TextEncoder,
        store: TextStore | None = None,
    ) -> SemanticSearch:
        """Encodes a catalogue, or reads its vectors from the store.

        Args:
            item_ids: `(num_items,)` ids; position 0 is the unseen item.
            titles: `(num_items,)` titles.
            texts: One text an item index.
            encoder: The language model.
            store: Where vectors are kept; the default store's folder by default.
        """
        given = [str(text) for text in texts]
        encoder.warn_of_unknown(given)
        vectors = np.array((store or TextStore()).encode(encoder, given))
        vectors[[not text.strip() for text in given]] = 0
        rows = (np.asarray(item_ids), np.asarray(titles), _unit(vectors))
        return cls(*rows, encoder, np.array(given, object))

    def search(
        self, query: str, k: int = 10, recommender: Recommender | None = None, user_id: str = ""
    ) -> pd.DataFrame:
        """The items that fit a query best.

        Args:
            query: What is looked for, in any words. Items whose texts have the words that it
                excludes ("a comedy without zombies", "not a western") are left out, and a warning
                says so: no more is understood of a negation.
            k: How many.
            recommender: A trained model over the same catalogue, to order by a user's taste.
            user_id: Whose taste.

        Returns:
            Columns `item_id`, `title`, `score` (cosine with the query), best first.

        Raises:
            ValueError: When the query is empty, `k` is out of range, the user is unknown, or the
                model has another catalogue.
        """
        if not query.strip():
            raise InvalidInput("The query is empty. Say in a few words what is looked for.")
        if not 1 <= k < len(self.item_ids):
            raise InvalidInput(
                "`k` must be at least 1 and at most the number of items. "
                f"Received: k={k}, {len(self.item_ids) - 1} items."
            )
        cosine = self._cosine(query)
        best = np.argsort(-cosine, kind="stable")[: max(k, SHORTLIST)]
        best = best[np.isfinite(cosine[best])]
        if recommender is not None:
            best = best[np.argsort(-self._fused(best, recommender, user_id), kind="stable")]
        best = best[:k]
        columns = {"item_id": self.item_ids[best], "title": self.titles[best]}
        return pd.DataFrame({**columns, "score": cosine[best].astype(float)})

    def _cosine(self, query: str) -> np.ndarray:
        """`(num_items,)` likeness to a query; -inf for what it excludes, and without a text."""
        negation = None if self._is_title(query) else read_negation(query)
        nothing: np.ndarray = (self.vectors == 0).all(axis=1)
        nothing[0] = True
        sign = 1
        if negation is not None and negation.excluded and self.texts is not None:
            unwanted = ~negation.allowed(self.texts)
            logger.warning(
                "Of a negation only its words are understood: %d items with %s in their texts are "
                "left out, and %s.",
                int((unwanted & ~nothing).sum()),
                negation,
                f"the query is read as {negation.wanted!r}"
                if negation.wanted
                else "as nothing else is looked for, the least like it come first",
            )
            nothing |= unwanted
            sign = 1 if negation.wanted else -1
            query = negation.wanted or " ".join(word for one in negation.excluded for word in one)
        elif negation is not None:
            logger.warning(
                "Negation is not understood: what %r excludes may be found. Ask without it.", query
            )
        cosine = sign * (self.vectors @ _unit(self.encoder.encode([query]))[0])
        cosine[nothing] = -np.inf
        return cosine

    def _is_title(self, query: str) -> bool:
        """Whether a query is an item's name, such as "No Country for Old Men"."""
        plain = query.strip().casefold()
        return any(str(title).strip().casefold() == plain for title in self.titles[1:])

    def _fused(self, best: np.ndarray, recommender: Recommender, user_id: str) -> np.ndarray:
        """Sums of reciprocal ranks, by meaning (the order of `best`) and by the user's scores."""
        if list(recommender.items.ids) != list(self.item_ids):
            raise InvalidInput("The model was trained on another catalogue than is searched.")
        user = recommender.users.index([user_id])
        if not user[0]:
            raise InvalidInput(
                f"User {user_id!r} was never seen by the model; search without a user, or give "
                f"one of its {len(recommender.users) - 1} users."
            )
        liking = recommender.score(user)[0][best]
        by_meaning = np.arange(1, len(best) + 1)
        by_taste = np.empty(len(best))
        by_taste[np.argsort(-liking, kind="stable")] = by_meaning
        return 1 / (_RANK_OFFSET + by_meaning) + 1 / (_RANK_OFFSET + by_taste)


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
