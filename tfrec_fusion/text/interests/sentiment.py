"""Sentiment learned from the ratings that came with the texts, so it speaks their language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.interests.words import Tokens, distinct, tokenize

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfTransformer

# Ratings of the average user added to each user's own before their mean is taken.
PRIOR_RATINGS = 5.0


@dataclass(frozen=True, eq=False)
class Sentiment:
    """How well a piece of text speaks of what it names, from -1 to 1.

    Made by `fit_sentiment`.

    Attributes:
        words: The words it knows, in alphabetical order.
        pairs: The pairs of neighbors it knows, ascending: `left * len(words) + right`.
        weigh: TF-IDF of its terms: words, then pairs.
        coefficients: `(num_words + num_pairs,)` float32, what each term adds.
    """

    words: list[str]
    pairs: np.ndarray
    weigh: TfidfTransformer
    coefficients: np.ndarray

    def polarity(self, texts: Sequence[str]) -> np.ndarray:
        """The predicted rating above (or below) what its user gives on average.

        Args:
            texts: Reviews, sentences, clauses.

        Returns:
            `(num_texts,)` float32 in standard deviations of such differences, clipped to
            [-1, 1]; 0 for a text of which no word is known.
        """
        tokens = tokenize(texts)
        return self.of_rows(tokens, tokens.document, len(texts))

    def of_rows(self, tokens: Tokens, row: np.ndarray, num_rows: int) -> np.ndarray:
        """The polarity of pieces of tokenized texts, as `polarity` gives it.

        Args:
            tokens: Words of any texts.
            row: `(num_tokens,)` int, the piece each belongs to.
            num_rows: How many pieces there are.

        Returns:
            `(num_rows,)` float32 from -1 to 1.
        """
        if not num_rows:
            return np.empty(0, np.float32)
        known = {word: index for index, word in enumerate(self.words)}
        index = np.array([known.get(word, -1) for word in tokens.words], np.int64)
        terms = _count(tokens, index[tokens.word], self.pairs, len(self.words), row, num_rows)
        predicted = self.weigh.transform(terms) @ self.coefficients
        return np.clip(predicted, -1, 1).astype(np.float32)


def fit_sentiment(
    texts: Sequence[str],
    rating: np.ndarray,
    user: np.ndarray | None = None,
    *,
    ridge: float = 3.0,
    min_count: int = 3,
) -> Sentiment:
    """Learns which words come with high ratings, and which with low ones.

    A ridge regression on TF-IDF of words and of pairs of neighbors (so "not good" is told from
    "good"), without intercept: unknown words are neutral. It predicts the rating less the user's
    mean, that mean drawn towards the overall one where there are few ratings, in units of its
    standard deviation. Give it training texts only: it reads their ratings.

    Source: regression of reviews' ratings on their words: Pang and Lee, Seeing stars (ACL 2005).

    Args:
        texts: One a rating.
        rating: `(num_texts,)`, any scale, higher is better.
        user: `(num_texts,)` int indices of who wrote them; without it one mean is for all.
        ridge: Strength of the L2 penalty.
        min_count: Texts a term must occur in.

    Raises:
        ValueError: When lengths differ, ratings are not finite or all the same, or no word
            occurs in `min_count` texts.

    Example:
    >>> learned = fit_sentiment(["great tone", "bad tone", "a tone"], np.array([5, 1, 3]),
    ...                         min_count=1)
    >>> np.sign(learned.polarity(["great knobs", "bad knobs", "knobs"])).tolist()
    [1.0, -1.0, 0.0]
    """
    rating = checked_rating(rating, len(texts))
    return learn(tokenize(texts), rating, user, ridge=ridge, min_count=min_count)


def learn(
    tokens: Tokens,
    rating: np.ndarray,
    user: np.ndarray | None = None,
    *,
    ridge: float = 3.0,
    min_count: int = 3,
) -> Sentiment:
    """`fit_sentiment` for texts that are tokenized and ratings that are checked.

    Raises:
        ValueError: When no word occurs in `min_count` texts.
    """
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import Ridge

    used = _in_texts(tokens.word, tokens.document, min_count)
    if not len(used):
        raise InvalidInput(
            f"No word occurs in {min_count} or more texts, so sentiment cannot be learned. Lower "
            "`min_count`, or leave `rating` out."
        )
    index = np.full(len(tokens.words), -1, np.int64)
    index[used] = np.arange(len(used))
    word = index[tokens.word]
    starts, pair = _neighbors(tokens, word, tokens.document, len(used))
    pairs = _in_texts(pair, tokens.document[starts], min_count)
    counts = _count(tokens, word, pairs, len(used), tokens.document, len(rating))
    weigh = TfidfTransformer(sublinear_tf=True)
    terms = weigh.fit_transform(counts)
    learned = Ridge(alpha=ridge, fit_intercept=False, solver="sparse_cg")
    learned.fit(terms, _above_usual(rating, user))
    words = [tokens.words[one] for one in used]
    return Sentiment(words, pairs, weigh, learned.coef_.astype(np.float32))


def checked_rating(rating: np.ndarray, num_texts: int) -> np.ndarray:
    """`(num_texts,)` float64, finite and not all the same.

    Raises:
        ValueError: When they are not.
    """
    rating = np.asarray(rating, np.float64)
    if rating.shape != (num_texts,):
        raise InvalidInput(
            f"`rating` must hold one number a text. Received: shape {rating.shape} for "
            f"{num_texts} texts."
        )
    finite = np.isfinite(rating)
    if not finite.all():
        first = int(np.argmin(finite))
        raise InvalidInput(
            f"`rating` must be finite. Received: {rating[first]} at position {first}. Leave out "
            "rows without a rating, or `rating` altogether."
        )
    if num_texts and rating.min() == rating.max():
        raise InvalidInput(
            f"`rating` is {rating[0]:g} everywhere: sentiment cannot be learned from it. Leave "
            "`rating` out."
        )
    return rating


def _above_usual(rating: np.ndarray, user: np.ndarray | None) -> np.ndarray:
    """Each rating less its user's mean, in standard deviations of these differences."""
    above = rating - rating.mean()
    if user is not None:
        counts = np.bincount(user)
        above -= (np.bincount(user, above) / (counts + PRIOR_RATINGS))[user]
    return above / above.std()


def _in_texts(term: np.ndarray, document: np.ndarray, min_count: int) -> np.ndarray:
    """The terms in at least `min_count` documents, ascending."""
    terms, place = np.unique(term, return_inverse=True)
    size = len(terms)
    once = distinct(document.astype(np.int64) * size + place)
    return terms[np.bincount(once % size, minlength=size) >= min_count] if size else terms


def _neighbors(
    tokens: Tokens, word: np.ndarray, row: np.ndarray, num_words: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where two known words follow each other with no mark between, and the pairs they make."""
    together = (tokens.run[:-1] == tokens.run[1:]) & (row[:-1] == row[1:])
    starts = np.flatnonzero(together & (word[:-1] >= 0) & (word[1:] >= 0))
    return starts, word[starts] * num_words + word[starts + 1]


def _count(
    tokens: Tokens,
    word: np.ndarray,
    pairs: np.ndarray,
    num_words: int,
    row: np.ndarray,
    num_rows: int,
) -> sp.csr_matrix:
    """`(num_rows, num_words + num_pairs)`, how often each row has each term.

    Args:
        tokens: Their runs say which words follow each other.
        word: `(num_tokens,)` indices of known words, -1 for others.
        pairs: Those known, ascending.
        num_words: How many words are known.
        row: `(num_tokens,)` row of each token.
        num_rows: How many rows there are.
    """
    starts, pair = _neighbors(tokens, word, row, num_words)
    place = np.searchsorted(pairs, pair)
    known = np.append(pairs, -1)[place] == pair
    single = word >= 0
    columns = np.concatenate([word[single], num_words + place[known]])
    rows = np.concatenate([row[single], row[starts[known]]])
    shape = (num_rows, num_words + len(pairs))
    return sp.coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape).tocsr()
