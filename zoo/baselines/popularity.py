"""Popularity: everybody is offered what most people took.

The floor that every model has to clear; `benchmarks/quality.py` measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain, histories
from tfrec_fusion.zoo.spec import ModelSpec, itself

if TYPE_CHECKING:
    from tfrec_fusion.data.events import Events


@dataclass
class Popularity(MatrixChain):
    """An item's score is the number of users who have it, the same for everyone.

    Users never seen get these scores too.

    Example:

    >>> from tfrec_fusion.data.events import Events
    >>> events = Events(np.array([1, 1, 2]), np.array([1, 2, 2]), np.ones(3), np.zeros(3), 3, 3)
    >>> Popularity().fit(events).score(np.array([1])).tolist()
    [[0.0, 1.0, 2.0]]
    """

    score_chain: ClassVar[tuple[str, ...]] = ("everyone", "popularity")
    why_no_similar: ClassVar[str] = (
        "popularity has no notion of similar items; ask item_knn, ease or tfidf."
    )

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Counts each item's users; see `MatrixChain.fit`."""
        known = histories(events)
        counts = np.bincount(known.indices, minlength=events.num_items).astype(np.float32)
        return self._keep(
            everyone=np.ones((events.num_users, 1), np.float32), popularity=counts[None, :]
        )

    def score(self, user_indices: np.ndarray) -> np.ndarray:
        """As `MatrixChain.score`; one row that all users share, read-only."""
        self._check_fitted()
        counts = self._matrices["popularity"][0]
        return np.broadcast_to(counts, (len(user_indices), len(counts)))


SPEC = ModelSpec("popularity", "most popular items", Popularity, itself)
