"""The two ways to the exact best items answer alike."""

import numpy as np
import pytest
import tensorflow as tf
from serving_models import table_model

from tfrec_fusion.serving.export import top_k as ranking
from tfrec_fusion.serving.export.catalog import LOWEST

RNG = np.random.default_rng(0)
SCORES = RNG.integers(0, 6, (5, 30)).astype(np.float32)  # with many ties
POPULARITY = RNG.permutation(30).astype(np.float32)


def best(hidden, unknown=False, allowed=(0,), k=7):
    ranker = ranking.ExactRanker(
        {"user_id": table_model("user_id", SCORES.tolist())}, tf.Variable(POPULARITY)
    )
    users = tf.range(5)
    rows = tf.tile(tf.constant([allowed], tf.int32), [5, 1])
    nobody = tf.fill([5], unknown)
    scores, items = ranker.best({"user_id": users}, nobody, tf.constant(hidden, tf.int32), rows, k)
    return scores.numpy(), np.where(scores.numpy() <= LOWEST, 0, items.numpy())


@pytest.mark.parametrize("number", [0, 1, 5, 28, 40])
def test_few_and_many_hidden_items_are_left_out_alike(number, monkeypatch):
    hidden = np.array([np.resize(RNG.permutation(30), number) for _ in range(5)]).reshape(5, -1)
    few = best(hidden)
    monkeypatch.setattr(ranking, "_FEW_HIDDEN", -1)
    many = best(hidden)
    np.testing.assert_array_equal(few[0], many[0])
    np.testing.assert_array_equal(few[1], many[1])
    masked = SCORES.copy()
    masked[:, 0] = LOWEST
    np.put_along_axis(masked, hidden.astype(int), LOWEST, axis=1)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(few[0], np.take_along_axis(masked, order, axis=1))
    there = few[0] > LOWEST
    np.testing.assert_array_equal(few[1][there], order[there])


def test_unknown_people_and_allowed_items_are_seen_to():
    none = np.zeros((5, 1), int)
    assert (
        best(none, unknown=True)[1][0].tolist()
        == (1 + np.argsort(-POPULARITY[1:], kind="stable")[:7]).tolist()
    )
    found = best(none, allowed=(3, 4))[1]
    assert all(set(row) <= {0, 3, 4} for row in found.tolist())
