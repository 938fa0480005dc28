"""Items given by id or by title."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cached_property

from tfrec_fusion.answer_warnings import listed, warn
from tfrec_fusion.data.tables.near_misses import plain_form
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.questions import checked_id
from tfrec_fusion.zoo.answers.near_misses import near_misses


class ItemTitles:
    """Finds the id of an item that somebody names.

    Args:
        ids: The ids of the catalog.
        titles: Their titles.

    Example:

    >>> films = ItemTitles(["1", "2"], ["Toy Story", "Heat"])
    >>> films.item_id("toy story", "item"), films.item_id(2.0, "item")
    ('1', '2')
    """

    def __init__(self, ids: Iterable[str], titles: Iterable[str]) -> None:
        self._titles = dict(zip(map(str, ids), map(str, titles), strict=True))

    def item_id(self, given: object, name: str) -> str:
        """Returns an id as it is, and the id of a title, whatever its case and blanks.

        A text that is an id and the title of another item is read as the id, with a warning.

        Args:
            given: An id, or a title.
            name: What the caller calls it, for the messages.

        Raises:
            InvalidInput: When it is neither, or the title of several items.
        """
        item_id = checked_id(given, name)
        title = given if isinstance(given, str) else item_id
        same = self._ids.get(_plain(title), [])
        if item_id in self._titles:
            if isinstance(given, str) and same and item_id not in same:
                warn(
                    f"{given!r} is read as an id, that of {self._titles[item_id]!r}. "
                    f"As a title it belongs to {listed(same)}: give that id to mean the title."
                )
            return item_id
        if len(same) > 1:  # perhaps they differ in case
            same = [one for one in same if self._titles[one] == title] or same
        if len(same) == 1:
            return same[0]
        if same:
            raise InvalidInput(
                f"{given!r} is the title of several items: {', '.join(same)}. Give the id of one."
            )
        hint = near_misses([item_id], self._titles)
        close = difflib.get_close_matches(title, self._titles.values(), n=3)
        if not hint and close:
            hint = f" Did you mean {', '.join(map(repr, close))}?"
        raise InvalidInput(f"{given!r} is neither an id nor a title of the catalogue.{hint}")

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        """Ids by title, without the differences that are hard to see."""
        found: dict[str, list[str]] = {}
        for item_id, title in self._titles.items():
            found.setdefault(_plain(title), []).append(item_id)
        return found


def _plain(title: str) -> str:
    return plain_form(title).casefold()
