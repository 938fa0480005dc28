"""What users care about, in their own words: the query tower's text and a recommendation's reason.

A phrase weighs more the more often a user writes it, the fewer users do, and above all the more it
tells items apart: "capo" comes in clusters, in the reviews of capos; "great product" is spread over
all items as chance would spread it, so it weighs next to nothing. No list of such words is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.interests.phrases import Mentions, find_mentions
from tfrec_fusion.text.interests.profiles import Interests, Phrase, reason
from tfrec_fusion.text.interests.salience import Heaviest, heaviest, specificity
from tfrec_fusion.text.interests.sentiment import Sentiment, checked_rating, learn
from tfrec_fusion.text.interests.words import Tokens, distinct, tokenize

__all__ = ["Interests", "NoPhrases", "Phrase", "mine_interests", "reason"]


class NoPhrases(InvalidInput):
    """Texts in which no phrase occurs often enough."""


def mine_interests(
    user: np.ndarray,
    text: Sequence[str],
    rating: np.ndarray | None = None,
    *,
    num_users: int,
    item: np.ndarray | None = None,
    item_text: Sequence[str] | None = None,
    item_text_weight: float = 0.3,
    weight: np.ndarray | None = None,
    max_phrases: int = 10,
    ngrams: int = 3,
    min_count: int = 3,
    stop_words: str | Sequence[str] | None = "english",
) -> Interests:
    """Mines each user's key phrases, and how they speak of them, from training texts.

    A phrase weighs by BM25 of what the user's texts mention it (see `salience.heaviest`) times how
    well it tells items apart (see `salience.specificity`). A user's largest weights are kept and
    sum to 1; equal ones stand in alphabetical order. Each word of a text counts for the longest
    phrase it is in (see `phrases.find_mentions`).

    A phrase's sentiment is the mean predicted polarity (`sentiment.fit_sentiment`) of the clauses
    in which the user mentions it; NaN without ratings, and for words of items' texts only.

    Give training rows only: held-out texts and ratings would leak into what predicts them.

    Args:
        user: `(num_texts,)` int, who wrote each; 0 is "unseen" and has no interests.
        text: Reviews, tags, titles: one string a row, "" where there is none.
        rating: `(num_texts,)` numbers, higher is better. Without it there is no sentiment.
        num_users: Users including the unseen one.
        item: `(num_texts,)` int, what each text is about.
        item_text: One string an item index; those of items a user liked count for the user too.
            Liked are ratings above the middle of the scale, without ratings all.
        item_text_weight: What a mention there counts, where one in the user's own text is 1.
        weight: `(num_texts,)` non-negative, multiplies what rows count; default 1.
        max_phrases: Phrases kept a user.
        ngrams: Longest phrase, in words.
        min_count: Texts a phrase must occur in.
        stop_words: "english" (scikit-learn's list), a list for another language, or None.

    Raises:
        ValueError: When lengths differ, an index is out of range, a text is no string, a number
            is not finite, or no phrase is found.

    Example:
    >>> found = mine_interests(np.array([1, 1, 2]),
    ...     ["A fine capo", "This capo slips", "The strap is fine"], num_users=3, min_count=1)
    >>> found.of(1)[0].text, found.of(1)[0].support
    ('capo', 2)
    >>> found.texts()
    ['', 'capo, slips, fine', 'strap, fine']
    """
    for name, least in (("max_phrases", max_phrases), ("ngrams", ngrams), ("min_count", min_count)):
        if least < 1:
            raise InvalidInput(f"`{name}` must be at least 1. Received: {least}.")
    if not 0 <= item_text_weight < np.inf:
        raise InvalidInput(f"`item_text_weight` must be at least 0. Received: {item_text_weight}.")
    text = _checked_texts("text", text)
    catalog = [] if item_text is None else _checked_texts("item_text", item_text)
    user = _checked_indices("user", user, len(text), num_users)
    weight = _checked_weight(weight, len(text))
    rating = None if rating is None else checked_rating(rating, len(text))
    if item is not None:
        num_items = None if item_text is None else len(catalog)
        item = _checked_indices("item", item, len(text), num_items)
    elif item_text is not None:
        raise InvalidInput("`item_text` needs `item`: which of them each row is about.")

    tokens = tokenize([*text, *catalog])
    mentions = find_mentions(tokens, ngrams=ngrams, min_count=min_count, stop_words=stop_words)
    if not mentions.phrases:
        raise NoPhrases(
            f"No phrase occurs in {min_count} or more texts: they are empty, or hold only stop "
            "words and numbers. Lower `min_count` or give other `stop_words`."
        )
    shape = (num_users, len(text) + len(catalog))
    reads = _matrix(user, np.arange(len(text)), weight, shape)
    about = None
    if item is not None:
        about = np.append(item, np.arange(len(catalog)))
        liked = np.flatnonzero(_liked(rating, len(text))) if catalog else np.empty(0, np.int64)
        count = item_text_weight * weight[liked]
        reads = reads + _matrix(user[liked], len(text) + item[liked], count, shape)
    chosen = heaviest(reads, mentions, specificity(tokens, mentions, about), max_phrases)
    sentiment = np.full(len(chosen.phrase), np.nan, np.float32)
    if rating is not None and any(text) and len(chosen.phrase):
        own = tokens.where(tokens.document < len(text))
        learned = learn(own, rating, user, min_count=min_count)
        author = np.append(np.where(weight > 0, user, 0), np.zeros(len(catalog), np.int64))
        sentiment = _spoken_of(learned, tokens, mentions, author, chosen)
    used, phrase = np.unique(chosen.phrase, return_inverse=True)
    return Interests(
        phrases=tuple(mentions.phrases[one] for one in used),
        start=np.searchsorted(chosen.user, np.arange(num_users + 1)),
        phrase=phrase.astype(np.int32),
        weight=chosen.weight,
        sentiment=sentiment,
        support=chosen.support,
    )


def _liked(rating: np.ndarray | None, num_texts: int) -> np.ndarray:
    """`(num_texts,)` bool: all without ratings, else those above the middle of the scale."""
    if rating is None:
        return np.ones(num_texts, bool)
    return rating > (rating.min() + rating.max()) / 2


def _matrix(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> sp.csr_array:
    """A sparse matrix of what is not zero; row 0, the unseen user, is left empty."""
    kept = (rows > 0) & (values > 0)
    return sp.coo_array((values[kept], (rows[kept], columns[kept])), shape).tocsr()


def _spoken_of(
    learned: Sentiment,
    tokens: Tokens,
    mentions: Mentions,
    author: np.ndarray,
    chosen: Heaviest,
) -> np.ndarray:
    """For each row the mean polarity of the user's clauses with it; NaN without any."""
    size = len(mentions.phrases)
    wanted = chosen.user.astype(np.int64) * size + chosen.phrase
    order = np.argsort(wanted)
    said = author[mentions.document] * size + mentions.phrase
    found = order[np.minimum(np.searchsorted(wanted, said, sorter=order), len(wanted) - 1)]
    meant = wanted[found] == said
    width = int(tokens.clause.max(initial=0)) + 1
    cells = np.divmod(distinct(found[meant] * width + mentions.clause[meant]), width)
    clauses, place = np.unique(cells[1], return_inverse=True)
    row = np.searchsorted(clauses, tokens.clause)
    inside = np.append(clauses, -1)[row] == tokens.clause
    polarity = learned.of_rows(tokens.where(inside), row[inside], len(clauses))[place]
    times = np.bincount(cells[0], minlength=len(wanted))
    total = np.bincount(cells[0], polarity, minlength=len(wanted))
    mean = np.divide(total, times, out=np.full(len(wanted), np.nan), where=times > 0)
    return mean.astype(np.float32)


def _checked_texts(name: str, texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise InvalidInput(f"`{name}` must be a list of strings. Received: one string.")
    listed = list(texts)
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInput(
                f"`{name}` must hold strings. Received at position {position}: {text!r} "
                f"({type(text).__name__}). Write a missing text as an empty string."
            )
    return listed


def _checked_indices(
    name: str, indices: np.ndarray, num_texts: int, size: int | None
) -> np.ndarray:
    """`(num_texts,)` int64 from 0 to below `size`."""
    array = np.asarray(indices)
    if array.shape != (num_texts,) or array.dtype.kind not in "iu":
        raise InvalidInput(
            f"`{name}` must hold one integer index a text. Received: {array.dtype} of shape "
            f"{array.shape} for {num_texts} texts."
        )
    outside = (array < 0) | (array >= (np.inf if size is None else size))
    if outside.any():
        first = int(np.argmax(outside))
        below = "" if size is None else f" to {size - 1}"
        raise InvalidInput(
            f"`{name}` must be from 0{below}. Received: {array[first]} at position {first}."
        )
    return array.astype(np.int64)


def _checked_weight(weight: np.ndarray | None, num_texts: int) -> np.ndarray:
    if weight is None:
        return np.ones(num_texts)
    array = np.asarray(weight, np.float64)
    if array.shape != (num_texts,):
        raise InvalidInput(
            f"`weight` must hold one number a text. Received: shape {array.shape} for "
            f"{num_texts} texts."
        )
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise InvalidInput(
            f"`weight` must be finite and at least 0. Received: {array[first]} at position {first}."
        )
    return array
