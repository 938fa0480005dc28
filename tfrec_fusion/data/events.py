"""Interactions as index arrays, in each user's order of time: what batches are cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class Events:
    """What users did, one row an event, sorted by (user, timestamp, item).

    Attributes:
        user: User indices, `(num_events,)` int32.
        item: Item indices, `(num_events,)` int32.
        rating: Ratings, `(num_events,)` float32; 1 where the table has none.
        timestamp: Seconds, `(num_events,)` int64; 0 where the table has none.
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
        text: What users wrote, `(num_events,)` strings; None where the table has none.
    """

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    timestamp: np.ndarray
    num_users: int
    num_items: int
    text: np.ndarray | None = None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, users: Vocabulary, items: Vocabulary) -> Events:
        """Indexes a table of interactions.

        Args:
            frame: Columns `user_id`, `item_id`; optional `rating`, `timestamp`, `text`.
            users: Vocabulary of the users; ids outside it become user 0.
            items: Vocabulary of the items; ids outside it become item 0.
        """
        n = len(frame)
        user, item = users.index(frame["user_id"]), items.index(frame["item_id"])
        rating = frame["rating"].to_numpy(np.float32) if "rating" in frame else np.ones(n, "f4")
        time = frame["timestamp"].to_numpy(np.int64) if "timestamp" in frame else np.zeros(n, "i8")
        order = np.lexsort((item, time, user))
        text = frame["text"].to_numpy(object)[order] if "text" in frame else None
        columns = (user[order], item[order], rating[order], time[order])
        return cls(*columns, len(users), len(items), text)

    def __len__(self) -> int:
        return len(self.user)

    @property
    def row_splits(self) -> np.ndarray:
        """`(num_users + 1,)` int64: user `u` owns the rows `row_splits[u]:row_splits[u + 1]`."""
        return np.searchsorted(self.user, np.arange(self.num_users + 1)).astype(np.int64)

    @property
    def item_counts(self) -> np.ndarray:
        """`(num_items,)` int64: how many events each item has."""
        return np.bincount(self.item, minlength=self.num_items).astype(np.int64)

    def matrix(self, values: np.ndarray | None = None) -> sp.csr_matrix:
        """`(num_users, num_items)` float32 CSR of `values` (ones by default), one cell a pair.

        A pair that occurs more than once keeps its last value.
        """
        cells = np.ones(len(self), np.float32) if values is None else values.astype(np.float32)
        key = self.user.astype(np.int64) * self.num_items + self.item
        _, last = np.unique(key[::-1], return_index=True)
        last = len(self) - 1 - last
        shape = (self.num_users, self.num_items)
        return sp.csr_matrix((cells[last], (self.user[last], self.item[last])), shape=shape)

    def tie_shuffled(self, seed: int) -> np.ndarray:
        """A row order that keeps (user, timestamp) but shuffles events of the same second.

        Many logs stamp a whole page of ratings with one time; leaving such ties in item order
        would let a sequence model learn the site's listing instead of the user.

        Returns:
            `(num_events,)` int64 positions.
        """
        noise = np.random.default_rng(seed).random(len(self))
        return np.lexsort((noise, self.timestamp, self.user))

    def histories(self, length: int, seed: int = 0) -> np.ndarray:
        """Every user's last `length` items, oldest first, right-aligned, 0 where there is none.

        Returns:
            `(num_users, length)` int32.

        Raises:
            ValueError: When `length` is below 1.
        """
        if length < 1:
            raise InvalidInput(f"`length` must be at least 1. Received: length={length}.")
        items = self.item[self.tie_shuffled(seed)]
        end = self.row_splits[1:, None]
        position = end - np.arange(length, 0, -1)[None, :]  # (num_users, length)
        valid = position >= self.row_splits[:-1, None]
        if not len(self):
            return np.zeros((self.num_users, length), np.int32)
        return np.where(valid, items[np.maximum(position, 0)], 0).astype(np.int32)
