"""The items that a model answers about: named by id or title, narrowed, and described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.answers.item_columns import ItemColumns
from tfrec_fusion.zoo.answers.item_titles import ItemTitles


@dataclass(frozen=True, eq=False)
class Catalog:
    """Items with their titles and further columns.

    Attributes:
        items: Vocabulary of the items.
        titles: `(num_items,)` titles in index order.
        columns: The catalog's further columns, such as genres.
    """

    items: Vocabulary
    titles: np.ndarray
    columns: ItemColumns

    @classmethod
    def of_run(
        cls,
        items: Vocabulary,
        titles: np.ndarray,
        table: pd.DataFrame | None,
        options: Mapping[str, Any],
    ) -> Catalog:
        """The catalog of a run.

        Args:
            items: Vocabulary of the items.
            titles: `(num_items,)` titles in index order.
            table: Its further columns, in index order without the OOV item; None for none.
            options: Its training options, which may name columns of labels and their separator.
        """
        if table is None:
            table = pd.DataFrame(index=range(len(items) - 1))
        separators: dict[str, str] = {}
        if joined_by := options.get("label_separator"):
            separators = dict.fromkeys(options.get("item_features", ()), joined_by)
        return cls(items, titles, ItemColumns(table, separators))

    @cached_property
    def names(self) -> ItemTitles:
        """Finds items by id or title."""
        return ItemTitles(self.items.ids[1:], self.titles[1:], self.columns.years)

    def candidates(
        self,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        where: Mapping[str, object] | None = None,
    ) -> np.ndarray | None:
        """Marks the items that may be answered.

        Args:
            exclude: Ids or titles of items that may not.
            allow: Ids or titles of the only ones that may; by default all.
            where: Values that an item must have, by column, see `ItemColumns.having`.

        Returns:
            `(num_items,)` bool; None where every item may be answered.

        Raises:
            InvalidInput: When an item, a column or a value is unknown, or `allow` is empty.
        """
        excluded = self.names.item_ids(exclude, "exclude")
        if not excluded and allow is None and not where:
            return None
        passing = np.arange(len(self.items)) > 0
        if where:
            passing &= self.columns.having(where)
        if allow is not None:
            allowed = self.names.item_ids(allow, "allow")
            if not allowed:
                raise InvalidInput(
                    "`allow` is empty, so that no item could be answered. Leave it out, or name "
                    "the items that may be."
                )
            passing &= np.isin(np.arange(len(passing)), self.items.index(allowed))
        passing[self.items.index(excluded)] = False
        return passing

    def described(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Answers with the catalog's further columns after their own."""
        further = self.columns.rows_of(self.items.index(answers["item_id"]))
        return pd.concat([answers, further], axis=1)
