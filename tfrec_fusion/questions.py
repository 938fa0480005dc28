"""Arguments of questions to a model, checked by one rule at every entry point."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Iterable

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list, id_text


def checked_id(value: object, name: str, several: str = "") -> str:
    """Returns one id as text; see `tfrec_fusion.ids.id_text`.

    Args:
        value: Text or a whole number of any type.
        name: What the caller calls it, for the messages.
        several: A sentence for who gives a list: how to ask about several at once.

    Raises:
        InvalidInput: When `value` is no id.

    Example:

    >>> checked_id(7.0, "user_id")
    '7'
    """
    try:
        return id_text(value)
    except InvalidInput as error:
        is_list = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
        hint = f" {several}" if several and is_list else ""
        raise InvalidInput(f"`{name}`: {error}{hint}") from None


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
        raise InvalidInput(f"`{name}` is empty. Give at least one word.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"`{name}` must be valid Unicode. Received: {text!r:.60}.") from error
    return str(text)
