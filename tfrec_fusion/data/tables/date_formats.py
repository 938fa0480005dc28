"""Dates in text that are not ISO 8601: in which order they are written, and how to read them."""

from __future__ import annotations

import re

import pandas as pd

_DATE = re.compile(r"\s*(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4}|\d\d)\b(.*)", re.DOTALL)
_YEAR_FIRST = re.compile(r"\s*(\d{4})([/.])(\d{1,2})[/.](\d{1,2})\b(.*)", re.DOTALL)
_TIMES = ((r"\d\d?:\d\d:\d\d", "%H:%M:%S"), (r"\d\d?:\d\d", "%H:%M"))
_TWELVE = re.compile(r"\s*[AaPp][Mm]")
_NUMBER = re.compile(r"\s*[-+]?\d+,\d+\s*")
_CURE = "Write them as 2024-01-31"


def advice(texts: pd.Series) -> str:
    """What to do about texts that are neither numbers nor dates in ISO 8601.

    Args:
        texts: `(num_rows,)` strings.

    Returns:
        Sentences; with the format where it can be told, and both where day and month cannot.

    Example:

    >>> print(advice(pd.Series(["31/01/2024", "02/03/2024"])))
    Write them as 2024-01-31, or convert them with `pd.to_datetime(column, format="%d/%m/%Y")`.
    >>> print(advice(pd.Series(["01/02/2024"])))
    Day and month cannot be told apart. Write them as 2024-01-31, or convert them with \
`pd.to_datetime(column, format="%d/%m/%Y")` if the day comes first and format="%m/%d/%Y" if the \
month does.
    """
    if len(texts) and texts.map(_NUMBER.fullmatch).notna().all():
        return 'A decimal comma is read with --decimal "," (`decimal`).'
    found = [match for text in texts if (match := _DATE.fullmatch(text))]
    if len(texts) and texts.map(_YEAR_FIRST.fullmatch).notna().all():
        one = _year_first(texts)
        return f'{_CURE}, or convert them with `pd.to_datetime(column, format="{one}")`.'
    if not found or len(found) < len(texts):
        return f"{_CURE}, or convert them with `pd.to_datetime` and an explicit `format`."
    day_first = any(int(match[1]) > 12 for match in found)
    month_first = any(int(match[3]) > 12 for match in found)
    formats = [_format(found[0], order) for order in ("%d{0}%m{0}%y", "%m{0}%d{0}%y")]
    if day_first and month_first:
        return f"Some have the day first, others the month. {_CURE}."
    if day_first or month_first:
        one = formats[0] if day_first else formats[1]
        return f'{_CURE}, or convert them with `pd.to_datetime(column, format="{one}")`.'
    return (
        f"Day and month cannot be told apart. {_CURE}, or convert them with "
        f'`pd.to_datetime(column, format="{formats[0]}")` if the day comes first and '
        f'format="{formats[1]}" if the month does.'
    )


def _year_first(texts: pd.Series) -> str:
    match = _YEAR_FIRST.fullmatch(texts.iloc[0])
    return "%Y{0}%m{0}%d".format(match[2]) + _time_of_day(match[5]) if match else ""


def _format(match: re.Match[str], order: str) -> str:
    """The format of a date with its time of day, if any."""
    form = order.format(match[2])
    return (form.replace("%y", "%Y") if len(match[4]) == 4 else form) + _time_of_day(match[5])


def _time_of_day(rest: str) -> str:
    """The format of what follows a date."""
    for pattern, directive in _TIMES:
        if re.search(pattern, rest):
            rest = re.sub(pattern, directive, rest, count=1)
            break
    if _TWELVE.search(rest):
        rest = re.sub("[AaPp][Mm]", "%p", rest.replace("%H", "%I"), count=1)
    return rest
