"""A knowledge graph over the items of a catalog, as index arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec_fusion.data.graph_names import INVERSE, GraphNames
from tfrec_fusion.data.indexed import IndexedData
from tfrec_fusion.data.tables.validation import LINK
from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class Knowledge:
    """Triples between items and what they are linked to.

    Entity indices begin with the items': entity `i` is item `i` for `i < num_items`, 0 is nobody.
    Every triple is there in both directions, so a node's neighbors are the tails of its own.

    Attributes:
        num_items: Size of the item vocabulary, the unseen index 0 included.
        entities: `(num_entities,)` ids in the graph, the items' first, "" where there is none.
        relations: Names by relation index; inverse ones end in " (inverse)".
        head: `(num_triples,)` int32 entity indices, ascending.
        relation: `(num_triples,)` int32 relation indices.
        tail: `(num_triples,)` int32 entity indices.
        description: How much of the graph was kept.
    """

    num_items: int
    entities: np.ndarray
    relations: tuple[str, ...]
    head: np.ndarray
    relation: np.ndarray
    tail: np.ndarray
    description: str

    def __repr__(self) -> str:
        return f"Knowledge({self.description})"

    @property
    def names(self) -> GraphNames:
        """What entities and relations are called."""
        return GraphNames(tuple(self.entities.tolist()), self.relations)

    @property
    def starts(self) -> np.ndarray:
        """`(num_entities + 1,)` int32: node `i` has the triples `starts[i]` to `starts[i + 1]`."""
        counts = np.bincount(self.head, minlength=len(self.entities))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def knowledge_of(data: IndexedData, graph: pd.DataFrame, min_items: int = 2) -> Knowledge:
    """Links a graph to the items and keeps what says something about several of them.

    An item is the entity that its column `entity_id` names, or its own id where the catalog has
    no such column. Entities linked to fewer than `min_items` items tell items apart no better
    than the items' own ids do; they are left out, and counted in the description.

    Args:
        data: Vocabularies and the catalog.
        graph: `head_id`, `relation_id`, `tail_id` (`RecData.graph`).
        min_items: Items an entity must be linked to, 1 or more.

    Raises:
        ValueError: When `min_items` is out of range, two items are one entity, the graph names
            none of the items, or no entity connects them.

    Example:

    >>> from tfrec_fusion.data.indexed import index_data
    >>> from tfrec_fusion.data.sources.synthetic import generate
    >>> tables = generate(20, 30, 200, seed=1, with_graph=True)
    >>> knowledge = knowledge_of(index_data(tables), tables.graph)
    >>> knowledge.relations
    ('genre', 'genre (inverse)', 'maker', 'maker (inverse)')
    """
    if min_items < 1:
        raise InvalidInput(f"`min_items` must be at least 1. Received: {min_items}.")
    own = _entities_of_items(data)
    item_of = {entity: number for number, entity in enumerate(own) if entity}
    ends = [graph[name].to_numpy(object) for name in ("head_id", "tail_id")]
    names, inverse = np.unique(np.concatenate(ends), return_inverse=True)
    head, tail = np.split(inverse, 2)
    node_item = np.array([item_of.get(name, 0) for name in names])
    if not node_item.any():
        raise InvalidInput(
            f"The graph names none of the {len(own) - 1} items. Its ids look like "
            f"{names[:3].tolist()}, the items' entities like {own[1:4].tolist()}. Put each item's "
            f"entity into the catalog's column {LINK}."
        )
    kept_node = _connecting(head, tail, node_item, min_items) | (node_item > 0)
    kept = kept_node[head] & kept_node[tail] & (head != tail)
    if not kept.any():
        raise InvalidInput(
            f"The graph connects no items: none of its {len(names):,} entities is linked to "
            f"{min_items} of them."
        )
    others = np.flatnonzero(kept_node & (node_item == 0))
    index = node_item.copy()
    index[others] = len(own) + np.arange(len(others))
    kinds, kind = np.unique(graph["relation_id"].to_numpy(object)[kept], return_inverse=True)
    relations = tuple(name for one in kinds for name in (one, one + INVERSE))
    there, back = index[head[kept]], index[tail[kept]]
    both = [
        np.concatenate(pair) for pair in ((there, back), (2 * kind, 2 * kind + 1), (back, there))
    ]
    order = np.lexsort((both[2], both[1], both[0]))
    with_triples = len(np.unique(both[0][(both[0] > 0) & (both[0] < len(own))]))
    return Knowledge(
        len(own),
        np.concatenate([own, names[others]]),
        relations,
        head=both[0][order].astype(np.int32),
        relation=both[1][order].astype(np.int32),
        tail=both[2][order].astype(np.int32),
        description=(
            f"{kept.sum():,} of {len(graph):,} triples, {len(others):,} of "
            f"{(node_item == 0).sum():,} entities linked to {min_items} items or more, "
            f"{with_triples:,} of {len(own) - 1:,} items have a triple"
        ),
    )


def _entities_of_items(data: IndexedData) -> np.ndarray:
    """`(num_items,)` entity ids in index order, "" for an item that is none."""
    column = LINK if LINK in data.item_table else "item_id"
    own = data.item_column(column)
    linked, counts = np.unique(own[own != ""].astype(str), return_counts=True)
    if (counts > 1).any():
        twice = str(linked[counts > 1][0])
        rows = np.flatnonzero(own == twice)[:2]
        raise InvalidInput(
            f"Two items are the entity {twice!r}: {str(data.items.ids[rows[0]])!r} and "
            f"{str(data.items.ids[rows[1]])!r}. Each entity may be one item."
        )
    return own


def _connecting(
    head: np.ndarray, tail: np.ndarray, node_item: np.ndarray, min_items: int
) -> np.ndarray:
    """`(num_nodes,)` bool: nodes that at least `min_items` different items are linked to."""
    pairs = np.concatenate(
        [np.stack([head, node_item[tail]]), np.stack([tail, node_item[head]])], 1
    )
    pairs = np.unique(pairs[:, pairs[1] > 0], axis=1)
    return np.bincount(pairs[0], minlength=len(node_item)) >= min_items
