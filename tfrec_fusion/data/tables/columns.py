"""What makes a column of a table acceptable, and the error that says why one is not."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.identifiers import read_ids
from tfrec_fusion.data.tables.item_texts import cell_text
from tfrec_fusion.data.tables.near_misses import closest, told_apart
from tfrec_fusion.errors import InvalidInput, WrongType

logger = logging.getLogger(__name__)

SHOWN_ROWS = 5
SEPARATORS = (";", "\t", "|", "::", ",")
DECIMAL = re.compile(r"\s*[-+]?\d*,\d+\s*")


def failure(table: str, column: str, problem: str, bad: np.ndarray, cure: str) -> InvalidInput:
    """An error that names the table, the column, the first offending rows and the cure.

    Args:
        table: Name of the table, e.g. `interactions`.
        column: Name of the column.
        problem: What is wrong, a clause without a full stop.
        bad: `(num_rows,)` bool, true where a row offends.
        cure: What the reader should do, whole sentences.
    """
    rows = np.flatnonzero(bad)
    shown = ", ".join(str(row) for row in rows[:SHOWN_ROWS])
    more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
    where = f"row{'s' if len(rows) > 1 else ''} {shown}{more} (counted from 0)"
    return InvalidInput(f"`{table}.{column}` {problem}. Received: {where}. {cure}")


def check_columns(frame: pd.DataFrame, table: str, required: Iterable[str] = ()) -> None:
    """Checks that `frame` is a table with distinct columns, the required ones among them.

    Raises:
        TypeError: When `frame` is not a DataFrame.
        ValueError: When a column occurs twice or is missing.
    """
    if not isinstance(frame, pd.DataFrame):
        raise WrongType(f"`{table}` must be a pandas DataFrame. Received: {type(frame).__name__}.")
    columns = [str(column) for column in frame.columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InvalidInput(
            f"`{table}` has duplicate columns: {', '.join(twice)}. Rename or drop one of each."
        )
    missing = [column for column in required if column not in columns]
    if missing:
        raise InvalidInput(
            f"`{table}` lacks the column{'s' if len(missing) > 1 else ''} "
            f"{', '.join(missing)}. "
            f"Received: {', '.join(map(repr, columns)) or 'no columns'}. "
            f"{_renaming(columns, missing)}"
        )


def _renaming(columns: list[str], missing: list[str]) -> str:
    """What to do about columns that are missing: those received may be named nearly so."""
    if len(columns) == 1 and (hint := separator_hint(columns[0])):
        return hint
    meant = closest(missing, columns)
    if meant:
        pairs = ", ".join(f"{column!r} to {name!r}" for name, column in meant.items())
        return f"Rename {pairs}: names count with blanks and capitals."
    own = f"`zoo.read(frame, {missing[0]}=…)`"
    return f"Rename your columns, or name them in Python: {own}."


def separator_hint(names: str) -> str:
    """The separator to give for a table whose line of names is read as one; "" for none.

    Example:

    >>> separator_hint("user_id;item_id")
    "The columns seem to be separated by ';': give --sep ';' (`sep`)."
    """
    for sep in SEPARATORS:
        if sep in names:
            return f"The columns seem to be separated by {sep!r}: give --sep {sep!r} (`sep`)."
    return ""


def check_filled(frame: pd.DataFrame, table: str, cure: str) -> None:
    """Raises `ValueError` when `frame` has no rows."""
    if not len(frame):
        raise InvalidInput(f"`{table}` is empty. Received: 0 rows. {cure}")


def clean_ids(column: pd.Series, table: str, *, optional: bool = False) -> pd.Series:
    """Ids of any type as strings, by the rule of `tfrec_fusion.ids`.

    Args:
        column: The ids.
        table: Name of the table, for the messages.
        optional: Whether ids may be missing or blank, which becomes the empty string.

    Raises:
        ValueError: When an id is null, blank or no id, such as a number with a fraction.
    """
    name = str(column.name)
    if optional:
        column = column.mask(column.map(lambda one: isinstance(one, str) and not one.strip()))
    ids = read_ids(column)
    if (null := ids.codes < 0).any() and not optional:
        raise failure(table, name, "must not be null", null, "Fill or drop these rows.")
    if ids.errors:
        bad = np.isin(ids.codes, list(ids.errors))
        first = ids.errors[int(ids.codes[bad.argmax()])]
        raise failure(table, name, "must hold ids", bad, f"The first of them: {first}")
    if spellings := ids.spelled_twice():
        written, one = next(iter(spellings.items()))
        logger.warning(
            "%s.%s: %d ids are written in two ways, such as %r and %r: each is taken as one id.",
            *(table, name, len(set(spellings.values())), one, written),
        )
    texts = pd.Series(np.append(ids.texts, ""), dtype=str).take(ids.codes)
    return texts.set_axis(column.index).rename(column.name)


def check_unique(ids: pd.Series, table: str) -> None:
    """Raises `ValueError` when an id occurs in more than one row."""
    twice = ids.duplicated().to_numpy(bool)
    if twice.any():
        problem = f"must be unique, but {ids[twice].iloc[0]!r} (for one) occurs again"
        cure = f'Keep one row an id, e.g. `frame.drop_duplicates("{ids.name}")`.'
        raise failure(table, str(ids.name), problem, twice, cure)


def check_known(ids: pd.Series, known: pd.Series, table: str, catalog: str) -> None:
    """Raises `ValueError` when `ids` names something the `catalog` table does not have."""
    unknown = ~ids.isin(known).to_numpy(bool)
    if unknown.any():
        first = ids[unknown].iloc[0]
        problem = f"names ids that `{catalog}` does not have, such as {first!r}"
        cure = f"Add them to `{catalog}`, or drop these rows."
        if meant := closest(ids[unknown].unique(), known):
            odd = first if first in meant else next(iter(meant))
            cure = "{}: did you mean {}? ".format(*told_apart(odd, meant[odd])) + cure
        raise failure(table, str(ids.name), problem, unknown, cure)


def numbers(column: pd.Series) -> np.ndarray:
    """`(num_rows,)` float64, NaN where a value is no number."""
    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64, copy=True, na_value=np.nan)


def clean_ratings(column: pd.Series, rating_range: tuple[float, float] | None = None) -> np.ndarray:
    """Ratings as `(num_rows,)` float32.

    Args:
        column: Numbers, or strings that are numbers.
        rating_range: Smallest and largest rating allowed; any finite number by default.

    Raises:
        ValueError: When a rating is NaN, infinite, not a number or outside the range.
    """
    with np.errstate(over="ignore"):
        ratings = numbers(column).astype(np.float32)
    bad = ~np.isfinite(ratings)
    if bad.any():
        cure = f"{_example(column, bad)}Fill or drop these rows, or leave the column out."
        if all(isinstance(one, str) and DECIMAL.fullmatch(one) for one in column[bad]):
            cure = f'{_example(column, bad)}A decimal comma is read with --decimal "," (`decimal`).'
        raise failure("interactions", "rating", "must be finite numbers, not NaN", bad, cure)
    if rating_range is not None:
        low, high = rating_range
        bad = (ratings < low) | (ratings > high)
        if bad.any():
            cure = f"{_example(column, bad)}Correct or drop these rows, or widen `rating_range`."
            problem = f"must be between {low:g} and {high:g}"
            raise failure("interactions", "rating", problem, bad, cure)
    return ratings


def _example(column: pd.Series, bad: np.ndarray) -> str:
    return f"The first of them is {column[bad].tolist()[0]!r}. "


def clean_texts(column: pd.Series, table: str) -> pd.Series:
    """Texts as strings; missing and blank ones are empty, and what is missing is logged."""
    cells = [cell if isinstance(cell, str) else cell_text(cell) for cell in column]
    texts = pd.Series(cells, column.index, dtype=str, name=column.name)
    if missing := int(column.isna().sum()):
        logger.warning("%s.%s: %d missing values are empty texts.", table, column.name, missing)
    return texts.mask(texts.str.strip() == "", "")
