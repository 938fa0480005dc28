"""A query tower and a candidate tower: from a user and a history to a query, from items to rows.

Annotations are evaluated here: the documentation reads those of subclasses in other modules.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.table import Table


@dataclass(frozen=True, eq=False)
class Towers:
    """The layers of two towers, and how they are put together.

    Attributes:
        candidate_tower: Vectors of items.
        query_tower: Encodes a history of item rows; None for a query that reads none.
        user_tower: Vectors of users, added to the query; None for a query that reads none.
        user_dropout: On the users' vectors.
        frozen_items: Item rows computed beforehand, which are read instead of the candidate tower.
    """

    candidate_tower: Table
    query_tower: HistoryEncoder | None = None
    user_tower: keras.layers.Layer | None = None
    user_dropout: keras.layers.Dropout | None = None
    frozen_items: ItemTower | None = None

    def item_rows(self, index: Any) -> Any:
        """`index.shape + (size,)` rows of items, as queries are compared with them."""
        return (self.frozen_items or self.candidate_tower)(index)

    def catalog(self, anchor: Any = None) -> Any:
        """`(num_items, size)` rows of all items; `anchor` as of `Table.all_rows`."""
        return (self.frozen_items or self.candidate_tower).all_rows(anchor=anchor)

    def query(self, inputs: dict[str, Any], rows: Any, last: bool = False) -> Any:
        """Makes queries.

        Args:
            inputs: `history (batch, steps)` and `user_id (batch,)`, where they are read.
            rows: `(batch, steps, size)` item rows of the history; None without one.
            last: Whether only the query after the whole history is wanted.

        Returns:
            `(batch, steps, size)` for a history, else, or with `last`, `(batch, size)`.
        """
        query = None
        if self.query_tower is not None:
            query = self.query_tower(rows, inputs["history"] > 0)
            query = query[:, -1] if last else query
        if self.user_tower is None or self.user_dropout is None:
            return query
        user = self.user_dropout(self.user_vectors(inputs["user_id"]))
        if query is None:
            return user
        return query + (user if last else ops.expand_dims(user, 1))

    def user_vectors(self, user_id: Any) -> Any:
        """`(batch, dim)`."""
        assert self.user_tower is not None
        return self.user_tower(user_id)

    def weighted(self, query: Any) -> Any:
        """The query with the terms of its product weighted, in models that can weight them."""
        return query

    def with_frozen_items(self, vectors: np.ndarray) -> Self:
        """The same towers over item rows `(num_items, size)` that do not change."""
        return replace(self, frozen_items=ItemTower.of(vectors))

    def without_users(self) -> Self:
        """The same towers with no rows of users but the OOV one, at index 0."""
        return self
