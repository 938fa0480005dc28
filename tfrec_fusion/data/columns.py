"""What makes a column of a table acceptable, and the error that says why one is not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tfrec_fusion.data.item_texts import cell_text
from tfrec_fusion.errors import InvalidInput, WrongType

logger = logging.getLogger(__name__)

SHOWN_ROWS = 5
DAY = 86_400
EARLIEST = 10 * 365 * DAY  # 1980: before that a finer unit is a poor explanation
SMALLER_UNITS = (("nanoseconds", 1e9), ("microseconds", 1e6), ("milliseconds", 1e3))
DATE_CURE = (
    'Convert dates with `pd.to_datetime(frame["timestamp"], utc=True)'
    '.astype("datetime64[s, UTC]").astype("int64")`.'
)


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
            f"`{table}` lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            f"Received: {', '.join(columns) or 'no columns'}. Rename your columns, or name them "
            "in `from_frames` or `load_csv`. A file with one long column needs another `sep`."
        )


def check_filled(frame: pd.DataFrame, table: str, cure: str) -> None:
    """Raises `ValueError` when `frame` has no rows."""
    if not len(frame):
        raise InvalidInput(f"`{table}` is empty. Received: 0 rows. {cure}")


def _id_text(one: object) -> str:
    if isinstance(one, float) and one.is_integer():
        return str(int(one))
    return one.decode("utf-8") if isinstance(one, bytes) else str(one)


def clean_ids(column: pd.Series, table: str) -> pd.Series:
    """Ids of any type as strings: `7`, `7.0`, `b"7"` and `"7"` all become `"7"`.

    Raises:
        ValueError: When an id is null or blank.
    """
    name = str(column.name)
    null = column.isna().to_numpy(bool)
    if null.any():
        raise failure(table, name, "must not be null", null, "Fill or drop these rows.")
    if pd.api.types.is_integer_dtype(column.dtype):
        return column.astype(str)
    if not isinstance(column.dtype, pd.StringDtype):
        column = column.astype(object).map(_id_text)
    column = column.astype(str)
    blank = (column.str.strip() == "").to_numpy(bool)
    if blank.any():
        raise failure(table, name, "must not be an empty string", blank, "Fill or drop these rows.")
    return column


def check_unique(ids: pd.Series, table: str) -> None:
    """Raises `ValueError` when an id occurs in more than one row."""
    twice = ids.duplicated().to_numpy(bool)
    if twice.any():
        problem = f"must be unique, but {ids[twice].iloc[0]!r} (for one) occurs again"
        cure = f'Keep one row an id, e.g. `frame.drop_duplicates("{ids.name}")`.'
        raise failure(table, str(ids.name), problem, twice, cure)


def check_known(ids: pd.Series, known: pd.Series, table: str, catalogue: str) -> None:
    """Raises `ValueError` when `ids` names something the `catalogue` table does not have."""
    unknown = ~ids.isin(known).to_numpy(bool)
    if unknown.any():
        problem = f"names ids that `{catalogue}` does not have, such as {ids[unknown].iloc[0]!r}"
        cure = f"Add them to `{catalogue}`, or drop these rows."
        raise failure(table, str(ids.name), problem, unknown, cure)


def _numbers(column: pd.Series) -> np.ndarray:
    """`(num_rows,)` float64, NaN where a value is no number."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def clean_ratings(column: pd.Series, rating_range: tuple[float, float] | None = None) -> np.ndarray:
    """Ratings as `(num_rows,)` float32.

    Args:
        column: Numbers, or strings that are numbers.
        rating_range: Smallest and largest rating allowed; any finite number by default.

    Raises:
        ValueError: When a rating is NaN, infinite, not a number or outside the range.
    """
    with np.errstate(over="ignore"):
        ratings = _numbers(column).astype(np.float32)
    bad = ~np.isfinite(ratings)
    if bad.any():
        cure = f"{_example(column, bad)}Fill or drop these rows, or leave the column out."
        raise failure("interactions", "rating", "must be finite numbers, not NaN", bad, cure)
    if rating_range is not None:
        low, high = rating_range
        bad = (ratings < low) | (ratings > high)
        if bad.any():
            cure = f"{_example(column, bad)}Correct or drop these rows, or widen `rating_range`."
            problem = f"must be between {low:g} and {high:g}"
            raise failure("interactions", "rating", problem, bad, cure)
    return ratings


def clean_timestamps(column: pd.Series, now: float | None = None) -> np.ndarray:
    """Timestamps as `(num_rows,)` int64 seconds since 1970-01-01 UTC, fractions cut off.

    Args:
        column: Numbers, or strings that are numbers.
        now: The present in seconds; a later timestamp (beyond a day's grace) is refused.

    Raises:
        ValueError: When a timestamp is a date, NaN, not a number, negative or in the future.
    """
    table, name, drop = "interactions", "timestamp", "Correct or drop these rows."
    everywhere = np.ones(len(column), bool)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise failure(table, name, "must be numbers of seconds, not dates", everywhere, DATE_CURE)
    null = column.isna().to_numpy(bool)
    if null.any():
        raise failure(table, name, "must not be NaN", null, drop)
    seconds = _numbers(column)
    bad = ~np.isfinite(seconds)
    if bad.any():
        cure = f"{_example(column, bad)}{DATE_CURE}"
        raise failure(table, name, "must be numbers of seconds since 1970", bad, cure)
    if (seconds < 0).any():
        raise failure(table, name, "must not be negative", seconds < 0, drop)
    latest = (time.time() if now is None else now) + DAY
    if (seconds > latest).any():
        unit = [(unit, by) for unit, by in SMALLER_UNITS if EARLIEST < seconds.max() / by <= latest]
        hint = f"They look like {unit[0][0]}: divide by {unit[0][1]:.0f}." if unit else drop
        raise failure(table, name, "must not lie in the future", seconds > latest, hint)
    whole = seconds.astype(np.int64)
    if cut := int((whole != seconds).sum()):
        logger.warning("interactions.timestamp: fractions of a second cut off in %d rows.", cut)
    return whole


def _example(column: pd.Series, bad: np.ndarray) -> str:
    return f"The first of them is {column[bad].tolist()[0]!r}. "


def clean_texts(column: pd.Series, table: str) -> pd.Series:
    """Texts as strings; missing and blank ones are empty, and what is missing is logged."""
    cells = [cell if isinstance(cell, str) else cell_text(cell) for cell in column]
    texts = pd.Series(cells, column.index, dtype=str, name=column.name)
    if missing := int(column.isna().sum()):
        logger.warning("%s.%s: %d missing values are empty texts.", table, column.name, missing)
    return texts.mask(texts.str.strip() == "", "")
