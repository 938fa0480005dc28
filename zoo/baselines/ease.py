"""EASE: the best linear item-item model, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. With `X` the binary users x
items matrix, the weights minimize `|X - X B|^2 + l2 |B|^2` under `diag(B) = 0`:

    P = (X'X + l2 I)^-1        B[i, j] = -P[i, j] / P[j, j],  B[j, j] = 0        scores = W B

`W` is `X`, or with a half-life `X` weighed by how long ago each event was, so that a list follows
what somebody does now; the item-item weights are the same.

`benchmarks/quality.py` measures it, `benchmarks/half_life.py` the half-life.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain, histories
from tfrec_fusion.zoo.spec import ModelSpec, itself, option

if TYPE_CHECKING:
    import scipy.sparse as sp

    from tfrec_fusion.data.events import Events
    from tfrec_fusion.zoo.baselines.matrix_chain import Matrix

BYTES_PER_CELL = 12  # float64 while inverting, float32 to keep


@dataclass
class EASE(MatrixChain):
    """Linear item-item weights; `similar` returns the row of an item in them.

    Attributes:
        l2: Strength of the ridge penalty, above 0.
        half_life: After how many later events of a user a past item counts half; 0: never.
        kept: Weights kept for each item, the largest in size; 0: all. Makes a large catalog's
            model small.
        memory_limit_gib: Refuses catalogs whose item-item matrices would need more than this.

    Example:

    >>> model = EASE(l2=100.0)
    >>> model.l2
    100.0
    """

    l2: float = option(200.0, "strength of the ridge penalty")
    half_life: float = option(0.0, "later events after which an item counts half; 0: never")
    kept: int = option(0, "largest weights kept for each item; 0: all")
    memory_limit_gib: float = option(4.0, "most memory (GiB) the item-item matrices may take")

    score_chain: ClassVar[tuple[str, ...]] = ("known", "weights")
    similar_chain: ClassVar[tuple[str, ...]] = ("weights",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.l2 < float("inf"):
            raise InvalidInput(f"`l2` must be above 0 and finite. Received: l2={self.l2}.")
        for name in ("half_life", "kept"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise InvalidInput(f"`{name}` must be 0 or more. Received: {name}={value}.")

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Inverts the regularised Gram matrix; see `MatrixChain.fit`.

        Raises:
            ValueError: When there are no events, or the catalog is too large for
                `memory_limit_gib`.
        """
        known = histories(events, self.half_life)
        self._check_memory(events.num_items)
        weights: Matrix = _ease_weights(histories(events), self.l2)
        if self.kept:
            weights = _largest(weights, self.kept)
        return self._keep(known=known, weights=weights)

    @property
    def _half_life(self) -> float:
        return self.half_life

    def fits_memory(self, num_items: int) -> bool:
        """Whether the matrices of a catalog of this size stay within `memory_limit_gib`."""
        return _needed_gib(num_items) <= self.memory_limit_gib

    def _check_memory(self, num_items: int) -> None:
        if not self.fits_memory(num_items):
            raise InvalidInput(
                "EASE needs dense matrices of num_items x num_items: "
                f"{_needed_gib(num_items):.1f} GiB for {num_items} items, more than "
                f"memory_limit_gib={self.memory_limit_gib:g}. "
                "Leave out rare items, use item_knn, or raise `memory_limit_gib`."
            )


def _needed_gib(num_items: int) -> float:
    return num_items**2 * BYTES_PER_CELL / 2**30


def _largest(weights: np.ndarray, kept: int) -> sp.csr_matrix:
    """The `kept` cells of each column that are largest in size, the others empty."""
    import scipy.sparse as sp

    if kept >= len(weights):
        return sp.csr_matrix(weights)
    size = np.abs(weights)
    least = np.partition(size, len(size) - kept, axis=0)[len(size) - kept]
    return sp.csr_matrix(np.where(size >= np.maximum(least, np.finfo("f4").tiny), weights, 0))


def _ease_weights(known: sp.csr_matrix, l2: float) -> np.ndarray:
    """`B` of this file's docstring, `(num_items, num_items)` float32."""
    import scipy.linalg

    gram = (known.T @ known).astype(np.float64).toarray(order="F")
    gram[np.diag_indices_from(gram)] += l2
    factor, lower = scipy.linalg.cho_factor(gram, lower=True, overwrite_a=True)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=lower, overwrite_c=True)
    diagonal = np.diag(inverse).copy()
    half = np.tril(inverse, -1).astype(np.float32)  # the other half of `inverse` is not filled in
    del gram, factor, inverse
    half += half.T
    half /= -diagonal.astype(np.float32)[None, :]
    return np.ascontiguousarray(half)


SPEC = ModelSpec("ease", "linear item-item model in closed form (Steck 2019)", EASE, itself)
