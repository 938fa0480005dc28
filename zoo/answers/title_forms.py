"""The forms in which people type a title: "The Matrix" for "Matrix, The (1999)", "Amelie"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from tfrec_fusion.data.tables.near_misses import plain_form

_YEAR = re.compile(r"\s*[(\[](\d{4})(?:\s*[-\u2013]\s*(?:\d{4})?)?[)\]]\s*$")
_INSIDE = re.compile(r"\(([^()]*)\)")
_ALSO = re.compile(r"^(?:a\.?k\.?a\.?|also known as)\s+", re.IGNORECASE)
_ARTICLES = "the|a|an|le|la|les|un|une|der|die|das|den|ein|eine|el|los|las|il|lo|gli|det|en|o|os"
_LAST = re.compile(rf"^(.*\S),\s+({_ARTICLES}|l')$", re.IGNORECASE)
_FIRST = re.compile(rf"^(?:{_ARTICLES})\s+")
# Letters that are no letter with a mark in Unicode, but are typed as if they were.
_TYPED = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
_MARKS = range(0x300, 0x370)  # of Latin, Greek and Cyrillic letters; those of others tell words


@dataclass(frozen=True)
class TitleForms:
    """A title's names without accents, case and punctuation, each kind weaker than the one before.

    Attributes:
        year: The year in parentheses at its end, if any.
        whole: All of it, the article in front.
        names: It without what stands in parentheses, and what stands there.
        bare: Those without their first articles.

    Example:

    >>> forms = title_forms("Boot, Das (Boat, The) (1981)")
    >>> forms.year, forms.names, forms.bare
    ('1981', ('das boot', 'the boat'), ('boot', 'boat'))
    >>> title_forms("Am\u00e9lie").whole
    ('amelie',)
    """

    year: str | None
    whole: tuple[str, ...]
    names: tuple[str, ...]
    bare: tuple[str, ...]


def title_forms(title: str) -> TitleForms:
    """Takes a title apart."""
    at_end = _YEAR.search(title)
    rest = title[: at_end.start()] if at_end and at_end.start() else title
    year = at_end.group(1) if at_end and rest != title else None
    main = _INSIDE.sub(" ", rest)
    inside = [_ALSO.sub("", name.strip()) for name in _INSIDE.findall(rest)]
    names = _distinct(_folded(_article_first(name)) for name in (main, *inside))
    return TitleForms(
        year,
        _distinct([_folded(_article_first(rest))]),
        names,
        _distinct(_FIRST.sub("", name) for name in names),
    )


def same_but_for_case(title: str) -> str:
    """A title without case and without the blanks that are hard to see."""
    return plain_form(title).casefold()


def _article_first(title: str) -> str:
    last = _LAST.match(title.strip())
    if last is None:
        return title
    rest, article = last.groups()
    return article + rest if article.endswith("'") else f"{article} {rest}"


def _folded(title: str) -> str:
    """Lower case, without accents and punctuation; punctuation alone stays as it is."""
    split = unicodedata.normalize("NFKD", title.casefold().translate(_TYPED))
    letters = "".join(letter for letter in split if ord(letter) not in _MARKS)
    letters = re.sub(r"['\u2019`]", "", letters).replace("&", " and ")
    words = " ".join(re.findall(r"\w+", unicodedata.normalize("NFC", letters)))
    return words or same_but_for_case(title)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, names)))
