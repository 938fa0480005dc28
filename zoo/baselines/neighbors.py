"""Neighborhood models: what people like you took, or what goes with what you took.

User-kNN after Resnick et al., "GroupLens", CSCW 1994; item-kNN after Sarwar et al., "Item-based
Collaborative Filtering Recommendation Algorithms", WWW 2001. With `x` and `y` two rows (users, or
items' columns), of `n` cells,

    cosine  = x.y / (|x| |y| + shrink)
    pearson = (x.y - sum(x) sum(y) / n) / (|x - mean(x)| |y - mean(y)| + shrink)

and only the `k` largest positive similarities of a row are kept. Similarities are computed a block
of rows at a time, so memory does not grow with the square of the number of rows.

`benchmarks/quality.py` measures item-kNN (cosine, k = 300, shrink = 10) beside the other models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain, histories
from tfrec_fusion.zoo.spec import ModelSpec, itself, option

if TYPE_CHECKING:
    import scipy.sparse as sp

    from tfrec_fusion.data.events import Events

BLOCK_CELLS = 2**23  # similarities held at a time
SIMILARITIES = ("cosine", "pearson")


@dataclass
class _Neighbors(MatrixChain):
    """The hyperparameters that both models have."""

    former_matrices: ClassVar[Mapping[str, str]] = {"neighbours": "neighbors"}
    k: int = option(300, "neighbors kept")
    shrink: float = option(10.0, "added to the similarity's denominator: distrusts overlap")
    similarity: str = option("cosine", "similarity of two rows", choices=SIMILARITIES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k < 1:
            raise InvalidInput(f"`k` must be at least 1. Received: k={self.k}.")
        if self.shrink < 0:
            raise InvalidInput(f"`shrink` must be 0 or more. Received: shrink={self.shrink}.")
        if self.similarity not in SIMILARITIES:
            raise InvalidInput(
                f"`similarity` must be one of {', '.join(SIMILARITIES)}. "
                f"Received: {self.similarity!r}."
            )

    def _nearest(self, rows: sp.csr_matrix) -> sp.csr_matrix:
        return nearest(rows, k=self.k, shrink=self.shrink, similarity=self.similarity)


@dataclass
class ItemKNN(_Neighbors):
    """An item's score is the sum of its similarities to the user's items, if among its nearest.

    `similar` returns an item's own nearest items.

    Attributes:
        k: Neighbors kept for each item; all of them where there are fewer.
        shrink: Added to the denominator; lowers similarities that rest on few users.
        similarity: `"cosine"` or `"pearson"`, over who has the items.

    Example:

    >>> ItemKNN(k=50).similarity
    'cosine'
    """

    score_chain: ClassVar[tuple[str, ...]] = ("known", "weights")
    similar_chain: ClassVar[tuple[str, ...]] = ("neighbors",)

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Finds each item's nearest items; see `MatrixChain.fit`."""
        known = histories(events)
        neighbors = self._nearest(known.T.tocsr())
        return self._keep(known=known, weights=neighbors.T.tocsr(), neighbors=neighbors)


@dataclass
class UserKNN(_Neighbors):
    """An item's score is the sum of the similarities of the user's neighbors who have it.

    `similar` returns the cosine of the items' columns: how far the same users took both.

    Attributes:
        k: Neighbors kept for each user; all of them where there are fewer.
        shrink: Added to the denominator; lowers similarities that rest on few items.
        similarity: `"cosine"` or `"pearson"`.
        use_ratings: Whether rows hold ratings (0 where there is none) rather than ones, in the
            similarities and in the neighbors' votes.

    Example:

    >>> UserKNN(similarity="pearson").k
    100
    """

    k: int = option(100, "neighbours kept")
    use_ratings: bool = option(False, "weigh by ratings instead of by ones")

    score_chain: ClassVar[tuple[str, ...]] = ("neighbors", "votes")
    similar_chain: ClassVar[tuple[str, ...]] = ("items_to_users", "users_to_items")
    similar_holds_users: ClassVar[bool] = True

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Finds each user's nearest users; see `MatrixChain.fit`."""
        import scipy.sparse as sp

        known = histories(events)
        votes = events.matrix(events.rating).multiply(known).tocsr() if self.use_ratings else known
        unit = known @ sp.diags(1 / np.sqrt(np.maximum(_sums(known.T), 1)).astype(np.float32))
        return self._keep(
            neighbors=self._nearest(votes),
            votes=votes,
            items_to_users=unit.T.tocsr(),
            users_to_items=unit.tocsr(),
        )


def nearest(
    rows: sp.csr_matrix, *, k: int, shrink: float = 0.0, similarity: str = "cosine"
) -> sp.csr_matrix:
    """The `k` most similar other rows of every row; ties go to the smaller number.

    Args:
        rows: `(num_rows, num_cells)` CSR.
        k: Similarities kept in each row, fewer where fewer are positive.
        shrink: Added to the denominator.
        similarity: `"cosine"` or `"pearson"`.

    Returns:
        `(num_rows, num_rows)` float32 CSR of similarities, the diagonal empty.
    """
    import scipy.sparse as sp

    num_rows, num_cells = rows.shape
    total, square = _sums(rows), _sums(rows.multiply(rows).tocsr())
    center = np.zeros_like(total) if similarity == "cosine" else total / np.sqrt(num_cells)
    length = np.sqrt(np.maximum(square - center**2, 0))  # (num_rows,)
    other = rows.T.tocsr()
    block = max(1, BLOCK_CELLS // num_rows)
    kept = []
    for start in range(0, num_rows, block):
        part = slice(start, start + block)
        dot = (rows[part] @ other).toarray().astype(np.float64)  # (block, num_rows)
        dot -= center[part, None] * center[None, :]
        norm = length[part, None] * length[None, :] + shrink
        alike = np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0)
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = 0
        kept.append(_largest(alike.astype(np.float32), min(k, num_rows)))
    return sp.vstack(kept, format="csr")


def _largest(alike: np.ndarray, k: int) -> sp.csr_matrix:
    """The `k` largest positive cells of each row."""
    import keras
    import scipy.sparse as sp

    values, columns = map(keras.ops.convert_to_numpy, keras.ops.top_k(alike, k))  # (rows, k)
    row = np.repeat(np.arange(len(alike)), k)
    positive = values.ravel() > 0
    cells = (values.ravel()[positive], (row[positive], columns.ravel()[positive]))
    return sp.csr_matrix(cells, shape=alike.shape)


def _sums(rows: sp.csr_matrix) -> np.ndarray:
    return np.asarray(rows.sum(axis=1), np.float64).ravel()


USER_KNN = ModelSpec("user_knn", "items of similar users (cosine or Pearson)", UserKNN, itself)
ITEM_KNN = ModelSpec("item_knn", "items with many users in common", ItemKNN, itself)
SPECS = (USER_KNN, ITEM_KNN)
