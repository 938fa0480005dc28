"""What a text query excludes: "a comedy without zombies", "not a western".

Vectors of language models say nothing of "not": a query that excludes westerns lies next to
westerns. So the words after a negation are taken out of the query, and items that have them in
their texts are left out. That is all that is understood of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfrec_fusion.text.interests.words import carries_meaning, singular, split_words

_TOKEN = re.compile(r"[\w&]+(?:['\u2019-][\w&]+)*|[^\w\s]")
_MINUS = re.compile(r"(?<!\S)-(?=\w)")
# After these a list may follow: "no guns and gore".
_OF_THINGS = frozenset(
    ["no", "without", "except", "excluding", "minus", "avoid", "avoiding", "exclude", "nor", "sans"]
)
_OF_ALL = _OF_THINGS | frozenset(("not", "never", "neither", "cannot", "dont", "isnt"))
_PAIRS = frozenset(
    (
        *(("anything", "but"), ("everything", "but"), ("all", "but"), ("other", "than")),
        *(("apart", "from"), ("aside", "from"), ("instead", "of"), ("rather", "than")),
    )
)
_NO_NEGATION = frozenset(
    ["only", "just", "merely", "necessarily", "matter", "longer", "doubt", "yet"]
)
_ALTERNATIVES = frozenset(("or", "nor", "and", ",", "/", "&"))
_CONTRASTS = frozenset(
    ["but", "however", "though", "although", "yet", "just", "instead", "please", "rather", "only"]
)
_FURTHER = frozenset(
    [
        "in",
        "from",
        "by",
        "at",
        "on",
        "for",
        "set",
        "with",
        "about",
        "to",
        "like",
        "than",
        "as",
        "that",
        "which",
        "who",
        "whose",
        "where",
    ]
)
# What may stand after a negation, or be all that is left, without naming anything.
_EMPTY = frozenset(
    [
        "movie",
        "movies",
        "film",
        "films",
        "picture",
        "show",
        "shows",
        "one",
        "ones",
        "thing",
        "things",
        "item",
        "items",
        "product",
        "products",
        "book",
        "books",
        "kind",
        "kinds",
        "sort",
        "type",
        "something",
        "anything",
        "everything",
        "nothing",
        "too",
        "much",
        "very",
        "really",
        "overly",
        "so",
        "any",
        "like",
        "want",
        "wants",
        "need",
        "needs",
        "contain",
        "contains",
        "include",
        "includes",
        "involve",
        "have",
        "has",
        "feature",
        "features",
        "recommend",
        "give",
        "show",
        "find",
        "watch",
        "see",
        "looking",
        "lot",
        "lots",
        "bit",
        "w",
        "o",
        "i",
        "me",
    ]
)


@dataclass(frozen=True)
class Negation:
    """A query in two parts.

    Attributes:
        wanted: The query without what it excludes; empty where that is all it says.
        excluded: Each thing that is excluded, as its words in lower case; empty where no word
            could be made out.
    """

    wanted: str
    excluded: tuple[tuple[str, ...], ...]

    def allowed(self, texts: Iterable[str]) -> np.ndarray:
        """`(num_texts,)` bool: which texts lack some word of every excluded thing.

        Singular and plural are one word.
        """
        unwanted = [frozenset(map(singular, words)) for words in self.excluded]
        return np.array(
            [not any(words <= _vocabulary(str(text)) for words in unwanted) for text in texts], bool
        )

    def __str__(self) -> str:
        return " or ".join(" and ".join(map(repr, words)) for words in self.excluded)


def read_negation(query: str) -> Negation | None:
    """Divides a query that excludes something; None for one that does not.

    Example:

    >>> read_negation("a comedy without zombies or blood, from Italy")
    Negation(wanted='a comedy , from Italy', excluded=(('zombies',), ('blood',)))
    >>> read_negation("not a western").excluded, read_negation("a western") is None
    ((('western',),), True)
    """
    query = _MINUS.sub("without ", query)
    written = _TOKEN.findall(query)
    tokens = [token.lower().replace("\u2019", "'") for token in written]
    kept: list[str] = []
    excluded: list[tuple[str, ...]] = []
    found, place = False, 0
    while place < len(tokens):
        size = _negation_at(tokens, place)
        if not size:
            kept.append(written[place])
            place += 1
            continue
        found = True
        of_things = size == 2 or tokens[place] in _OF_THINGS
        things, place = _things(tokens, place + size, of_things)
        excluded += things
    if not found:
        return None
    wanted = " ".join(kept).strip(" ,.;:!?")
    return Negation(wanted if _names_something(kept) else "", tuple(dict.fromkeys(excluded)))


def _negation_at(tokens: list[str], place: int) -> int:
    """How many tokens at a place are a negation; 0 for none."""
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    if (tokens[place], after) in _PAIRS:
        return 2
    negates = tokens[place] in _OF_ALL or tokens[place].endswith("n't")
    return int(negates and after not in _NO_NEGATION)


def _things(tokens: list[str], place: int, of_things: bool) -> tuple[list[tuple[str, ...]], int]:
    """What is excluded from a place on, and where that ends."""
    things: list[tuple[str, ...]] = []
    words: list[str] = []
    while place < len(tokens):
        token = tokens[place]
        if token in _CONTRASTS or ((things or words) and _negation_at(tokens, place)):
            break
        if token in _ALTERNATIVES:
            if not _goes_on(tokens, place, of_things):
                break
            things, words = [*things, *([tuple(words)] if words else [])], []
        elif not (token[0].isalnum() or token[0] in "_&") or (words and token in _FURTHER):
            break
        elif token not in _EMPTY and carries_meaning([token])[0]:
            words.append(token)
        place += 1
    return [*things, *([tuple(words)] if words else [])], place


def _goes_on(tokens: list[str], place: int, of_things: bool) -> bool:
    """Whether what follows an "or", "and" or comma is excluded as well."""
    if tokens[place] in ("or", "nor", "/"):
        return True
    if tokens[place] in ("and", "&"):
        return of_things
    rest = tokens[place + 1 :]
    end = next((at for at, one in enumerate(rest) if one in _CONTRASTS or one in ".;:!?"), None)
    return bool({"or", "nor"}.intersection(rest[:end])) and of_things


def _names_something(tokens: list[str]) -> bool:
    words = [token.lower() for token in tokens if token[0].isalnum()]
    telling = carries_meaning(words)
    return any(tells and word not in _EMPTY for word, tells in zip(words, telling, strict=True))


def _vocabulary(text: str) -> set[str]:
    """The words of a text in singular, and the parts of those with hyphens."""
    words = [part for word in split_words(text) for part in {word, *word.split("-")}]
    return {singular(word.removesuffix("'s")) for word in words if word}
