"""Scores and vectors of texts that are in no catalog."""

import dataclasses

import numpy as np
import pytest
from built_models import DATA, TEXTS, shared, tuned

from tfrec_fusion.zoo.scoring.similarity import meaning_model

COLD = int(DATA.train.item[0])
USERS = np.arange(6)


@pytest.fixture(scope="module")
def known():
    """The training events without those of one item."""
    train = DATA.train
    kept = train.item != COLD
    rows = ("user", "item", "rating", "timestamp")
    return dataclasses.replace(train, **{name: getattr(train, name)[kept] for name in rows})


@pytest.mark.parametrize("named", ["hybrid", "hybrid user", "tasks", "knowledge without ids"])
def test_a_text_is_scored_as_the_item_that_nobody_took(named, known):
    model = shared(named).model
    model.set_known(known)
    for weight in model.trainable_weights:
        weight.assign(weight + np.random.default_rng(1).normal(size=weight.shape, scale=0.1))
    asked = {"user_id": USERS, "text": np.repeat(TEXTS[[COLD]], len(USERS), axis=0)}
    found = np.asarray(model.text_score_model(known)(asked)["score"])
    scores = model.score_model(known)({"user_id": USERS})["scores"]
    expected = np.asarray(scores)[:, COLD]
    vector = np.asarray(model.text_item_model()({"text": TEXTS[[COLD]]})["embedding"])[0]
    query = np.asarray(model.query_models(known)[0]({"user_id": USERS})["query"])
    np.testing.assert_allclose(
        found, query @ vector / model.config.temperature, rtol=1e-4, atol=1e-5
    )
    if named != "knowledge without ids":  # of a text from nowhere the graph says nothing
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(vector, model.item_vectors()[COLD], atol=1e-5)


def test_a_text_is_lifted_like_new_items(known):
    model = shared("hybrid").model
    model.set_known(known)
    asked = {"user_id": USERS, "text": np.repeat(TEXTS[[COLD]], len(USERS), axis=0)}
    plain = np.asarray(model.text_score_model(known)(asked)["score"])
    familiar = known.item_counts > 0
    model.get_layer("logits").set_candidates(familiar, boost=3.0, stretch=2.0)
    lifted = np.asarray(model.text_score_model(known)(asked)["score"])
    np.testing.assert_allclose(lifted, 2 * plain + 3, rtol=1e-5)


def test_words_are_explained_by_a_tuned_language_model():
    model, history, item = shared("hybrid lora").model, np.array([3, 5, 2]), 7
    text = model.item_text.tower(*(one[None, item] for one in tuned("lora")["item_tokens"]))
    found = model.text_scores(history, 1, item)(text)
    expected = np.asarray(model.history_model()({"history": history[None, :]})["scores"])[0, item]
    np.testing.assert_allclose(found, [expected], rtol=1e-4, atol=1e-5)


def test_models_without_texts_or_towers_have_none(known):
    assert shared("hybrid id").model.text_item_model() is None
    assert shared("hybrid id").model.text_score_model(known) is None
    assert shared("hybrid ncf").model.text_score_model(known) is None


def test_a_wish_without_direction_is_near_nothing():
    scores = meaning_model(np.eye(3, 2))({"text": np.zeros((1, 2))})["scores"]
    np.testing.assert_array_equal(scores, 0)
