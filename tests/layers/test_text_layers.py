"""Tables of texts, profiles and neighbors in a graph: numbers by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from tfrec_fusion.layers.graph import NeighborAttention
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable

RNG = np.random.default_rng(0)
TEXTS = RNG.normal(size=(9, 5)) * (5, 2, 1, 0.5, 0.1) + (3, 0, 0, 0, 0)
TEXTS[[0, 4]] = 0  # the unseen item, and one without a text


def half_whitened(texts, components):
    """Principal components over the root of their deviations, then length 1."""
    there = np.any(texts != 0, axis=1)
    centered = texts - texts[there].mean(0)
    covariance = centered[there].T @ centered[there] / there.sum()
    values, axes = np.linalg.eigh(covariance)
    largest = np.argsort(-values)[:components]
    rows = centered @ axes[:, largest] / values[largest] ** 0.25
    return np.where(there[:, None], rows / np.linalg.norm(rows, axis=1, keepdims=True), 0)


@pytest.mark.parametrize("components", [2, 5])
def test_texts_are_half_whitened_around_the_mean_of_those_that_are_there(components):
    table = TextTable(9, 5, components)
    table.set_texts(TEXTS)
    rows, expected = np.asarray(table(np.arange(9))), half_whitened(TEXTS, components)
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-4)  # axes have no sign
    assert not rows[[0, 4]].any()


def test_a_profile_is_the_mean_of_the_texts_so_far():
    texts = np.array([[[9.0, 9], [1, 0], [0, 1], [0, 3]]], np.float32)
    valid = np.array([[False, True, True, True]])
    layer = TextProfile(strength=6.0)
    expected = [[0, 0], [6, 0], [3, 3], [2, 8]]
    np.testing.assert_allclose(layer(texts, valid)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(layer(texts, valid, last=True)[0], expected[-1], rtol=1e-6)


class FirstTokens(keras.layers.Layer):
    """A text's vector: the vectors of its tokens, each by its place, added."""

    def build(self, *shapes):
        self.table = self.add_weight(shape=(20, 5), initializer="random_normal", name="table")

    def call(self, ids, numbers, training=None):
        place = ops.arange(ops.shape(ids)[1])
        there = ops.cast(place[None, :] < numbers[:, None], "float32")
        there = there / ops.cast(place + 1, "float32")
        return ops.sum(ops.take(self.table, ids, axis=0) * there[..., None], axis=1)


def test_tuned_texts_stand_in_their_own_rows_whatever_their_length():
    numbers = np.array([0, 3, 1, 4, 0, 2, 4, 1, 2], np.int32)
    ids = RNG.integers(1, 20, (9, 4)) * (np.arange(4) < numbers[:, None])
    tower = FirstTokens()
    table = EncodedTable(9, 5, 3, tower, 4)
    table.set_texts(TEXTS)
    table.set_tokens(ids, numbers)
    expected = np.array(table.vectors_of_text(tower(ids, numbers)))
    expected[numbers == 0] = 0
    np.testing.assert_allclose(table(np.arange(9)), expected, rtol=1e-4, atol=1e-5)
    rows = table.all_rows()
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
    several = np.array([[1, 4, 8], [3, 3, 0]])
    np.testing.assert_allclose(table(several), expected[several], rtol=1e-4, atol=1e-5)
    assert len({tuple(row) for row in np.round(expected, 3).tolist()}) == 8


def test_behavior_weighs_the_first_part_of_a_query_and_language_the_rest():
    layer = ScoreWeights(1)
    layer.set_weights_of(behavior=2.0, language=0.5)
    assert layer(np.ones((1, 3), np.float32)).numpy().tolist() == [[2.0, 0.5, 0.5]]


def graph(without=None):
    """Item 1 has six neighbors, item 2 has one; three are read."""
    layer = NeighborAttention(3, 7, num_neighbors=3)
    layer.set_edges([0, 0, 6, 7], np.zeros(7, int), [3, 4, 5, 6, 7, 8, 4])
    entities, relations = RNG.normal(size=(9, 2)), np.array([[1.0, 1, 0, 0]])
    given = [one.astype("float32") for one in (entities, relations)]
    found = layer(np.array([1, 2]), *given, return_evidence=True, without=without)
    return given[0], [np.asarray(one) for one in found]


def test_of_many_neighbors_some_are_read_from_all_over_the_list():
    entities, (vector, weights, _, tail) = graph()
    assert tail[0].tolist() == [4, 6, 8]  # the middles of three thirds
    assert tail[1][weights[1] > 0].tolist() == [4]
    logits = (np.tanh(entities[1]) * entities[[4, 6, 8]]).sum(1)
    share = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(weights[0], share, rtol=1e-5)
    np.testing.assert_allclose(vector[0], share @ entities[[4, 6, 8]], rtol=1e-5)


def test_neighbors_that_are_set_aside_leave_their_share_to_the_others():
    _, (vector, weights, _, tail) = graph(without=np.array([[6], [4]]))
    assert tail[0][weights[0] > 0].tolist() == [4, 8]
    assert weights[0].sum() == pytest.approx(1) and not weights[1].any() and not vector[1].any()


@pytest.mark.parametrize("kind", ["attention", "gru"])
def test_a_history_is_read_alike_with_and_without_room_in_front(kind):
    keras.utils.set_random_seed(0)
    encoder = HistoryEncoder(4, kind, num_layers=1)
    items = RNG.normal(size=(1, 3, 4)).astype("float32")
    room = np.concatenate([RNG.normal(size=(1, 2, 4)).astype("float32"), items], axis=1)
    short = encoder(items, np.ones((1, 3), bool))
    long = encoder(room, np.array([[False, False, True, True, True]]))
    np.testing.assert_allclose(long[:, 2:], short, rtol=1e-4, atol=1e-5)
