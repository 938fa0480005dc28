"""TF-IDF: items whose words resemble those of the user's items. The classic of content filtering.

Each item's text becomes a unit vector of term weights (scikit-learn's `TfidfVectorizer`; pairs of
characters are terms of scripts without spaces); a user's
profile is the mean of their items' vectors, and a score is profile . item: the average cosine
between the item and the user's history. It scores items that nobody has taken yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.interests.words import terms
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain, histories
from tfrec_fusion.zoo.spec import ModelSpec, itself, option
from tfrec_fusion.zoo.training_options import TextColumns

if TYPE_CHECKING:
    import scipy.sparse as sp

    from tfrec_fusion.data.events import Events


@dataclass
class TFIDF(MatrixChain):
    """Cosine between the user's past items and every item, by their words.

    `similar` returns the cosine between two items' texts.

    Attributes:
        min_count: Terms in fewer items than this are ignored.
        ngrams: Longest run of words that counts as a term.
        sublinear: Whether a term's count within a text enters as `1 + log(count)`.

    Example:

    >>> TFIDF(ngrams=2).min_count
    1
    """

    min_count: int = option(1, "fewest items a term must occur in")
    ngrams: int = option(1, "longest run of words that is a term")
    sublinear: bool = option(False, "count terms as 1 + log(count)")

    score_chain: ClassVar[tuple[str, ...]] = ("profiles", "vectors", "terms")
    similar_chain: ClassVar[tuple[str, ...]] = ("vectors", "terms")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("min_count", "ngrams"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"`{name}` must be at least 1. Received: {getattr(self, name)}.")

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Weighs the terms of `item_texts`; see `MatrixChain.fit`.

        Raises:
            ValueError: When there are no events, or no texts, or not one text an item.
        """
        import scipy.sparse as sp

        known = histories(events)
        texts = _checked_texts(item_texts, events.num_items)
        vectors = self._vectors(texts)
        length = np.maximum(np.diff(known.indptr), 1).astype(np.float32)
        profiles = (sp.diags(1 / length) @ known).tocsr()
        return self._keep(profiles=profiles, vectors=vectors, terms=vectors.T.tocsr())

    def _vectors(self, texts: list[str]) -> sp.csr_matrix:
        """`(num_items, num_terms)` float32, each row of length 1 or 0."""
        import scipy.sparse as sp
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            tokenizer=terms,
            token_pattern=None,
            min_df=self.min_count,
            ngram_range=(1, self.ngrams),
            sublinear_tf=self.sublinear,
            dtype=np.float32,
        )
        try:
            # The OOV item is no document: it would count in every idf.
            vectorizer.fit(texts[1:])
        except ValueError as error:
            raise InvalidInput(
                f"`item_texts` hold no term that occurs in {self.min_count} or more items "
                f"({error}). Give texts with words in them or lower `min_count`."
            ) from None
        return sp.csr_matrix(vectorizer.transform(texts))


def _checked_texts(item_texts: Sequence[str] | None, num_items: int) -> list[str]:
    """The texts with that of index 0 emptied."""
    if item_texts is None:
        raise InvalidInput("`item_texts` must be given: tfidf reads the items' texts.")
    if len(item_texts) != num_items:
        raise InvalidInput(
            "`item_texts` must hold one text an item index, index 0 included. "
            f"Received: {len(item_texts)} texts, num_items={num_items}."
        )
    for index, text in enumerate(item_texts):
        if not isinstance(text, str):
            raise InvalidInput(
                f"`item_texts` must be strings. Received: {text!r} at item index {index}; "
                "use an empty string for an item without text."
            )
    return ["", *item_texts[1:]]


SPEC = ModelSpec(
    "tfidf",
    "items whose words resemble those of the user's items",
    TFIDF,
    itself,
    options=(TextColumns,),
)
