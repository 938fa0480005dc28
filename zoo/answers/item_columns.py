"""The catalog's further columns: which items have a value, and their cells of some items."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from functools import cache, cached_property

import numpy as np
import pandas as pd

from tfrec_fusion.answer_warnings import listed
from tfrec_fusion.data.tables.cells import SEPARATOR, labels_of
from tfrec_fusion.data.tables.item_texts import cell_text
from tfrec_fusion.errors import InvalidInput

OWN = ("user_id", "item_id", "title", "score", "source")  # columns that an answer has itself


class ItemColumns:
    """Columns of a catalog.

    Args:
        table: The columns, in index order: its first row is item index 1. A cell holds a value, a
            list of labels, or a text in which labels are joined.
        separators: What joins the labels of a column; "|" by default.

    Example:

    >>> films = ItemColumns(pd.DataFrame({"genres": ["Comedy|War", "War"], "year": [1970, 1957]}))
    >>> films.having({"genres": ["Comedy", "Western"], "year": 1970})
    Traceback (most recent call last):
    tfrec_fusion.errors.InvalidInput: No item has 'Western' in `genres`. It has 'Comedy', 'War'.
    >>> films.having({"genres": "War", "year": "1957"}).tolist()
    [False, False, True]
    """

    def __init__(self, table: pd.DataFrame, separators: Mapping[str, str] | None = None) -> None:
        self.table = table.rename(columns=str)
        self._separators = separators or {}
        self._rows = cache(self._rows_by_value)

    def having(self, where: Mapping[str, object]) -> np.ndarray:
        """Marks the items that have, in each column, one of its values.

        Args:
            where: A value, or a list of values, by column. A label matches each item that has it;
                numbers match however they are written.

        Returns:
            `(num_items,)` bool; False for the OOV item.

        Raises:
            InvalidInput: When there is no such column, or no item has a value.
        """
        if not isinstance(where, Mapping):
            raise InvalidInput(
                "`where` must be a dictionary of values by column, such as "
                f"{{'category': 'lamps'}}. Received: {where!r:.60}."
            )
        passing = np.ones(len(self.table) + 1, bool)
        passing[0] = False
        for column, values in where.items():
            rows = self._rows(self._checked_column(column))
            has = np.zeros(len(passing), bool)
            for value in _listed(str(column), values):
                if value not in rows:
                    raise InvalidInput(_no_item(str(column), value, rows))
                has[rows[value]] = True
            passing &= has
        return passing

    def rows_of(self, items: np.ndarray) -> pd.DataFrame:
        """The columns of some items, a row each.

        A column whose name an answer has itself is called `item_NAME`.

        Args:
            items: Item indices, 1 or more.
        """
        table = self.table.iloc[np.asarray(items, int) - 1].reset_index(drop=True)
        return table.rename(columns={name: f"item_{name}" for name in OWN})

    @cached_property
    def years(self) -> list[str] | None:
        """The year of each item, "" where it is unknown; None without a column `year`."""
        if "year" not in self.table:
            return None
        return [_plain(cell) for cell in self.table["year"]]

    def _checked_column(self, column: object) -> str:
        names = list(self.table)
        if column in names:
            return str(column)
        if not names:
            raise InvalidInput(
                "`where` needs columns, and the catalog of this model has none besides title and "
                f"text. Received: {column!r:.60}. Name items by `allow` or `exclude` instead."
            )
        close = difflib.get_close_matches(str(column).casefold(), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInput(
            f"`where` must name columns of the catalog: {', '.join(names)}. "
            f"Received: {column!r:.60}.{hint}"
        )

    def _rows_by_value(self, column: str) -> dict[str, np.ndarray]:
        """Item indices by label; a cell that holds no list of them is one."""
        separator = self._separators.get(column, SEPARATOR)
        items: dict[str, list[int]] = {}
        for item, cell in enumerate(self.table[column], 1):
            for label in dict.fromkeys(labels_of(cell, separator)):
                items.setdefault(label, []).append(item)
        return {label: np.array(rows) for label, rows in items.items()}


def _listed(column: str, values: object) -> list[str]:
    """The values of a column that were asked for, as they are written in cells."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        values = [values]
    if isinstance(values, Mapping):
        raise InvalidInput(
            f"`where` must have a value or a list of values for {column!r}. "
            f"Received: {values!r:.60}."
        )
    plain = [_plain(value) for value in values]
    if not plain or not all(plain):
        raise InvalidInput(
            f"`where` must have a value for {column!r}; it is missing or empty. "
            f"Received: {values!r:.60}."
        )
    return plain


def _plain(cell: object) -> str:
    """A value as `labels_of` writes it: a whole number without a fraction."""
    return "".join(labels_of([cell_text(cell)]))


def _no_item(column: str, value: str, known: Collection[str]) -> str:
    folded = {label.casefold(): label for label in known}
    close = difflib.get_close_matches(value.casefold(), folded, n=3)
    if close:
        hint = f"Did you mean {' or '.join(repr(folded[label]) for label in close)}?"
    else:
        hint = f"It has {listed(sorted(known))}." if known else "It is empty."
    return f"No item has {value!r} in `{column}`. {hint}"
