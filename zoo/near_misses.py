"""Ids that are nearly the known ones, and lists of ids in messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

SHOWN = 5  # ids that a message names


def plain(text: str) -> str:
    """Returns what is left of a text without differences that are hard to see.

    Case, Unicode form and characters without a width are evened out, runs of blanks are one.

    Example:

    >>> plain(" Toy  STORY ")
    'toy story'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(one for one in text if unicodedata.category(one) != "Cf")
    return " ".join(text.casefold().split())


def near_misses(unknown: Iterable[str], ids: Iterable[str]) -> str:
    """Returns a hint at known ids that differ from unknown ones by blanks, case or Unicode form.

    Args:
        unknown: Ids that are not known; few.
        ids: Those that are.

    Returns:
        A sentence with a blank before it, or the empty string.

    Example:

    >>> near_misses(["ANN ", "bob"], ["ann", "cid"])
    " Did you mean 'ann' instead of 'ANN '?"
    """
    wanted = {one: _without_blanks(one) for one in unknown}
    keys = set(wanted.values())
    found: dict[str, str] = {}
    for one in ids:
        if (key := _without_blanks(one)) in keys and key:
            found.setdefault(key, one)
    pairs = [f"{found[key]!r} instead of {one!r}" for one, key in wanted.items() if key in found]
    return f" Did you mean {', '.join(pairs)}?" if pairs else ""


def listed(names: Sequence[str]) -> str:
    """Returns the first few names, and how many more there are.

    Example:

    >>> listed(["a", "b"]), listed([str(one) for one in range(7)])
    ("'a', 'b'", "'0', '1', '2', '3', '4' and 2 more")
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(repr, names[:SHOWN])) + more


def _without_blanks(text: str) -> str:
    return plain(text).replace(" ", "")
