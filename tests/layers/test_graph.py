"""Attention over neighbors and scores of triples, by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion.layers.graph import NeighborAttention, TripleScores
from tfrec_fusion.layers.knowledge_table import KnowledgeTable

STARTS, RELATION, TAIL = [0, 0, 1, 3, 10], [0, 1, 0, *[0] * 7], [4, 4, 5, *range(6, 13)]
RNG = np.random.default_rng(0)
ENTITIES = RNG.normal(size=(13, 2)).astype(np.float32)
RELATIONS = RNG.normal(size=(2, 4)).astype(np.float32)


def attention(num_neighbors=4):
    layer = NeighborAttention(4, 10, num_neighbors)
    layer.set_edges(STARTS, RELATION, TAIL)
    return layer


def by_hand(item, edges):
    scale, shift = RELATIONS[:, :2], RELATIONS[:, 2:]
    said = np.array([scale[RELATION[e]] * ENTITIES[TAIL[e]] for e in edges])
    moved = np.array([np.tanh(ENTITIES[item] + shift[RELATION[e]]) for e in edges])
    weights = np.exp((moved * said).sum(1))
    return (weights / weights.sum()) @ said


def test_neighbors_are_weighed_by_their_relation():
    rows = attention()(np.array([0, 1, 2]), ENTITIES, RELATIONS).numpy()
    expected = [[0, 0], by_hand(1, [0]), by_hand(2, [1, 2])]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    catalog = attention()(np.array([0]), ENTITIES, RELATIONS, catalog=True)
    np.testing.assert_allclose(catalog[:3], expected, rtol=1e-5)


def test_of_many_neighbors_some_are_read():
    layer = attention(num_neighbors=3)
    _, weights, relation, tail = layer(np.array([3, 2]), ENTITIES, RELATIONS, return_evidence=True)
    assert tail.numpy()[0].tolist() == [TAIL[3 + one] for one in (1, 3, 5)]
    np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-5)
    assert weights.numpy()[1, 2] == 0 and relation.numpy()[1, :2].tolist() == [1, 0]
    whole = attention(num_neighbors=7)(np.array([3]), ENTITIES, RELATIONS).numpy()[0]
    np.testing.assert_allclose(whole, by_hand(3, range(3, 10)), rtol=1e-5)


def test_neighbors_set_aside_leave_the_others():
    layer = attention()
    without = np.array([[4, 0], [5, 0], [0, 0]])
    rows = layer(np.array([1, 2, 2]), ENTITIES, RELATIONS, without=without)
    expected = [[0, 0], by_hand(2, [1]), by_hand(2, [1, 2])]
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    apart = layer(np.array([1, 2]), ENTITIES, RELATIONS, without=np.array([4, 5]))
    np.testing.assert_allclose(apart, np.zeros((2, 2)), atol=0)
    some = attention(num_neighbors=3)  # it reads the tails 7, 9 and 11 of item 3
    left = some(np.array([3]), ENTITIES, RELATIONS, without=np.array([9]))
    np.testing.assert_allclose(left[0], by_hand(3, [4, 8]), rtol=1e-5)


def test_training_draws_among_all_neighbors_and_only_where_there_are_too_many():
    keras.utils.set_random_seed(0)
    layer = attention(num_neighbors=3)
    index = np.repeat([3, 2], 200)
    *_, tail = layer(index, ENTITIES, RELATIONS, return_evidence=True, training=True)
    drawn, few = tail.numpy()[:200], tail.numpy()[200:]
    assert set(drawn.ravel()) == set(TAIL[3:])
    assert {tuple(row[:2]) for row in few} == {(4, 5)}


def test_triples_by_hand():
    head, tail = np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])
    relation = np.array([[10.0, 100.0, 1.0, 1.0]])  # scale, then shift
    assert TripleScores("translation")(head, relation, tail).numpy().tolist() == [-(1 + 4)]
    assert TripleScores("bilinear")(head, relation, tail).numpy().tolist() == [30 + 1000]


def test_what_does_not_fit_is_refused():
    layer = NeighborAttention(4, 10)
    with pytest.raises(ValueError, match=r"shapes \[\(5,\), \(10,\), \(10,\)\]"):
        layer.set_edges(STARTS[:-1], RELATION, TAIL)
    with pytest.raises(ValueError, match="rise from 0 to 10"):
        layer.set_edges([0, 0, 3, 1, 10], RELATION, TAIL)
    with pytest.raises(ValueError, match="num_neighbors=0"):
        NeighborAttention(4, 10, 0)
    with pytest.raises(ValueError, match="one of translation, bilinear"):
        TripleScores("rotation")
    with pytest.raises(ValueError, match="num_entities=3, num_rows=4"):
        KnowledgeTable(4, 3, 2, 10, dim=4)
    with pytest.raises(ValueError, match="`triple_weight` must not be negative"):
        KnowledgeTable(4, 13, 2, 10, dim=4, triple_weight=-1)
    table = KnowledgeTable(4, 12, 2, 10, dim=4)
    with pytest.raises(ValueError, match=r"`tail` must be indices below 12\. Received: 4 to 12"):
        table.set_edges(STARTS, RELATION, TAIL)


def test_the_triples_loss_by_hand():
    table = KnowledgeTable(2, 3, 1, 1, dim=1, score="bilinear", num_corrupted=2, triple_weight=0.5)
    table.set_edges([0, 0, 1], [0], [2])
    table.entities.assign([[0.0], [1.0], [1.0]])
    table.relations.assign([[2.0, 0.0]])
    # every tail, true or corrupted, is 1 or 2, and scores 1 * 2 * 1
    assert float(table.triple_loss(table.entities, table.relations)) == pytest.approx(np.log(3))
    table(np.array([1]), training=True)
    assert float(table.losses[0]) == pytest.approx(0.5 * np.log(3))


def slopes(weight, said, step=1e-2):
    """The gradient of `said()` by what happens when one number after another is changed."""
    kept, found = weight.numpy(), np.zeros(weight.shape)
    for place in np.ndindex(*kept.shape):
        for sign in (1, -1):
            changed = kept.copy()
            changed[place] += sign * step
            weight.assign(changed)
            found[place] += sign * float(said()) / (2 * step)
    weight.assign(kept)
    return found


def gradient(weight, said):
    with tf.GradientTape() as tape:
        loss = said()
    found = tape.gradient(loss, weight)
    return None if found is None else tf.convert_to_tensor(found).numpy()


def test_entities_are_moved_by_triples_alone():
    table = KnowledgeTable(4, 13, 2, 10, dim=4, num_triples=50)
    table.set_edges(STARTS, RELATION, TAIL)

    def of_item():
        return tf.reduce_sum(table(np.array([2]))) ** 2

    start = keras.ops.convert_to_numpy(table.seeds.state).copy()

    def of_triples():
        table.seeds.state.assign(start)  # the same are drawn again
        table(np.array([2]), training=True)
        return sum(table.losses)

    assert gradient(table.entities, of_item) is None
    for weight, said in (
        (table.relations, of_item),
        (table.relations, of_triples),
        (table.entities, of_triples),
    ):
        expected = slopes(weight, said)
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(
            gradient(weight, said), expected, atol=0.02 * np.abs(expected).max()
        )


def test_what_the_graph_says_is_left_out_whole_in_training():
    keras.utils.set_random_seed(0)
    table = KnowledgeTable(4, 13, 2, 10, dim=4, num_neighbors=10, dropout=0.25)
    table.set_edges(STARTS, RELATION, TAIL)
    index = np.full(2000, 3)
    whole = table(index[:1]).numpy()
    drawn = table(index, training=True).numpy()
    there = np.isclose(drawn, whole).all(axis=1)
    assert ((drawn == 0).all(axis=1) | there).all()
    assert 0.7 < there.mean() < 0.8
    np.testing.assert_allclose(table(index).numpy(), np.tile(whole, (2000, 1)), rtol=1e-5)
    with pytest.raises(ValueError, match=r"`dropout` must be from 0 to below 1\. Received: 1"):
        KnowledgeTable(4, 13, 2, 10, dim=4, dropout=1)
