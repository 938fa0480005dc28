"""Items given by id or by title, in the forms in which people type titles."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from functools import cached_property

from tfrec_fusion.answer_warnings import SHOWN, listed, warn
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_id
from tfrec_fusion.zoo.answers.near_misses import near_misses
from tfrec_fusion.zoo.answers.title_forms import TitleForms, same_but_for_case, title_forms

_CLOSE = 3  # titles that a hint names


class ItemTitles:
    """Finds the ids of items that are named.

    Args:
        ids: The ids of the catalog.
        titles: Their titles.
        years: The year of each, where titles do not say it; "" for an unknown one.

    Example:

    >>> films = ItemTitles(["1", "2", "3"], ["Toy Story (1995)", "Heat", "Matrix, The (1999)"])
    >>> films.item_ids(["toy story", 2.0, "The Matrix"], "items")
    ['1', '2', '3']
    """

    def __init__(
        self, ids: Iterable[str], titles: Iterable[str], years: Iterable[str] | None = None
    ) -> None:
        self._titles = dict(zip(map(str, ids), map(str, titles), strict=True))
        self._years = dict(zip(self._titles, map(str, years or ()), strict=False))

    def item_ids(self, given: object, name: str) -> list[str]:
        """Returns the ids of several items, each given by id or title.

        Args:
            given: A list, tuple, array, Series, Index or set of them.
            name: What the caller calls it, for the messages.

        Raises:
            InvalidInput: When `given` is no list, or one of them is not found.
        """
        if isinstance(given, Iterable) and not isinstance(given, Collection):
            given = list(given)  # an iterator can be read once
        id_list(given, name)
        assert isinstance(given, Iterable)
        return [self.item_id(item, f"{name}[{at}]") for at, item in enumerate(given)]

    def item_id(self, given: object, name: str) -> str:
        """Returns an id as it is, and the id of a title.

        A title is found whatever its case, blanks, accents and punctuation, with its article in
        front or at the end or without it, with or without its year, and by a name that the catalog
        has in parentheses. What fits better is taken: the title as it is written first. A text
        that is an id and the title of another item is read as the id, with a warning.

        Args:
            given: An id, or a title.
            name: What the caller calls it, for the messages.

        Raises:
            InvalidInput: When it is neither, or the title of several items.
        """
        item_id = checked_id(given, name)
        title = given if isinstance(given, str) else item_id
        same = self._alike.get(same_but_for_case(title), [])
        if item_id in self._titles:
            if isinstance(given, str) and same and item_id not in same:
                warn(
                    f"{given!r} is read as an id, that of {self._titles[item_id]!r}. "
                    f"As a title it belongs to {listed(same)}: give that id to mean the title."
                )
            return item_id
        if len(same) > 1:  # perhaps they differ in case
            same = [each for each in same if self._titles[each] == title] or same
        same = same or self._typed(title_forms(title))
        if len(same) == 1:
            return same[0]
        if same:
            raise InvalidInput(
                f"{given!r} is the title of several items: {self._shown(same)}. Give the id of one."
            )
        hint = near_misses([item_id], self._titles) or self._hint(title)
        raise InvalidInput(f"{given!r} is neither an id nor a title of the catalog.{hint}")

    def _typed(self, asked: TitleForms) -> list[str]:
        """The items whose forms have a name that was typed; by the strongest kind that finds some.

        Where a year was typed, items of another one are not meant, and items of that year are
        meant before those without one.
        """
        for kind, names in (
            ("whole", asked.whole),
            ("names", asked.whole),
            ("names", asked.names[:1]),
            ("bare", asked.bare[:1]),
        ):
            having = self._forms[kind]
            ids = list(dict.fromkeys(each for name in names for each in having.get(name, ())))
            if asked.year is not None:
                of_year = [item_id for item_id in ids if self._year(item_id) == asked.year]
                ids = of_year or [item_id for item_id in ids if not self._year(item_id)]
            if ids:
                return ids
        return []

    def _year(self, item_id: str) -> str:
        return self._years.get(item_id, "") or title_forms(self._titles[item_id]).year or ""

    def _shown(self, ids: list[str]) -> str:
        """Ids with their titles, and the years that these do not say."""
        rows = []
        for item_id in ids[:SHOWN]:
            title, year = self._titles[item_id], self._years.get(item_id, "")
            rows.append(f"{item_id!r} ({title}{f', {year}' if year and year not in title else ''})")
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        return ", ".join(rows) + more

    def _hint(self, title: str) -> str:
        """Titles that begin with what was typed, or are nearly so."""
        asked = title_forms(title)
        name = (asked.names or asked.whole or (title,))[0]
        begun = [
            one
            for one, ids in self._forms["names"].items()
            if one.startswith(f"{name} ") and ids and len(name) > 1
        ]
        close = begun[:_CLOSE] or difflib.get_close_matches(name, self._forms["names"], n=_CLOSE)
        titles = list(
            dict.fromkeys(self._titles[one] for form in close for one in self._forms["names"][form])
        )[:_CLOSE]
        return f" Did you mean {', '.join(map(repr, titles))}?" if titles else ""

    @cached_property
    def _alike(self) -> dict[str, list[str]]:
        """Ids by title, without the differences that are hard to see."""
        found: dict[str, list[str]] = {}
        for item_id, title in self._titles.items():
            found.setdefault(same_but_for_case(title), []).append(item_id)
        return found

    @cached_property
    def _forms(self) -> dict[str, dict[str, list[str]]]:
        """Ids by kind of form and name."""
        kinds: dict[str, dict[str, list[str]]] = {"whole": {}, "names": {}, "bare": {}}
        for item_id, title in self._titles.items():
            forms = title_forms(title)
            for kind, found in kinds.items():
                for name in getattr(forms, kind):
                    found.setdefault(name, []).append(item_id)
        return kinds
