"""Texts of other people on a terminal: one line each, and nothing that the terminal would obey."""

from __future__ import annotations

import unicodedata

# Control characters and separators of lines and paragraphs.
_CATEGORIES = {"Cc", "Zl", "Zp"}
# What steers the direction of a line: marks, embeddings, overrides and isolates.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: object) -> str:
    r"""Returns a text with control characters as escapes, such as `\x1b`.

    A title with a line break would look like two answers, and one with an escape sequence could
    clear the screen, rename the window or hide what stands before it (CWE-150).

    Args:
        text: A title, an id or another text that came with the data.

    Example:

    >>> print(printable("Heat\n  2. \x1b[2JBuy this"))
    Heat\n  2. \x1b[2JBuy this
    >>> printable("Élisa, 東京物語 🎬")
    'Élisa, 東京物語 🎬'
    """
    return "".join(_escape(one) if _steers(one) else one for one in str(text))


def _steers(character: str) -> bool:
    return unicodedata.category(character) in _CATEGORIES or character in _DIRECTIONS


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
