"""A knowledge graph inside a model and trained with it: what it says of items."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.graph import NeighborAttention, TripleScores
from tfrec_fusion.layers.table import Table
from tfrec_fusion.saved_classes import renamed_keys


@keras.saving.register_keras_serializable("tfrec_fusion")
class KnowledgeTable(Table):
    """Items' vectors from their neighbors in a graph, and the loss of the graph's triples.

    In training each call draws triples of the graph, each with corrupted tails, and adds
    `triple_weight · cross-entropy of the true tail among them` to the model's loss (`add_loss`),
    so that `model.fit` trains the graph jointly with whatever reads it. The entities are moved by
    the triples alone: a recommender that moved them too would learn its events by heart through
    them.

    Args:
        num_rows: Items, the unseen index 0 included; entities with a smaller index are the items.
        num_entities: Items and other entities.
        num_relations: Relations, inverse ones included.
        num_edges: Triples whose head is an item.
        dim: Size of the vectors.
        num_neighbors: Most neighbors that are read.
        score: `"translation"` or `"bilinear"`, see `TripleScores`.
        triple_weight: Of the triples' loss; 0 for none, the entities stay as they were drawn then.
        num_triples: Triples drawn in a step.
        num_corrupted: Wrong tails of each.
        dropout: Share of the vectors that are zeros in training, as of items without triples.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        index: Item indices of any shape.
        catalog: Whether to return every row's vector; see `all_rows`.
        return_evidence: As in `NeighborAttention`.
        without: As in `NeighborAttention`.

    Returns:
        `index.shape + (dim,)`, or `(num_rows, dim)` with `catalog`; zeros for an item without
        triples. With `return_evidence` as `NeighborAttention`.

    Raises:
        ValueError: For sizes out of range.

    Example:

    >>> table = KnowledgeTable(3, num_entities=5, num_relations=1, num_edges=2, dim=4)
    >>> table.set_edges([0, 0, 2, 2], relation=[0, 0], tail=[3, 4])
    >>> table(np.array([1, 2])).shape
    TensorShape([2, 4])
    """

    def __init__(
        self,
        num_rows: int,
        num_entities: int,
        num_relations: int,
        num_edges: int,
        dim: int,
        num_neighbors: int = 16,
        score: str = "translation",
        triple_weight: float = 1.0,
        num_triples: int = 1024,
        num_corrupted: int = 8,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_entities < num_rows or min(num_relations, dim, num_triples, num_corrupted) < 1:
            raise InvalidInput(
                "`num_entities` must be at least `num_rows`, and the other numbers positive. "
                f"Received: num_entities={num_entities}, num_rows={num_rows}, "
                f"num_relations={num_relations}, dim={dim}, num_triples={num_triples}, "
                f"num_corrupted={num_corrupted}."
            )
        if not 0 <= dropout < 1:
            raise InvalidInput(f"`dropout` must be from 0 to below 1. Received: {dropout}.")
        if not triple_weight >= 0:
            raise InvalidInput(f"`triple_weight` must not be negative. Received: {triple_weight}.")
        self.num_rows, self.num_entities, self.num_relations = num_rows, num_entities, num_relations
        self.num_edges, self.dim, self.num_neighbors = num_edges, dim, num_neighbors
        self.score, self.triple_weight = score, triple_weight
        self.num_triples, self.num_corrupted = num_triples, num_corrupted
        self.dropout = dropout
        self.attention = NeighborAttention(
            num_rows, num_edges, num_neighbors, dtype=self.dtype_policy, name="attention"
        )
        self.triples = TripleScores(score, dtype=self.dtype_policy, name="triples")
        self.seeds = keras.random.SeedGenerator()
        start = keras.initializers.RandomNormal(stddev=dim**-0.5)
        self.entities = self.add_weight(
            name="embeddings", shape=(num_entities, dim), initializer=start
        )
        self.relations = self.add_weight(
            name="relations", shape=(num_relations, 2 * dim), initializer=_one_and_zero
        )

    def build(self, index_shape: Any) -> None:
        """Nothing more to make."""
        self.built = True

    def set_edges(self, starts: Any, relation: Any, tail: Any) -> None:
        """Sets the graph; see `NeighborAttention.set_edges`.

        Raises:
            ValueError: When a shape differs or an index is out of range.
        """
        for name, values, size in (
            ("relation", relation, self.num_relations),
            ("tail", tail, self.num_entities),
        ):
            if np.size(values) and not 0 <= np.min(values) <= np.max(values) < size:
                raise InvalidInput(
                    f"`{name}` must be indices below {size}. Received: {np.min(values)} to "
                    f"{np.max(values)}."
                )
        self.attention.set_edges(starts, relation, tail)

    def call(
        self,
        index: Any,
        catalog: bool = False,
        return_evidence: bool = False,
        without: Any = None,
        training: bool | None = None,
    ) -> Any:
        """Computes what the class describes."""
        entities, relations = (
            ops.cast(ops.convert_to_tensor(one), self.compute_dtype)
            for one in (self.entities, self.relations)
        )
        if training and self.triple_weight:
            self.add_loss(self.triple_weight * self.triple_loss(entities, relations))
        found = self.attention(
            index,
            ops.stop_gradient(entities),
            relations,
            catalog=catalog,
            return_evidence=return_evidence,
            without=without,
            training=training,
        )
        if not training or not self.dropout:
            return found
        vector, *evidence = found if return_evidence else (found,)
        drawn = keras.random.uniform(ops.shape(vector)[:-1], seed=self.seeds)
        vector = vector * ops.cast(drawn >= self.dropout, vector.dtype)[..., None]
        return (vector, *evidence) if return_evidence else vector

    def triple_loss(self, entities: Any, relations: Any) -> Any:
        """Mean cross-entropy of true tails among corrupted ones, over newly drawn triples."""
        size = (self.num_triples,)
        edge = self._drawn(size, self.num_edges)
        wrong = self._drawn((*size, self.num_corrupted), self.num_entities - 1) + 1
        # Item `i` has the edges starts[i] to starts[i + 1]: its number is how many begin by then.
        head = ops.searchsorted(self.attention.starts, edge, side="right") - 1
        relation = ops.take(self.attention.relation, edge, axis=0)
        tails = ops.concatenate([ops.take(self.attention.tail, edge)[:, None], wrong], axis=1)
        scores = self.triples(
            ops.take(entities, head, axis=0)[:, None],
            ops.take(relations, relation, axis=0)[:, None],
            ops.take(entities, tails, axis=0),
        )  # (num_triples, 1 + num_corrupted), the true tail first
        scores = ops.cast(scores, "float32")
        return ops.mean(ops.logsumexp(scores, axis=1) - scores[:, 0])

    def _drawn(self, shape: tuple[int, ...], below: int) -> Any:
        return keras.random.randint(shape, 0, below, seed=self.seeds)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = (
            *("num_rows", "num_entities", "num_relations", "num_edges", "dim", "num_neighbors"),
            *("score", "triple_weight", "num_triples", "num_corrupted", "dropout"),
        )
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Builds the layer of a config; version 0.1 spelled a name in British."""
        return super().from_config(renamed_keys(config, {"num_neighbours": "num_neighbors"}))


def _one_and_zero(shape: Any, dtype: Any = None) -> Any:
    """Scales of 1 and shifts near 0: at the start a relation says nothing."""
    scale = ops.ones((shape[0], shape[1] // 2), dtype)
    return ops.concatenate([scale, 0.1 * keras.random.normal(scale.shape, dtype=dtype)], axis=1)
