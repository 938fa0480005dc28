"""Lists in questions to a server, checked before they are sent."""

from __future__ import annotations

from collections.abc import Iterable

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_text


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


def checked_texts(values: object, name: str) -> list[str]:
    """Returns texts, each with a word in it.

    Args:
        values: A list, tuple, array, Series or Index of strings.
        name: What the caller calls them, for the messages.

    Raises:
        InvalidInput: When `values` is no list, or one of them is no such text.
    """
    if isinstance(values, str | bytes | dict) or not isinstance(values, Iterable):
        raise InvalidInput(
            f"`{name}` must be a list of strings. Received: {values!r:.60}. "
            f"For one text, write [{values!r:.40}]."
        )
    return [checked_text(one, f"{name}[{place}]") for place, one in enumerate(values)]
