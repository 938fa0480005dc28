"""Times of events: seconds since 1970, dates of any type, or the bare order of events.

Times lie between 1980 and now. Everything else is refused, with what it looks like: a date read as
a number, another unit or a missing time would put events into January 1970 and say nothing.
"""

from __future__ import annotations

import datetime
import logging
import re
import time
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.columns import failure, numbers
from tfrec_fusion.data.tables.date_formats import advice

logger = logging.getLogger(__name__)

DAY = 86_400
EARLIEST = 315_532_800  # 1980-01-01 UTC: before that another unit is the better explanation
SMALLER_UNITS = (("nanoseconds", 1e9), ("microseconds", 1e6), ("milliseconds", 1e3))
CAUSES = {  # by the number of seconds that one of them stands for
    60: "minutes since 1970: multiply by 60",
    3_600: "hours since 1970: multiply by 3600",
    DAY: "days since 1970: multiply by 86400",
    1_000: "microseconds divided as if they were nanoseconds (pandas 3 counts in microseconds): "
    "give the datetimes as they are, without `astype`",
    1_000_000: "milliseconds divided or read as if they were nanoseconds: divide them by 1000",
    1_000_000_000: "seconds read as if they were nanoseconds: give the numbers as they are",
}
SPELLED = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH", "%M": "MM", "%S": "SS", "%j": "DDD"}
SURE_COUNT = 300  # below this no unit and no calendar gives a date after 1980
COUNT_FROM = 0.25  # a count of events begins at a small share of its largest number
ISO = re.compile(
    r"\s*\d{4}-\d\d-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?\s*(Z|[-+]\d\d(:?\d\d)?)?)?\s*"
)
_DATES = (datetime.date, np.datetime64)
_TABLE, _NAME = "interactions", "timestamp"


def clean_timestamps(column: pd.Series, now: float | None = None) -> np.ndarray:
    """Timestamps as `(num_rows,)` int64 seconds since 1970-01-01 UTC, fractions cut off.

    Args:
        column: Seconds since 1970, as numbers or as text; dates and datetimes of any type, unit and
            time zone; or text in ISO 8601, such as `2024-01-31` or `2024-01-31T12:00:00+01:00`.
            Without a time zone they are UTC. Whole numbers that count from 0 (or a small number)
            are accepted as the order of events, which is logged.
        now: The present in seconds; a later timestamp (beyond a day's grace) is refused.

    Raises:
        ValueError: When a timestamp is missing, a truth value, text in another form, in the future
            or before 1980; the message says what it looks like.
    """
    null = column.isna().to_numpy(bool)
    _check_present(null)
    seconds, dated = _seconds(column)
    latest = (time.time() if now is None else now) + DAY
    if (late := seconds > latest).any():
        hint = _of_the_future(seconds[late], latest) or "Correct or drop these rows."
        raise failure(_TABLE, _NAME, "must not lie in the future", late, hint)
    early = seconds < EARLIEST
    if early.all() and not dated.any() and _counts(seconds):
        low, high = seconds.min(), seconds.max()
        what = f"numbers from {low:.0f} to {high:.0f} are no times; taken as the order of events"
        if low == high and len(seconds) > 1:
            what = f"all are {low:.0f}, which is no time; the events have no order in time"
        logger.warning("interactions.timestamp: %s.", what)
    elif early.any():
        first = _show(seconds[early.argmax()])
        problem = "must be seconds since 1970 and lie between 1980 and now"
        cure = (
            f"The first of them is {_example(column, early)}, {first}. {_meaning(seconds[early])}"
        )
        raise failure(_TABLE, _NAME, problem, early, cure)
    whole = seconds.astype(np.int64)
    if cut := int((whole != seconds).sum()):
        logger.warning("interactions.timestamp: fractions of a second cut off in %d rows.", cut)
    return whole


def _check_present(missing: np.ndarray) -> None:
    if missing.any():
        raise failure(_TABLE, _NAME, "must not be missing", missing, "Correct or drop these rows.")


def _seconds(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since 1970 of numbers, dates and text, plausible or not.

    Returns:
        `(num_rows,)` float64, and `(num_rows,)` bool: which rows are dates.
    """
    dated = np.zeros(len(column), bool)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _of_dates(column), ~dated
    if pd.api.types.is_numeric_dtype(column.dtype) and not _is_bool(column.dtype):
        seconds, text = numbers(column), np.zeros(len(column), bool)
    elif isinstance(column.dtype, pd.StringDtype):
        seconds, text = numbers(column), np.ones(len(column), bool)
    else:
        column = column.astype(object)
        kinds = column.map(type)
        if (truth := kinds.isin((bool, np.bool_)).to_numpy(bool)).any():
            cure = "Give the column that holds the times."
            raise failure(_TABLE, _NAME, "must be times, not truth values", truth, cure)
        text = kinds.map(lambda kind: issubclass(kind, str)).to_numpy(bool)
        dated = kinds.map(lambda kind: issubclass(kind, _DATES)).to_numpy(bool, copy=True)
        seconds = numbers(column.mask(dated))
        seconds[dated] = _of_dates(column[dated])
    left = np.flatnonzero(text & ~np.isfinite(seconds))
    missing = np.zeros(len(column), bool)
    missing[left] = column.iloc[left].astype(str).str.strip() == ""
    _check_present(missing)
    iso = left[column.iloc[left].astype(str).str.fullmatch(ISO).to_numpy(bool)]
    seconds[iso] = _of_dates(column.iloc[iso])
    dated[iso] = True
    if (bad := ~np.isfinite(seconds)).any():
        problem = "must be seconds since 1970, or dates in ISO 8601 such as 2024-01-31T12:00:00"
        cure = f"The first of them is {_example(column, bad)}. {advice(column[bad & text])}"
        raise failure(_TABLE, _NAME, problem, bad, cure)
    return seconds, dated


def _is_bool(dtype: Any) -> bool:
    return pd.api.types.is_bool_dtype(dtype)


def _of_dates(dates: pd.Series) -> np.ndarray:
    """`(num_rows,)` seconds; NaN where a date does not exist, such as 2023-02-30."""
    if not pd.api.types.is_datetime64_any_dtype(dates.dtype):
        texts = [one.strip() if isinstance(one, str) else _iso(one) for one in dates]
        dates = pd.to_datetime(
            pd.Series(texts, dtype=str), format="ISO8601", utc=True, errors="coerce"
        )
    elif isinstance(dates.dtype, pd.ArrowDtype):
        dates = pd.Series(dates.to_numpy(object)).map(pd.Timestamp)
    moments = pd.to_datetime(dates, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)


def _iso(one: datetime.date | np.datetime64) -> str:
    return str(one) if isinstance(one, np.datetime64) else one.isoformat()


def _counts(seconds: np.ndarray) -> bool:
    """Whether numbers may be a count of events: whole ones from a small one upward."""
    if seconds.min() < 0 or (seconds != np.floor(seconds)).any():
        return False
    high = seconds.max()
    return high < SURE_COUNT or seconds[seconds > 0].min() <= COUNT_FROM * high


def _of_the_future(seconds: np.ndarray, latest: float) -> str:
    for digits, form in ((14, "%Y%m%d%H%M%S"), (12, "%Y%m%d%H%M"), (10, "%Y%m%d%H")):
        if _are_dates(seconds, digits, form):
            return _written_as(form)
    for unit, by in SMALLER_UNITS:
        if EARLIEST < seconds.max() / by <= latest:
            return f"They look like {unit}: divide by {by:.0f}."
    return ""


def _meaning(seconds: np.ndarray) -> str:
    """What numbers before 1980 look like, and what to do."""
    low, high = seconds.min(), seconds.max()
    if _are_dates(seconds, 8, "%Y%m%d"):
        return _written_as("%Y%m%d")
    if low >= 1980 and high <= 2100:
        return "They look like years: give the date, or leave the column out."
    for digits, form in ((6, "%Y%m"), (7, "%Y%j")):
        if _are_dates(seconds, digits, form):
            return _written_as(form)
    if low >= 29_221 and high <= 73_051:
        return (
            "They look like days of a spreadsheet (Excel): write them as ISO 8601 there, or "
            'convert them with `pd.to_datetime(column, unit="D", origin="1899-12-30")`.'
        )
    for by, what in CAUSES.items():
        if low * by >= EARLIEST and high * by <= time.time() + DAY:
            return f"They look like {what}."
    if (seconds == 0).all():
        return "A 0 often stands for a time that is missing: drop these rows, or fill in the time."
    if low < 0:
        return "Correct or drop these rows."
    return "If the numbers are the order of events, count from 0; otherwise drop these rows."


def _are_dates(seconds: np.ndarray, digits: int, form: str) -> bool:
    """Whether all numbers are dates of this form between 1980 and 2100."""
    whole = seconds[np.isfinite(seconds)]
    if not len(whole) or (whole != np.floor(whole)).any():
        return False
    if whole.min() < 1980 * 10 ** (digits - 4) or whole.max() >= 2101 * 10 ** (digits - 4):
        return False
    texts = pd.Series(np.unique(whole).astype(np.int64).astype(str))
    return not pd.to_datetime(texts, format=form, errors="coerce").isna().any()


def _written_as(form: str) -> str:
    letters = "".join(SPELLED[directive] for directive in re.findall("%.", form))
    return (
        f"They look like dates written as {letters}: write them as ISO 8601, such as "
        f'2024-01-31, or convert them with `pd.to_datetime(column.astype(str), format="{form}")`.'
    )


def _show(seconds: float) -> str:
    try:
        return f"which is {pd.Timestamp(seconds, unit='s'):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return "which is no date"


def _example(column: pd.Series, bad: np.ndarray) -> str:
    return f"{column[bad].tolist()[0]!r}"
