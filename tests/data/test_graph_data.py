"""The graph over the items: indices, what is left out, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.data.graph import knowledge_of
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import from_frames

TRIPLES = [
    ("A", "directed by", "x"),
    ("B", "directed by", "x"),
    ("B", "has actor", "y"),
    ("C", "sequel of", "A"),
    ("z", "wrote", "A"),
    ("z", "wrote", "C"),
    ("x", "married to", "z"),
]


def indexed(entity_ids=("A", "B", "C", "")):
    events = pd.DataFrame(
        [(f"u{u}", f"i{i}", 4.0, 10 * u + i) for u in range(8) for i in range(4)],
        columns=["user_id", "item_id", "rating", "timestamp"],
    )
    items = pd.DataFrame({"item_id": [f"i{i}" for i in range(4)], "title": "film", "text": "film"})
    if entity_ids:
        items["entity_id"] = entity_ids
    return index_data(from_frames(events, items, name="films"))


def graph(triples=TRIPLES):
    return pd.DataFrame(triples, columns=["head_id", "relation_id", "tail_id"])


def test_triples_by_hand():
    knowledge = knowledge_of(indexed(), graph())
    assert knowledge.entities.tolist() == ["", "A", "B", "C", "", "x", "z"]
    found = {
        (knowledge.entities[h], knowledge.relations[r], knowledge.entities[t])
        for h, r, t in zip(knowledge.head, knowledge.relation, knowledge.tail, strict=True)
    }
    kept = [one for one in TRIPLES if "y" not in one]  # only one item has that actor
    inverse = [(tail, f"{relation} (inverse)", head) for head, relation, tail in kept]
    assert found == {*kept, *inverse}
    assert knowledge.starts.tolist() == [0, 0, 3, 4, 6, 6, 9, 12]
    assert "6 of 7 triples, 2 of 3 entities" in repr(knowledge)
    assert "3 of 4 items have a triple" in repr(knowledge)


def test_every_entity_may_be_kept():
    knowledge = knowledge_of(indexed(), graph(), min_items=1)
    assert "y" in knowledge.entities and len(knowledge.head) == 2 * len(TRIPLES)


def test_without_a_column_of_entities_items_are_named_by_their_ids():
    triples = [(f"i{i}", "directed by", "x") for i in (0, 3)]
    knowledge = knowledge_of(indexed(entity_ids=None), graph(triples))
    assert knowledge.head.tolist() == [1, 4, 5, 5] and knowledge.tail.tolist() == [5, 5, 1, 4]


def test_a_made_up_graph_is_linked_whole():
    tables = generate(20, 30, 200, seed=1, with_graph=True)
    data = index_data(tables)
    knowledge = knowledge_of(data, tables.graph, min_items=1)
    degrees = np.diff(knowledge.starts)[1 : len(data.items)]
    assert (degrees == 2).all()  # a genre and a maker


@pytest.mark.parametrize(
    ("triples", "entity_ids", "arguments", "message"),
    [
        ([("P", "r", "Q")], ("A", "B", "C", ""), {}, "names none of the 4 items. Its ids look"),
        ([("A", "r", "x"), ("B", "r", "y")], ("A", "B", "C", ""), {}, "connects no items"),
        (TRIPLES, ("A", "A", "C", ""), {}, "Two items are the entity 'A': 'i0' and 'i1'"),
        (TRIPLES, ("A", "B", "C", ""), {"min_items": 0}, "`min_items` must be at least 1"),
    ],
)
def test_graphs_that_do_not_fit_are_refused(triples, entity_ids, arguments, message):
    with pytest.raises(ValueError, match=message):
        knowledge_of(indexed(entity_ids), graph(triples), **arguments)
