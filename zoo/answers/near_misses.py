"""Hints at the ids that unknown ones may be meant to be."""

from __future__ import annotations

from collections.abc import Iterable

from tfrec_fusion.data.tables.near_misses import closest


def near_misses(unknown: Iterable[str], ids: Iterable[str]) -> str:
    """Returns a hint at known ids that differ by blanks, case, Unicode form or leading zeros.

    Args:
        unknown: Ids that are not known; few.
        ids: Those that are.

    Returns:
        A sentence with a blank before it, or the empty string.

    Example:

    >>> near_misses(["ANN ", "bob"], ["ann", "cid"])
    " Did you mean 'ann' instead of 'ANN '?"
    """
    pairs = [f"{meant!r} instead of {one!r}" for one, meant in closest(unknown, ids).items()]
    return f" Did you mean {', '.join(pairs)}?" if pairs else ""
