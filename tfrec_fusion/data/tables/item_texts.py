"""One text an item: its title, its own text and chosen columns, joined in one way for all readers.

Language models, TF-IDF, search and interests read what `joined_texts` gives. An item of which
nothing is written has the empty text, never its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.text_columns import ALWAYS_READ, checked_columns
from tfrec_fusion.errors import InvalidInput

LABELS = "|"
LISTS = (list, tuple, set, frozenset, np.ndarray)
_WHOLE = re.compile(r"^(-?\d+)\.0+$")
_ENDS = (".", "!", "?", "…", "。", "！", "？", "।")  # noqa: RUF001


def cell_text(cell: object) -> str:
    """What is written in a cell: lists are joined by commas, whole numbers have no fraction.

    Args:
        cell: A text, number or date, a list of them, or something missing.

    Raises:
        InvalidInput: When it is a mapping.

    Example:

    >>> cell_text(["Comedy", None, "War"]), cell_text(1999.0), cell_text(None)
    ('Comedy, War', '1999', '')
    """
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, dict):
        raise InvalidInput(
            f"A text must be written as words, a number or a list. Received: {cell!r:.80}."
        )
    if isinstance(cell, LISTS):
        ordered = sorted(cell, key=str) if isinstance(cell, (set, frozenset)) else list(cell)
        return ", ".join(filter(None, map(cell_text, ordered)))
    if cell is None or pd.isna(cell):
        return ""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace").strip()
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip().removesuffix(" 00:00:00")  # of a date


def label_text(cell: object) -> str:
    """What is written in a cell of labels, those of a list joined by "|": what a file can hold.

    Example:

    >>> label_text(["Comedy", "War"]), label_text("Comedy|War"), label_text(4.99)
    ('Comedy|War', 'Comedy|War', '4.99')
    """
    if isinstance(cell, LISTS):
        ordered = sorted(cell, key=str) if isinstance(cell, (set, frozenset)) else list(cell)
        return LABELS.join(filter(None, map(cell_text, ordered)))
    return cell_text(cell)


def join_text(title: str, text: str = "", further: Iterable[str] = ()) -> str:
    """Joins what is written of one item: "Title. Text", then a sentence for each further part.

    What is blank is left out, and so is what the rest says already: a title that the text begins
    with, or that is a sentence of it; a further part that stands anywhere in what is before it.
    The title is closed by a full stop whatever it ends with, as in the published vectors.

    Args:
        title: The item's name.
        text: Its own text.
        further: Words of further columns.

    Example:

    >>> join_text("Heat", "A thief and a detective", ["Michael Mann", "Crime"])
    'Heat. A thief and a detective. Michael Mann. Crime.'
    >>> join_text("Heat", "Heat is a film.", ["film"]), join_text("", ""), join_text("Heat")
    ('Heat is a film.', '', 'Heat.')
    """
    title, joined = title.strip(), text.strip()
    if title and not _tells_title(joined, title):
        joined = f"{title}. {joined}".rstrip()
    for part in filter(None, map(str.strip, further)):
        if not _contains(joined, part):
            before = _closed(joined) + " " if joined else ""
            joined = before + _closed(part)
    return joined


def joined_texts(items: pd.DataFrame, columns: Sequence[str] = ()) -> list[str]:
    """The text of every item: what each reader of texts reads.

    Args:
        items: The catalog, with `title` and `text` where it has them.
        columns: Further columns to read; labels joined by "|" and lists become words.

    Raises:
        InvalidInput: When a column is not in the catalog, or holds ids.

    Example:

    >>> films = pd.DataFrame({"title": ["Heat", ""], "text": ["", ""], "genres": ["Crime|War", ""]})
    >>> joined_texts(films, ["genres"])
    ['Heat. Crime, War.', '']
    """
    columns = checked_columns(columns, items)
    own = [[cell_text(cell) for cell in _column(items, name)] for name in ALWAYS_READ]
    more = [[_words(cell) for cell in items[name]] for name in columns]
    rows = zip(*own, *more, strict=True)
    return [join_text(title, text, further) for title, text, *further in rows]


def shown_titles(items: pd.DataFrame) -> list[str]:
    """What stands for each item where items are shown: its title, or else its id.

    For people to see, not for models to read.
    """
    rows = zip(_column(items, "title"), items["item_id"], strict=True)
    return [cell_text(title) or str(item_id) for title, item_id in rows]


def _column(items: pd.DataFrame, name: str) -> Sequence[object]:
    return items[name].tolist() if name in items else [""] * len(items)


def _words(cell: object) -> str:
    """The words of a cell of labels; the same from a file, where a number may end in ".0"."""
    written = _WHOLE.sub(r"\1", label_text(cell))
    return ", ".join(filter(None, map(str.strip, written.split(LABELS))))


def _closed(text: str) -> str:
    return text if text.endswith(_ENDS) else f"{text}."


def _tells_title(text: str, title: str) -> bool:
    """Whether a text begins with the title, as words of its own, or has it as a sentence."""
    folded, begins = text.casefold(), title.casefold()
    if folded.startswith(begins) and not (begins[-1] + folded[len(begins) :][:1]).isalnum():
        return True
    if folded == begins:
        return True
    # In its own capitals: "twins" among the tags of "Twins" is a word about it.
    return re.search(rf"[.!?…]\s+{re.escape(title)}[.!?…](?:\s|$)", text) is not None


def _contains(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text`, next to no other letter or digit."""
    text, part = text.casefold(), part.casefold().rstrip("".join(_ENDS))
    before = r"(?<!\w)" if part[:1].isalnum() else ""
    after = r"(?!\w)" if part[-1:].isalnum() else ""
    return re.search(before + re.escape(part) + after, text) is not None
