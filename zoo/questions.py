"""Questions to a model, checked by one rule at every entry point: users, items, counts, texts."""

from __future__ import annotations

import numbers
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.ids import id_list, id_text
from zoo.near_misses import near_misses


def checked_k(k: object, num_items: int | None = None, name: str = "k") -> int:
    """Returns how many answers are wanted.

    Args:
        k: A whole number of Python or NumPy.
        num_items: The most that there can be; no limit by default.
        name: What the caller calls it, for the messages.

    Raises:
        InvalidInput: When `k` is no whole number, or out of range.

    Example:

    >>> checked_k(np.int64(3), num_items=20)
    3
    """
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, numbers.Integral):
        raise InvalidInput(
            f"`{name}` must be a whole number, such as 10. Received: {k!r:.60}, "
            f"of the type {type(k).__name__}."
        )
    k = int(k)
    if k < 1 or (num_items is not None and k > num_items):
        most = "" if num_items is None else " and at most the number of items"
        have = "" if num_items is None else f", {num_items} items"
        raise InvalidInput(f"`{name}` must be at least 1{most}. Received: {name}={k}{have}.")
    return k


def checked_text(text: object, name: str = "text") -> str:
    """Returns a text query.

    Args:
        text: A string with something in it.
        name: What the caller calls it, for the messages.

    Raises:
        InvalidInput: When `text` is no string, blank or no valid Unicode.

    Example:

    >>> checked_text("a western with gunfighters")
    'a western with gunfighters'
    """
    if not isinstance(text, str):
        hint = ""
        if isinstance(text, bytes):
            hint = " Decode it first."
        elif isinstance(text, Iterable):
            hint = " Ask with one query at a time."
        raise InvalidInput(
            f"`{name}` must be one string. Received: {text!r:.60}, "
            f"of the type {type(text).__name__}.{hint}"
        )
    if not text.strip():
        raise InvalidInput(f"`{name}` is empty. Say in a few words what is looked for.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"`{name}` must be valid Unicode. Received: {text!r:.60}.") from error
    return str(text)


def checked_id(value: object, name: str) -> str:
    """Returns one id as text; see `tfrec_fusion.ids.id_text`.

    Args:
        value: Text or a whole number of any type.
        name: What the caller calls it, for the messages.

    Raises:
        InvalidInput: When `value` is no id.

    Example:

    >>> checked_id(7.0, "user_id")
    '7'
    """
    try:
        return id_text(value)
    except InvalidInput as error:
        raise InvalidInput(f"`{name}`: {error}") from None


def asked_users(user_id: object) -> tuple[list[str], bool]:
    """Returns the users of a question, and whether they came as a list.

    Args:
        user_id: One id; or a list, tuple, array, Series or Index of them; or a DataFrame with a
            column `user_id`.

    Raises:
        InvalidInput: When one of them is no id, or a DataFrame has no such column.

    Example:

    >>> asked_users(7.0), asked_users([7, "b"])
    ((['7'], False), (['7', 'b'], True))
    """
    if isinstance(user_id, pd.DataFrame):
        if list(user_id.columns).count("user_id") != 1:
            hint = "Rename the column of the users."
            if "user_id" in user_id.index.names:
                hint = "Turn the index into a column by `reset_index()`."
            raise InvalidInput(
                "A DataFrame of users needs one column `user_id`. Received: the columns "
                f"{', '.join(map(repr, user_id.columns)) or '(none)'}. {hint}"
            )
        user_id = user_id["user_id"]
    single = isinstance(user_id, (str, bytes, dict)) or not isinstance(user_id, Iterable)
    if single or (isinstance(user_id, np.ndarray) and user_id.ndim == 0):
        return [checked_id(user_id, "user_id")], False
    return id_list(user_id, "user_id"), True


def checked_history(items: object, name: str) -> list[object]:
    """Returns the items of one person as they were given, oldest first; at least one.

    Args:
        items: A list, tuple, array, Series or Index of ids.
        name: What the caller calls it, for the messages.

    Raises:
        InvalidInput: When `items` is no list, is empty, has no order, or holds what is no id.

    Example:

    >>> checked_history((1, "Toy Story"), "history")
    [1, 'Toy Story']
    """
    if isinstance(items, (set, frozenset)):
        raise InvalidInput(
            f"`{name}` must be a list, oldest item first; a set has no order. "
            f"Received: {items!r:.60}."
        )
    if isinstance(items, Iterable) and not isinstance(items, Collection):
        items = list(items)  # an iterator can be read once
    if not id_list(items, name):
        raise InvalidInput(f"`{name}` is empty. Give the id of at least one item.")
    return list(items)  # type: ignore[call-overload]


def unknown_id(kind: str, name: str, ids: Sequence[str] | np.ndarray) -> InvalidInput:
    """Returns the error for an id that must be known.

    Args:
        kind: `"User"` or `"Item"`.
        name: The id.
        ids: The known ids; position 0 is the out-of-vocabulary one.
    """
    return InvalidInput(
        f"{kind} {name!r} is not known to the model of {len(ids) - 1:,} {kind.lower()}s."
        f"{near_misses([name], ids[1:])} Its ids look like {[str(one) for one in ids[1:4]]}."
    )


def folder_path(folder: object) -> Path:
    """Returns a path that a caller gave.

    Raises:
        WrongType: When it is none.
        InvalidInput: When it is empty, which would be the working directory.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise WrongType(
            "A run is given by the path of its folder, or by the name of a prebuilt model. "
            f"Received: {folder!r:.60}, of the type {type(folder).__name__}."
        )
    if not os.fspath(folder):
        raise InvalidInput("The path of a run folder is empty. For this folder, write '.'.")
    return Path(folder)
