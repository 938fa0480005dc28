"""Ids that look alike: which of them differ by blanks or Unicode form alone, and are reported.

Ids that differ by capitals (as those of videos do) or by leading zeros are different ids and are
not reported; they are offered only where an id is missing.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable

logger = logging.getLogger(__name__)

_INVISIBLE = {"Cc", "Cf"}  # controls and format characters, such as a byte order mark
_LEADING_ZEROS = re.compile(r"\b0+(?=\d)")


def plain_form(one: str) -> str:
    r"""An id without surrounding, repeated and invisible blanks, in Unicode's form NFKC.

    Example:

    >>> plain_form(" No.  7\ufeff"), plain_form("e\u0301") == "\u00e9"
    ('No. 7', True)
    """
    if one.isascii() and one.isprintable() and "  " not in one and one.strip(" ") == one:
        return one
    text = unicodedata.normalize("NFKC", one)
    text = " ".join(text.split())
    return "".join(letter for letter in text if unicodedata.category(letter) not in _INVISIBLE)


def near_misses(ids: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different ids that have one plain form, the plainer id second.

    Args:
        ids: Distinct ids.

    Example:

    >>> near_misses(["7", "8", "7 ", "a"])
    [('7 ', '7')]
    """
    ids = list(ids)
    odd = {one: form for one in ids if (form := plain_form(one)) != one}
    if not odd:
        return []
    forms = set(odd.values())
    plainest = {one: one for one in ids if one in forms}
    pairs = []
    for one, form in odd.items():
        other = plainest.setdefault(form, one)
        if other != one:
            pairs.append((one, other))
    return pairs


def warn_of_near_misses(ids: Iterable[str], where: str) -> None:
    """Logs one line when ids look alike.

    Args:
        ids: Distinct ids.
        where: The column or columns they are from.
    """
    if pairs := near_misses(ids):
        odd, plain = pairs[0]
        logger.warning(
            "%s: %d ids differ from another one only by blanks, invisible characters or Unicode "
            "form, such as %s from %s: they are kept apart. If they mean the same, clean the "
            'column, e.g. with `.str.normalize("NFKC").str.strip()`.',
            *(where, len(pairs), *told_apart(odd, plain)),
        )


def told_apart(one: str, other: str) -> tuple[str, str]:
    r"""Two ids in quotes, by their code points where they would look the same.

    Example:

    >>> told_apart("7 ", "7"), told_apart("\u00e9", "e\u0301")
    (("'7 '", "'7'"), ("'\\xe9'", "'e\\u0301'"))
    """
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    return (ascii(one), ascii(other)) if same else (repr(one), repr(other))


def closest(unknown: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Known ids that unknown ones may be meant to be: alike but for blanks, case or zeros.

    Args:
        unknown: Ids that are not among the known ones.
        known: Ids.

    Example:

    >>> closest(["7 ", "B1", "x"], ["07", "b1"])
    {'7 ': '07', 'B1': 'b1'}
    """
    loose = {_loose_form(one): one for one in known}
    return {one: loose[form] for one in unknown if (form := _loose_form(one)) in loose}


def _loose_form(one: str) -> str:
    return _LEADING_ZEROS.sub("", plain_form(one).casefold().replace(" ", ""))
