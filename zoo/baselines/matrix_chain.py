"""What the baselines have in common: their scores are products of constant matrices.

A baseline names its matrices and the order in which they are multiplied; scoring, saving and the
Keras graph follow from that. With `X` the users' histories, for instance, popularity is
`ones @ counts`, EASE is `X @ B` and TF-IDF is `X @ T @ T'`.

The baselines' files import SciPy, pandas and Keras where they compute: the command line reads their
options in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

import numpy as np

from tfrec_fusion.argument_types import check_instance, check_types
from tfrec_fusion.errors import InvalidInput

if TYPE_CHECKING:
    import keras
    import scipy.sparse as sp

    from tfrec_fusion.data.events import Events

    Matrix: TypeAlias = np.ndarray | sp.csr_matrix

CSR_PARTS = ("data", "indices", "indptr")


@dataclass
class MatrixChain:
    """A recommender that is fitted by arithmetic and scores by multiplying matrices.

    A subclass is a dataclass whose fields are its hyperparameters; it implements `fit` and names
    its two chains. Index 0 of users and items means "unseen"; its scores are 0.
    """

    score_chain: ClassVar[tuple[str, ...]] = ()
    former_matrices: ClassVar[Mapping[str, str]] = {}  # names of matrices by those of version 0.1
    similar_chain: ClassVar[tuple[str, ...]] = ()
    why_no_similar: ClassVar[str] = ""
    similar_holds_users: ClassVar[bool] = False  # whether `similar_chain` goes through users

    def __post_init__(self) -> None:
        self._matrices: dict[str, Matrix] = {}
        self._layers: dict[str, keras.layers.Layer] = {}

    def fit(self, events: Events, item_texts: Sequence[str] | None = None) -> Self:
        """Computes the matrices from what users did.

        Args:
            events: The training events.
            item_texts: One text an item index, `num_items` of them, the one at 0 unused. Only
                TF-IDF reads them.

        Returns:
            The baseline itself, ready to score.

        Raises:
            ValueError: When there are no events of known users and items.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `fit`.")

    def score(self, user_indices: np.ndarray) -> np.ndarray:
        """Scores of all items for users, `(batch,)` → `(batch, num_items)` float32."""
        return self._multiply(self.score_chain, user_indices)

    def similar(self, item_indices: np.ndarray) -> np.ndarray:
        """How alike all items are to given ones, `(batch,)` → `(batch, num_items)` float32.

        An item's score with itself says nothing; leave it out of a list.

        Raises:
            ValueError: When the model has no notion of similar items.
        """
        if not self.similar_chain:
            raise InvalidInput(self.why_no_similar)
        return self._multiply(self.similar_chain, item_indices)

    def arrays(self) -> dict[str, np.ndarray]:
        """Hyperparameters and matrices as plain arrays, for `numpy.savez` without pickle."""
        self._check_fitted()
        arrays = {
            f"hyperparameter.{one.name}": np.asarray(getattr(self, one.name))
            for one in fields(self)
        }
        for name, matrix in self._matrices.items():
            if isinstance(matrix, np.ndarray):
                arrays[name] = matrix
                continue
            arrays[f"{name}.shape"] = np.asarray(matrix.shape)
            for part in CSR_PARTS:
                arrays[f"{name}.{part}"] = getattr(matrix, part)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The baseline that `arrays` came from.

        Raises:
            ValueError: When an array is missing, or the matrices do not fit together.
        """
        for former, name in cls.former_matrices.items():
            arrays = {
                name + key[len(former) :] if key.partition(".")[0] == former else key: one
                for key, one in arrays.items()
            }
        try:
            saved = {one.name: f"hyperparameter.{one.name}" for one in fields(cls)}
            # What an older version did not have yet is as it was then: the default.
            chosen = {own: arrays[name].item() for own, name in saved.items() if name in arrays}
            names = dict.fromkeys(cls.score_chain + cls.similar_chain)
            matrices = {name: _matrix_of(arrays, name) for name in names}
            check_types(fields(cls), chosen)
        except KeyError as missing:
            raise InvalidInput(
                f"{cls.__name__} cannot be read: the array {missing} is missing; "
                "was it saved by another model?"
            ) from None
        for chain in filter(None, (cls.score_chain, cls.similar_chain)):
            _check_chain(chain, matrices)
        return cls(**chosen)._keep(**matrices)

    def score_model(self, known: Events | None = None, frozen: bool = False) -> keras.Model:
        """The same scores as a graph: `{"user_id": (batch,) int32}` → `{"scores": …}`.

        Args:
            known: What users did by now, where the scores start from their histories; what the
                model was fitted on by default.
            frozen: No difference: a classic is constant.
        """
        chain = self
        if known is not None and "known" in self._matrices:
            now = histories(known, self._half_life)
            chain = replace(self)._keep(**(self._matrices | {"known": now}))
            # What is the same is one layer, so that an export holds it once.
            chain._layers = {name: self._layer(name) for name in self._matrices if name != "known"}
        return chain._graph(chain.score_chain, "user_id", "scores_of_users")

    def history_model(self) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": …}`, for people never seen.

        None where scores do not start from a user's items.
        """
        import keras

        from tfrec_fusion.layers.constant_matrix import PastItems

        self._check_fitted()
        if self.score_chain[0] != "known":
            return None
        num_items = self._matrices["known"].shape[1]
        history = keras.Input((None,), dtype="int32", name="history")
        scores = PastItems(num_items, self._half_life)(history)  # (batch, num_items)
        for matrix in self.score_chain[1:]:
            scores = self._layer(matrix)(scores)
        return keras.Model({"history": history}, {"scores": scores}, name="scores_of_histories")

    def similarity_model(self) -> keras.Model | None:
        """`similar` as a graph, `{"item_id": (batch,) int32}` → `{"scores": …}`, or None."""
        if not self.similar_chain:
            return None
        return self._graph(self.similar_chain, "item_id", "scores_of_items")

    @property
    def num_users(self) -> int:
        """Users that it was fitted on, the unseen one included."""
        self._check_fitted()
        return int(self._matrices[self.score_chain[0]].shape[0])

    @property
    def num_items(self) -> int:
        """Items that it was fitted on, the unseen one included."""
        self._check_fitted()
        return int(self._matrices[self.score_chain[-1]].shape[1])

    @property
    def _half_life(self) -> float:
        """Of a past item's weight, where scores start from a user's items; 0: all alike."""
        return 0.0

    def _keep(self, **matrices: Matrix) -> Self:
        self._matrices, self._layers = matrices, {}
        return self

    def _check_fitted(self) -> None:
        if not self._matrices:
            raise InvalidInput(
                f"{type(self).__name__} must be fitted first: call `fit(events)` before this."
            )

    def _multiply(self, chain: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
        self._check_fitted()
        product = self._matrices[chain[0]][np.asarray(rows)]
        for name in chain[1:]:
            product = product @ self._matrices[name]
        dense = product if isinstance(product, np.ndarray) else product.toarray()
        return np.asarray(dense, np.float32)

    def _graph(self, chain: tuple[str, ...], id_name: str, name: str) -> keras.Model:
        import keras

        self._check_fitted()
        ids = keras.Input((), dtype="int32", name=id_name)
        scores = ids
        for matrix in chain:
            scores = self._layer(matrix)(scores)
        return keras.Model({id_name: ids}, {"scores": scores}, name=name)

    def _layer(self, name: str) -> keras.layers.Layer:
        """One layer a matrix, shared by the two graphs so that neither holds a copy."""
        from tfrec_fusion.layers.constant_matrix import DenseMatrix, SparseMatrix

        if name not in self._layers:
            matrix = self._matrices[name]
            kind = DenseMatrix if isinstance(matrix, np.ndarray) else SparseMatrix
            self._layers[name] = kind.of(matrix, name=name)
        return self._layers[name]


def histories(events: Events, half_life: float = 0.0) -> sp.csr_matrix:
    """`(num_users, num_items)` float32 CSR of past items, events of index 0 left out.

    Args:
        events: What users did.
        half_life: A pair's cell is `2^(-later / half_life)`, with `later` the number of events
            that the user had after it, those of the same second not counted; 1 where it is 0.

    Raises:
        ValueError: When nothing is left.
    """
    from tfrec_fusion.data.events import Events

    check_instance(events, Events, "events", "`index_data(tables).train` is one.")
    seen = (events.user > 0) & (events.item > 0)
    weight = seen.astype(np.float32)
    if half_life:
        second = np.unique(events.timestamp, return_inverse=True)[1].astype(np.int64)
        moment = events.user * (second.max(initial=0) + 1) + second  # events are in this order
        later = events.row_splits[events.user + 1] - np.searchsorted(moment, moment, side="right")
        weight *= np.exp2(-later / half_life).astype(np.float32)
    matrix = events.matrix(weight)
    matrix.eliminate_zeros()
    if not matrix.nnz:
        raise InvalidInput(
            f"`events` must hold at least one event of a known user and item. Received: "
            f"{len(events)} events, {int(seen.sum())} of them of known users and items."
        )
    return matrix


def _matrix_of(arrays: Mapping[str, np.ndarray], name: str) -> Matrix:
    if f"{name}.indptr" not in arrays:
        matrix = arrays[name]
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            raise InvalidInput(
                f"{name} must be a matrix of numbers. Received: the shape {matrix.shape} of "
                f"{matrix.dtype}."
            )
        return matrix
    import scipy.sparse as sp

    parts = tuple(arrays[f"{name}.{part}"] for part in CSR_PARTS)
    shape = tuple(arrays[f"{name}.shape"].ravel().tolist())
    try:
        matrix = sp.csr_matrix(parts, shape=shape)
        matrix.check_format(full_check=True)  # or a product would read beyond its columns
    except (ValueError, TypeError, IndexError) as error:
        raise InvalidInput(f"{name} is no sound sparse matrix: {error}") from error
    return matrix


def _check_chain(chain: Sequence[str], matrices: Mapping[str, Matrix]) -> None:
    for left, right in pairwise(chain):
        shapes = matrices[left].shape, matrices[right].shape
        if shapes[0][1] != shapes[1][0]:
            raise InvalidInput(
                f"{left} and {right} must fit together. Received: {shapes[0]} and {shapes[1]}."
            )
