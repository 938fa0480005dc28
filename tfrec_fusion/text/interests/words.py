"""Texts as arrays of words: where clauses end, which words carry no meaning of their own."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tfrec_fusion.text.encoding.scripts import COMBINING, is_unsegmented, pieces

# A word, with what is inside it: "don't", "12-string", "2.5", "r&b". Else marks, or a line's end.
TOKEN = re.compile(r"[\w&]+(?:(?:[-']|(?<=\d)[.,](?=\d))\w+)*|[^\w&\s]+|\n")
# The same beyond ASCII, where signs combine with letters: vowels of Hindi, tones of Thai.
_SIGNED = rf"\w{COMBINING}"
_WIDE = re.compile(rf"[\w&][{_SIGNED}&]*(?:(?:[-']|(?<=\d)[.,](?=\d))\w[{_SIGNED}]*)*|[^\w&\s]+|\n")
# A term of TF-IDF, as scikit-learn has it: two letters or more.
_TERM, _WIDE_TERM = re.compile(r"\w\w+"), re.compile(rf"\w[{_SIGNED}]*")
CLAUSE_MARKS = frozenset(".!?;…\n。！？；｡।॥؟؛۔")  # noqa: RUF001
# Opinions turn here without a mark: "the tone is great but the knobs are cheap".
CONTRASTS = frozenset({"but", "however", "although", "though"})


@dataclass(frozen=True, eq=False)
class Tokens:
    """The words of many texts, one after the other; marks are gone, their places are kept.

    Attributes:
        words: The distinct words in alphabetical order, so that indices do not depend on the
            order of the texts.
        word: `(num_tokens,)` int32, indices into `words`.
        document: `(num_tokens,)` int32, which text each stands in.
        clause: `(num_tokens,)` int32, ascending; a new one at `.`, `!`, `?`, `;`, a line's end
            and before "but", "however", "although", "though".
        run: `(num_tokens,)` int32, ascending; a new one at every mark: no phrase crosses it.
    """

    words: list[str]
    word: np.ndarray
    document: np.ndarray
    clause: np.ndarray
    run: np.ndarray

    def where(self, kept: np.ndarray) -> Tokens:
        """Only some of them: `kept` is a mask or ascending indices."""
        parts = (self.word, self.document, self.clause, self.run)
        return Tokens(self.words, *(part[kept] for part in parts))


def distinct(keys: np.ndarray) -> np.ndarray:
    """The distinct of integers from 0 on, ascending; sorting takes less time than hashing does."""
    ordered = np.sort(keys)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def split_words(text: str) -> list[str]:
    """The words and marks of a text in lower case; HTML's `&amp;` is read as `&`.

    Of scripts without spaces pairs of characters are the words, see `text.scripts`.

    Example:
    >>> split_words("It's GREAT, &amp; cheap")
    ["it's", 'great', ',', '&', 'cheap']
    """
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return TOKEN.findall(text.lower())
    text = unicodedata.normalize("NFC", text).lower().replace("\u2019", "'")
    return [piece for token in _WIDE.findall(text) for piece in pieces(token)]


def terms(text: str) -> list[str]:
    """The words of two letters or more: what TF-IDF counts.

    For scikit-learn's vectorizers, whose own words they are in texts with spaces; they neither keep
    vowels of Hindi or Thai with their letters nor divide texts without spaces.

    Example:

    >>> terms("don't play a 12-string"), terms("人工智能 और हिन्दी")
    (['don', 'play', '12', 'string'], ['人工', '工智', '智能', 'और', 'हिन्दी'])
    """
    if text.isascii():
        return _TERM.findall(text)
    found = _WIDE_TERM.findall(unicodedata.normalize("NFC", text))
    parts = (piece for word in found for piece in pieces(word))
    return [part for part in parts if len(part) > 1 or is_unsegmented(part)]


def is_word(token: str) -> bool:
    """Whether it is a word and no mark."""
    return token[0].isalnum() or token[0] in "_&"


def tokenize(texts: Iterable[str]) -> Tokens:
    """Splits texts into words, clauses and runs without marks.

    Args:
        texts: Strings, checked by the caller.

    Example:
    >>> tokens = tokenize(["Great tone, cheap knobs. Love it"])
    >>> [tokens.words[one] for one in tokens.word]
    ['great', 'tone', 'cheap', 'knobs', 'love', 'it']
    >>> (tokens.clause - tokens.clause[0]).tolist(), (tokens.run - tokens.run[0]).tolist()
    ([0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2])
    """
    index_of: defaultdict[str, int] = defaultdict()
    index_of.default_factory = index_of.__len__
    pieces, lengths = [np.empty(0, np.int32)], []
    for text in texts:
        found = split_words(text)
        pieces.append(np.fromiter(map(index_of.__getitem__, found), np.int32, len(found)))
        lengths.append(len(found))
    token = np.concatenate(pieces)
    document = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    listed = list(index_of)
    mark, ends_clause, turns = (
        np.fromiter(map(rule, listed), bool, len(listed))[token]
        for rule in (
            lambda one: not is_word(one),
            lambda one: not is_word(one) and not CLAUSE_MARKS.isdisjoint(one),
            CONTRASTS.__contains__,
        )
    )
    starts = np.diff(document, prepend=-1) > 0
    kept = ~mark
    order = sorted(range(len(listed)), key=listed.__getitem__)
    place = np.empty(len(listed), np.int32)
    place[order] = np.arange(len(listed), dtype=np.int32)
    return Tokens(
        words=[listed[one] for one in order],
        word=place[token[kept]],
        document=document[kept],
        clause=np.cumsum(starts | ends_clause | turns, dtype=np.int32)[kept],
        run=np.cumsum(starts | mark | turns, dtype=np.int32)[kept],
    )


def carries_meaning(
    words: Sequence[str], stop_words: str | Sequence[str] | None = "english"
) -> np.ndarray:
    """Which words may begin or end a phrase: those with a letter that are no stop words.

    A contraction of a stop word ("it's", "couldn't") is one too.

    Args:
        words: In lower case.
        stop_words: "english" for scikit-learn's list, a list of one's own language, or None.

    Returns:
        `(num_words,)` bool.

    Raises:
        ValueError: When scikit-learn has no such list.

    Example:
    >>> carries_meaning(["tone", "the", "it's", "57", "sm57"]).tolist()
    [True, False, False, False, True]
    """
    from sklearn.feature_extraction.text import CountVectorizer

    listed = stop_words if stop_words is None or isinstance(stop_words, str) else list(stop_words)
    stopped = CountVectorizer(stop_words=listed).get_stop_words() or frozenset()

    def meaningful(word: str) -> bool:
        forms = {word, word.replace("'", ""), word.split("'")[0], word.removesuffix("n't")}
        return stopped.isdisjoint(forms) and any(map(str.isalpha, word))

    return np.fromiter(map(meaningful, words), bool, len(words))


def singular(word: str) -> str:
    """The word without an English plural's ending, so that "straps" and "strap" are one.

    Source: the S stemmer of Harman, How effective is suffixing? (JASIS 42, 1991), table 1.

    Example:
    >>> [singular(word) for word in ("batteries", "straps", "cases", "bass", "shoes")]
    ['battery', 'strap', 'case', 'bass', 'shoe']
    """
    if len(word) < 4 or word[-1] != "s":
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    return word if word[-2] in "us" else word[:-1]
