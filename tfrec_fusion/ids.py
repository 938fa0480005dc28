"""Ids of users and items: one rule for what an id is, wherever one comes in.

An id is text. Whole numbers are written without a fraction, so `7`, `7.0`, `Decimal("7.0")`,
`b"7"`, `"7"` and `"7.0"` are all the id `"7"`: pandas turns a column of whole numbers into floats
as soon as one is missing, and writes them so into a file. Everything else stays as it is written,
also blanks and capitals. What cannot be told apart from its neighbor, such as a float too large
to count by ones, is refused.
"""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
import uuid
from collections.abc import Iterable

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput

_WHOLE = re.compile(r"(0|-?[1-9][0-9]*)\.0+")


def id_text(value: object) -> str:
    """Returns an id as text.

    Args:
        value: Text, UTF-8 bytes, a whole number of any type or a UUID.

    Returns:
        The id; whole numbers without a fraction, text as it is written.

    Raises:
        InvalidInput: When `value` is missing, blank, a truth value, a date, a collection, a number
            with a fraction, or a float beyond the whole numbers that its type can tell apart.

    Example:

    >>> id_text(7.0), id_text(b"7"), id_text("7.0"), id_text("007"), id_text(" 7")
    ('7', '7', '7', '007', ' 7')
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"An id in bytes must be UTF-8. Received: {value!r}.") from error
    if isinstance(value, str):
        return _checked_text(str(value))
    if isinstance(value, (list, tuple, set, dict, np.ndarray, pd.Series, pd.DataFrame, pd.Index)):
        raise InvalidInput(
            f"An id must be one value, not a {type(value).__name__}. Received: {value!r:.80}."
        )
    if value is None or value is pd.NaT or value is pd.NA:
        raise InvalidInput(f"An id must not be missing. Received: {value!r}.")
    if isinstance(value, (bool, np.bool_)):
        raise InvalidInput(f"An id must be text or a whole number. Received: {value!r}, a bool.")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _whole_float(value)
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            raise InvalidInput(f"An id must not be missing. Received: {value!r}.")
        if value != value.to_integral_value():
            raise InvalidInput(_fraction(value))
        return str(int(value))
    if isinstance(value, uuid.UUID):
        return str(value)
    kind = "a date" if isinstance(value, (datetime.date, np.datetime64)) else type(value).__name__
    raise InvalidInput(
        f"An id must be text or a whole number. Received: {value!r:.80}, {kind}. "
        "Convert it with `str`."
    )


def id_list(values: object, name: str) -> list[str]:
    """Returns several ids as text.

    Args:
        values: A list, tuple, array, Series, Index or set-like collection of ids.
        name: What the caller calls them, for the messages.

    Raises:
        InvalidInput: When `values` is a lone text or number, or one of them is no id.

    Example:

    >>> id_list([1, "b", 3.0], "item_ids")
    ['1', 'b', '3']
    """
    if isinstance(values, pd.DataFrame):
        raise InvalidInput(
            f"`{name}` must be a list of ids. Received: a DataFrame with the columns "
            f"{', '.join(map(str, values.columns))}; pass one of them, such as "
            f"frame[{str(next(iter(values.columns), 'item_id'))!r}]."
        )
    if isinstance(values, (str, bytes, dict)) or not isinstance(values, Iterable):
        raise InvalidInput(
            f"`{name}` must be a list of ids. Received: {values!r:.80}. "
            f"For one id, write [{values!r:.40}]."
        )
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InvalidInput(
            f"`{name}` must be a list of ids. Received: an array of shape {values.shape}."
        )
    texts = []
    for place, value in enumerate(values):
        try:
            texts.append(id_text(value))
        except InvalidInput as error:
            raise InvalidInput(f"`{name}`, position {place}: {error}") from None
    return texts


def _checked_text(value: str) -> str:
    if not value.strip():
        raise InvalidInput(f"An id must not be blank. Received: {value!r}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"An id must be valid Unicode. Received: {value!r}.") from error
    return value.partition(".")[0] if _WHOLE.fullmatch(value) else value


def _whole_float(value: float | np.floating) -> str:
    if not np.isfinite(value):
        raise InvalidInput(f"An id must not be missing. Received: {value!r}.")
    if value != np.floor(value):
        raise InvalidInput(_fraction(value))
    # Beyond this, neighboring whole numbers are one float: 2**53 for float64.
    exact = 2 ** (np.finfo(np.asarray(value).dtype).nmant + 1)
    if abs(value) >= exact:
        raise InvalidInput(
            f"An id must be exact, and {np.asarray(value).dtype} holds whole numbers only below "
            f"{exact:,}. Received: {value!r}. Read the column as text or int64, e.g. "
            'with dtype="string".'
        )
    return str(int(value))


def _fraction(value: object) -> str:
    return (
        f"An id must be text or a whole number. Received: {value!r}, a number with a fraction. "
        "Convert it with `str`, if this is an id."
    )
