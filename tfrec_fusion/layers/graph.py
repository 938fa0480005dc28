"""Knowledge graphs in a model: attention over an item's neighbors, and scores of triples."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision
from tfrec_fusion.saved_classes import formerly, renamed_keys

SCORES = ("translation", "bilinear")


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("NeighbourAttention")
class NeighborAttention(keras.layers.Layer):
    """Attention over the neighbors of an item in a graph, by their relations to it.

    `vector(i) = Σ_k softmax_k(tanh(e_i + b_r) · (s_r * e_k)) (s_r * e_k)` over neighbors `k`
    with relation `r` (attention of KGAT: Wang et al. 2019, with a diagonal matrix `s_r` a
    relation). Of a node with many neighbors, `num_neighbors` are drawn in training, and as many
    spread evenly over its list are read otherwise, so the cost does not grow with the graph.

    Args:
        num_rows: Items, the unseen index 0 included.
        num_edges: Triples whose head is an item.
        num_neighbors: Most neighbors that are read.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        index: Item indices of any shape.
        entities: `(num_entities, dim)`, the items' first.
        relations: `(num_relations, 2 * dim)`, scale and shift of each relation.
        catalog: Whether to return every row's vector instead of those of `index`.
        return_evidence: Whether to return what was read, too.
        without: Entity indices, broadcast to `index.shape + (any number,)`, 0 for none: those
            neighbors are set aside, as though the item had only the others that are read.

    Returns:
        `index.shape + (dim,)`, or `(num_rows, dim)` with `catalog`; zeros without neighbors.
        With `return_evidence` also weights, relation indices and entity indices, each
        `… + (num_neighbors,)`.

    Raises:
        ValueError: For sizes out of range.

    Example:

    >>> layer = NeighborAttention(num_rows=3, num_edges=2, num_neighbors=4)
    >>> layer.set_edges([0, 0, 2, 2], relation=[0, 0], tail=[3, 4])
    >>> layer(np.array([1, 2]), np.ones((5, 6), "float32"), np.ones((1, 12), "float32")).shape
    TensorShape([2, 6])
    """

    def __init__(
        self, num_rows: int, num_edges: int, num_neighbors: int = 16, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_rows < 2 or num_edges < 1 or num_neighbors < 1:
            raise InvalidInput(
                "`num_rows` must be at least 2, `num_edges` and `num_neighbors` at least 1. "
                f"Received: num_rows={num_rows}, num_edges={num_edges}, "
                f"num_neighbors={num_neighbors}."
            )
        self.num_rows, self.num_edges = num_rows, num_edges
        self.num_neighbors = num_neighbors
        self.starts, self.relation, self.tail = (
            self.add_weight(
                name=name, shape=(size,), dtype="int32", initializer="zeros", trainable=False
            )
            for name, size in (
                ("starts", num_rows + 1),
                ("relation", num_edges),
                ("tail", num_edges),
            )
        )
        self.seeds = keras.random.SeedGenerator()

    def build(
        self, index_shape: Any, entities_shape: Any, relations_shape: Any, without_shape: Any = None
    ) -> None:
        """Nothing more to make."""
        self.built = True

    def set_edges(self, starts: Any, relation: Any, tail: Any) -> None:
        """Sets the graph.

        Args:
            starts: `(num_rows + 1,)`: item `i` has the edges `starts[i]` to `starts[i + 1]`.
            relation: `(num_edges,)` relation indices.
            tail: `(num_edges,)` entity indices.

        Raises:
            ValueError: When a shape differs, or `starts` does not rise from 0 to `num_edges`.
        """
        given = [np.asarray(one) for one in (starts, relation, tail)]
        expected = [(self.num_rows + 1,), (self.num_edges,), (self.num_edges,)]
        if [one.shape for one in given] != expected:
            raise InvalidInput(
                f"`starts`, `relation` and `tail` must have the shapes {expected}. "
                f"Received: {[one.shape for one in given]}."
            )
        if given[0][0] or given[0][-1] != self.num_edges or (np.diff(given[0]) < 0).any():
            raise InvalidInput(
                f"`starts` must rise from 0 to {self.num_edges}, the number of edges."
            )
        for weight, values in zip((self.starts, self.relation, self.tail), given, strict=True):
            weight.assign(values)

    def call(
        self,
        index: Any,
        entities: Any,
        relations: Any,
        catalog: bool = False,
        return_evidence: bool = False,
        without: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Computes what the class describes."""
        rows = ops.arange(self.num_rows) if catalog else index
        start = ops.take(self.starts, rows, axis=0)
        degree = ops.take(self.starts, rows + 1, axis=0) - start
        offset, there = self._chosen(degree, training)  # rows.shape + (num_neighbors,)
        edge = ops.clip(ops.expand_dims(start, -1) + offset, 0, self.num_edges - 1)
        relation, tail = ops.take(self.relation, edge, axis=0), ops.take(self.tail, edge, axis=0)
        if without is not None:
            aside = ops.equal(ops.expand_dims(tail, -1), ops.expand_dims(without, -2))
            there = ops.logical_and(there, ops.logical_not(ops.any(aside, axis=-1)))
        scale, shift = ops.split(ops.take(relations, relation, axis=0), 2, axis=-1)
        said = scale * ops.take(entities, tail, axis=0)  # rows.shape + (num_neighbors, dim)
        own = ops.expand_dims(ops.take(entities, rows, axis=0), -2)
        logits = ops.where(there, ops.sum(ops.tanh(own + shift) * said, axis=-1), -1e4)
        weights = ops.softmax(logits) * ops.cast(there, said.dtype)
        vector = ops.sum(ops.expand_dims(weights, -1) * said, axis=-2)
        return (vector, weights, relation, tail) if return_evidence else vector

    def _chosen(self, degree: Any, training: bool | None) -> tuple[Any, Any]:
        """Offsets of the neighbors that a row reads, and whether a place holds one."""
        degree = ops.expand_dims(degree, -1)
        place = ops.arange(self.num_neighbors) + ops.zeros_like(degree)
        share = (ops.cast(place, "float32") + 0.5) / self.num_neighbors
        if training:
            share = keras.random.uniform(ops.shape(place), seed=self.seeds)
        spread = ops.cast(share * ops.cast(degree, "float32"), "int32")
        many = degree > self.num_neighbors
        return ops.where(many, spread, place), ops.logical_or(many, place < degree)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("num_rows", "num_edges", "num_neighbors")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Builds the layer of a config; version 0.1 spelled a name in British."""
        return super().from_config(renamed_keys(config, {"num_neighbours": "num_neighbors"}))


@keras.saving.register_keras_serializable("tfrec_fusion")
class TripleScores(FullPrecision):
    """Scores triples by their vectors; higher is truer.

    `"translation"`: `-|head + shift - tail|²` (TransE: Bordes et al. 2013). `"bilinear"`:
    `Σ head * scale * tail` (DistMult: Yang et al. 2015).

    Args:
        kind: `"translation"` or `"bilinear"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        head: `(..., dim)`.
        relation: `(..., 2 * dim)`, scale and shift.
        tail: `(..., dim)`.

    Returns:
        `(...)`, higher is truer; float32 under any dtype policy.

    Raises:
        ValueError: For an unknown `kind`.

    Example:

    >>> head, tail, relation = np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), np.ones((1, 4))
    >>> TripleScores("translation")(head, relation, tail).numpy().tolist()
    [-1.0]
    """

    def __init__(self, kind: str = "translation", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in SCORES:
            raise InvalidInput(f"`kind` must be one of {', '.join(SCORES)}. Received: {kind!r}.")
        self.kind = kind

    def build(self, head_shape: Any, relation_shape: Any, tail_shape: Any) -> None:
        """Nothing to make."""
        self.built = True

    def call(self, head: Any, relation: Any, tail: Any) -> Any:
        """Computes what the class describes."""
        scale, shift = ops.split(relation, 2, axis=-1)
        if self.kind == "bilinear":
            return ops.sum(head * scale * tail, axis=-1)
        return -ops.sum(ops.square(head + shift - tail), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "kind": self.kind}
