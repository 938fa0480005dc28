"""Phrases of a collection of texts: words that stand together more often than by chance.

Every word of a text counts for one phrase only, the longest: "acoustic guitar strings" is no
mention of "guitar".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrec_fusion.text.encoding.scripts import written_together
from tfrec_fusion.text.interests.words import Tokens, carries_meaning, distinct, singular

# Normalized pointwise mutual information: 0 for words that meet by chance, 1 for inseparable ones.
BINDING = 0.3
NONE = -1


@dataclass(frozen=True, eq=False)
class Mentions:
    """Where phrases occur.

    Attributes:
        phrases: Each in the form most often written, in lower case; the same phrase in singular
            and plural is one.
        phrase: `(num_mentions,)` int32, indices into `phrases`.
        document: `(num_mentions,)` int32, the text it stands in.
        clause: `(num_mentions,)` int32, the clause (see `words.Tokens`).
        length: `(num_mentions,)` int32, its words.
    """

    phrases: list[str]
    phrase: np.ndarray
    document: np.ndarray
    clause: np.ndarray
    length: np.ndarray


def find_mentions(
    tokens: Tokens,
    *,
    ngrams: int = 3,
    min_count: int = 3,
    stop_words: str | Sequence[str] | None = "english",
) -> Mentions:
    """Finds the phrases of up to `ngrams` words and every place they occur.

    A phrase neither begins nor ends with a stop word or a number, and crosses no mark. Several
    words are one when at least two texts have them and they bind: cut off the first word, or the
    last, and it has with the rest a normalized pointwise mutual information of 0.3 or more.

    Source: Bouma, Normalized (pointwise) mutual information in collocation extraction (GSCL 2009).

    Args:
        tokens: What `words.tokenize` gave.
        ngrams: Longest phrase, in words.
        min_count: Texts a phrase must occur in.
        stop_words: See `words.carries_meaning`.

    Example:
    >>> from tfrec_fusion.text.interests.words import tokenize
    >>> found = find_mentions(tokenize(["A foot rest", "this foot rest", "foot"]), min_count=2)
    >>> [(found.phrases[one], where) for one, where in zip(found.phrase, found.document.tolist())]
    [('foot rest', 0), ('foot rest', 1)]
    """
    grams = _grams(tokens, ngrams, min_count)
    meaning = carries_meaning(tokens.words, stop_words)
    # A single letter is no phrase, though it may begin one: "e string".
    alone = meaning & np.fromiter((len(word) > 1 for word in tokens.words), bool, len(meaning))
    covered = np.zeros(len(tokens.word), bool)
    found: list[tuple[int, np.ndarray]] = []
    for length in range(ngrams, 0, -1):
        edge = (alone if length == 1 else meaning)[tokens.word]
        places = np.flatnonzero(grams[length - 1] != NONE)
        places = places[edge[places] & edge[places + length - 1]]
        # What was written once may stand together by accident.
        least = max(min_count, 2) if length > 1 else min_count
        places = places[_texts_with(grams[length - 1][places], tokens, places) >= least]
        if length > 1:
            places = _binding_places(grams, length, places)
        span = places[:, None] + np.arange(length)
        free = ~covered[span].any(axis=1)
        covered[span[free]] = True
        found.append((length, places[free]))
    return _mentions(tokens, grams, found, min_count)


def _grams(tokens: Tokens, ngrams: int, min_count: int) -> list[np.ndarray]:
    """For each length, which run of words begins at a place: an index, or NONE.

    What holds a rare part is rare itself, so it gets no index (the rule of Apriori).
    """
    folded = np.unique([singular(word) for word in tokens.words], return_inverse=True)[1]
    grams = [folded.astype(np.int32)[tokens.word] if len(folded) else tokens.word]
    together = tokens.run[:-1] == tokens.run[1:]
    for _ in range(ngrams - 1):
        shorter = grams[-1]
        counts = np.bincount(shorter[shorter != NONE], minlength=1)
        frequent = (shorter != NONE) & (counts[shorter] >= min_count)
        starts = np.flatnonzero(frequent[:-1] & frequent[1:] & together)
        longer = np.full(len(shorter), NONE, np.int32)
        # Two runs one word apart make the longer one.
        longer[starts] = _pairs(shorter[starts], shorter[starts + 1])
        grams.append(longer)
    return grams


def _pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """One index for each distinct pair, ascending by `left`, then `right`."""
    width = int(right.max(initial=0)) + 1
    return np.unique(left.astype(np.int64) * width + right, return_inverse=True)[1]


def _texts_with(gram: np.ndarray, tokens: Tokens, places: np.ndarray) -> np.ndarray:
    """For each place, in how many texts its gram occurs."""
    size = int(gram.max(initial=0)) + 1
    once = distinct(tokens.document[places].astype(np.int64) * size + gram)
    return np.bincount(once % size, minlength=size)[gram]


def _binding_places(grams: list[np.ndarray], length: int, places: np.ndarray) -> np.ndarray:
    """The places whose words bind, and bind no less than what overlaps with them."""
    total = len(grams[0])

    def seen(size: int, at: np.ndarray) -> np.ndarray:
        gram = grams[size - 1]
        return np.bincount(gram[gram != NONE], minlength=1)[gram[at]].astype(np.float64)

    together = seen(length, places)
    cuts = [
        seen(1, places) * seen(length - 1, places + 1),
        seen(length - 1, places) * seen(1, places + length - 1),
    ]
    chance = np.maximum(*cuts) / total
    # All of a collection being one phrase makes 0 / 0: it binds as tightly as can be.
    surprise = -np.log(together / total)
    binding = np.divide(
        np.log(together / chance), surprise, out=np.ones_like(surprise), where=surprise > 0
    )
    places, binding = places[binding >= BINDING], binding[binding >= BINDING]
    at = np.full(total + 2 * length, -np.inf)
    at[places + length] = binding
    leads = np.ones(len(places), bool)
    for step in range(1, length):
        leads &= (binding >= at[places + length + step]) & (binding > at[places + length - step])
    return places[leads]


def _mentions(
    tokens: Tokens, grams: list[np.ndarray], found: list[tuple[int, np.ndarray]], min_count: int
) -> Mentions:
    """Numbers the phrases alphabetically and drops those left in too few texts."""
    place = np.concatenate([places for _, places in found])
    length = np.concatenate([np.full(len(places), length) for length, places in found])
    gram = np.concatenate([grams[length - 1][places] for length, places in found])
    phrase = _pairs(length, gram)
    kept = _texts_with(phrase, tokens, place) >= min_count
    place, length = place[kept], length[kept]
    phrase = np.unique(phrase[kept], return_inverse=True)[1]
    written = _most_written(tokens, place, length, phrase)
    order = sorted(range(len(written)), key=written.__getitem__)
    rank = np.empty(len(written), np.int32)
    rank[order] = np.arange(len(written), dtype=np.int32)
    return Mentions(
        [written[one] for one in order],
        rank[phrase],
        tokens.document[place],
        tokens.clause[place],
        length.astype(np.int32),
    )


def _most_written(
    tokens: Tokens, place: np.ndarray, length: np.ndarray, phrase: np.ndarray
) -> list[str]:
    """Each phrase in the form it has most often; of equals the alphabetically first."""
    form = phrase
    for step in range(int(length.max(initial=0))):
        inside = step < length
        word = np.where(inside, tokens.word[np.where(inside, place + step, 0)] + 1, 0)
        form = _pairs(form, word)
    _, first, counts = np.unique(form, return_index=True, return_counts=True)
    order = np.lexsort((np.arange(len(first)), -counts, phrase[first]))
    best = first[order][np.diff(phrase[first][order], prepend=-1) > 0]
    return [
        written_together([tokens.words[one] for one in tokens.word[at : at + size]])
        for at, size in zip(place[best], length[best], strict=True)
    ]
