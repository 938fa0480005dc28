"""Questions to a server, checked before they are sent: ids, lists of ids, texts and counts."""

from __future__ import annotations

import numbers
from collections.abc import Iterable

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list, id_text


def checked_id(name: str, value: object) -> str:
    """Returns one id as text.

    Args:
        name: What the caller calls it, for the messages.
        value: Text or a whole number of any type.

    Raises:
        InvalidInput: When `value` is no id.

    Example:

    >>> checked_id("user_id", 196.0)
    '196'
    """
    try:
        return id_text(value)
    except InvalidInput as error:
        hint = ""
        if isinstance(value, Iterable) and not isinstance(value, bytes | str):
            hint = f" For several at once, call `predict` with {{'{name}': [...]}}."
        raise InvalidInput(f"`{name}`: {error}{hint}") from None


def checked_history(name: str, values: object) -> list[str]:
    """Returns ids in their order, at least one.

    Args:
        name: What the caller calls them, for the messages.
        values: A list, tuple, array, Series or Index of ids.

    Raises:
        InvalidInput: When `values` is no list, is empty, has no order, or holds what is no id.

    Example:

    >>> checked_history("item_ids", [1, 2.0])
    ['1', '2']
    """
    if isinstance(values, set | frozenset):
        raise InvalidInput(
            f"`{name}` must be a list, oldest item first; a set has no order. "
            f"Received: {values!r:.60}."
        )
    ids = id_list(values, name)
    if not ids:
        raise InvalidInput(f"`{name}` is empty. Give the id of at least one item.")
    return ids


def checked_allow(values: object) -> list[str]:
    """Returns the ids of items that may be answered, at least one.

    Args:
        values: A list or a set of ids.

    Raises:
        InvalidInput: When `values` is no list, is empty, or holds what is no id.
    """
    ids = id_list(values, "allow")
    if not ids:
        raise InvalidInput(
            "`allow` is empty, so that no item could be answered. Leave it out to allow all items."
        )
    return ids


def checked_text(name: str, value: object) -> str:
    """Returns a text with a word in it.

    Args:
        name: What the caller calls it, for the messages.
        value: A string.

    Raises:
        InvalidInput: When `value` is no string, blank or no valid Unicode.

    Example:

    >>> checked_text("query", "robots who love")
    'robots who love'
    """
    if not isinstance(value, str):
        raise InvalidInput(
            f"`{name}` must be a string. Received: {value!r:.60}, of the type "
            f"{type(value).__name__}."
        )
    if not value.strip():
        raise InvalidInput(f"`{name}` must not be blank. Received: {value!r:.60}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f"`{name}` must be valid Unicode. Received: {value!r:.60}.") from error
    return str(value)


def checked_texts(name: str, values: object) -> list[str]:
    """Returns texts, each with a word in it.

    Args:
        name: What the caller calls them, for the messages.
        values: A list, tuple, array, Series or Index of strings.

    Raises:
        InvalidInput: When `values` is no list, or one of them is no such text.
    """
    if isinstance(values, str | bytes | dict) or not isinstance(values, Iterable):
        raise InvalidInput(
            f"`{name}` must be a list of strings. Received: {values!r:.60}. "
            f"For one text, write [{values!r:.40}]."
        )
    return [checked_text(f"{name}[{place}]", one) for place, one in enumerate(values)]


def checked_k(k: object) -> int:
    """Returns how many items are wanted.

    Args:
        k: A whole number of Python or NumPy.

    Raises:
        InvalidInput: When `k` is no whole number of at least 1.

    Example:

    >>> checked_k(np.int64(3))
    3
    """
    if isinstance(k, bool | np.bool_) or not isinstance(k, numbers.Integral) or k < 1:
        raise InvalidInput(
            f"`k` must be a whole number of at least 1, such as 10. Received: {k!r:.60}."
        )
    return int(k)
