"""Profile, semantics and behavior: what each task adds, what is shared, what is read."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
from built_models import DATA, EVENTS, SIZES, built, with_evidence

from tfrec_fusion import zoo
from tfrec_fusion.text.interests.user_profiles import DEFAULT_PROFILE, profile_texts, spoken_words
from tfrec_fusion.zoo.models.profile_fusion.config import TASKS, ProfileFusionConfig
from tfrec_fusion.zoo.runs.task_losses import losses_of

SPEC = zoo.get_spec("profile_fusion")
TEXTS = list(DATA.item_texts())


def model_of(**choices):
    model = built((SPEC.name, with_evidence(**choices)))
    model.set_known(EVENTS)
    return model


def batch_of(model):
    return next(iter(SPEC.batches(model, EVENTS, 8, 0)))


def scores(model):
    found = model.score_model(EVENTS)({"user_id": np.arange(SIZES["num_users"])})["scores"]
    return np.asarray(found)


@pytest.mark.parametrize(
    "left_out",
    [pytest.param(one, marks=pytest.mark.slow if one != "profile" else ()) for one in TASKS],
)
def test_without_a_task_its_loss_and_its_evidence_are_gone(left_out):
    model = model_of(tasks=tuple(task for task in TASKS if task != left_out))
    assert left_out not in model.output
    x, y, *_ = batch_of(model)
    assert set(y) == set(model.output) and ("history" in x) == (left_out != "behavior")
    before, table = scores(model), model.get_layer("texts").vectors
    rng, shape = np.random.default_rng(0), table.shape
    other = rng.normal(size=shape).astype(np.float32)
    items = np.arange(shape[0])[:, None] < SIZES["num_items"]
    if left_out == "behavior":
        histories = dataclasses.replace(EVENTS, item=EVENTS.item[::-1].copy())
        after = model.score_model(histories)({"user_id": np.arange(SIZES["num_users"])})["scores"]
    else:
        kept = items if left_out == "profile" else ~items
        table.assign(np.where(kept, table, other))
        after = scores(model)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)
    table.assign(other)  # what is still read does change the scores
    assert np.abs(scores(model) - before).max() > 1e-4


def test_one_extractor_reads_profiles_items_and_records():
    model = model_of(levels=1)
    shared = model.get_layer("extractor_1")
    before = {name: np.asarray(one) for name, one in model(batch_of(model)[0]).items()}
    shared.kernel.assign(shared.kernel + 0.3)
    after = model(batch_of(model)[0])
    for name in ("profile", "semantics", "logits"):
        assert np.abs(before[name] - after[name]).max() > 1e-4


def test_a_user_is_scored_as_in_training_where_the_record_ends():
    model = model_of(history_length=60)
    user, item = np.array([3, 4]), np.array([[5, 6], [7, 8]])
    x = {"user_id": user, "item_id": item, "history": EVENTS.histories(60)[user]}
    trained = np.asarray(model(x)["logits"])[..., 0]
    np.testing.assert_allclose(
        trained, np.take_along_axis(scores(model)[user], item, 1), rtol=1e-4, atol=1e-5
    )


def test_targets_are_the_words_of_the_user_and_of_the_positive():
    model = model_of()
    x, y, *_ = batch_of(model)
    np.testing.assert_array_equal(y["profile"], model.user_words[x["user_id"]])
    np.testing.assert_array_equal(y["semantics"], model.item_words[x["item_id"][:, 0]])
    assert (y["logits"].numpy()[:, 0] == 1).all() and (y["logits"].numpy()[:, 1:] == 0).all()
    known = EVENTS.matrix().toarray() > 0
    for user, items in zip(x["user_id"].numpy(), x["item_id"].numpy(), strict=True):
        assert known[user, items[0]] and not known[user, items[1:]].any()


def test_a_profile_says_what_is_known_and_a_stated_default_else():
    people = pd.DataFrame({"user_id": list(DATA.users.ids[1:]), "age": 24, "job": [None] * 30})
    profiles = profile_texts(EVENTS, TEXTS, people)
    assert profiles[0] == DEFAULT_PROFILE
    assert profiles[1].startswith("age: 24. cares about: ") and "wrote: " in profiles[1]
    assert "job" not in profiles[1]
    newcomer = dataclasses.replace(EVENTS, num_users=EVENTS.num_users + 1)
    assert profile_texts(newcomer, TEXTS)[-1] == DEFAULT_PROFILE


def test_spoken_words_are_those_of_texts_and_reviews():
    of_items, of_users, words = spoken_words(EVENTS, TEXTS, num_words=30)
    assert of_items.shape == (SIZES["num_items"], len(words)) and not of_items[0].any()
    cable = words.index("cable")
    said = np.array(["cable" in text for text in EVENTS.text])
    assert (of_users[EVENTS.user[said], cable] == 1).all()
    silent = set(EVENTS.user) - set(EVENTS.user[said])
    assert not of_users[sorted(silent), cable].any()
    with pytest.raises(ValueError, match="must hold words that occur twice"):
        spoken_words(DATA.train, [""] * len(TEXTS))


def test_vectors_of_another_shape_are_refused():
    model = model_of()
    with pytest.raises(ValueError, match=r"`profile_text` must have the shape \(31, 12\)"):
        model.set_texts(np.ones((21, 12)), np.ones((30, 12)))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"tasks": ("habits",)}, "`tasks` must be one or more of profile, semantics, behavior"),
        ({"tasks": ("semantics",)}, "Semantics alone knows nothing of users"),
        ({"levels": 0}, "`levels` must be at least 1"),
        ({"num_items": 1}, "`num_users` and `num_items` must be at least 2"),
    ],
)
def test_unsound_choices_are_refused(choices, message):
    sizes = {"num_users": 4, "num_items": 5, "text_dim": 3, "num_words": 2}
    with pytest.raises(ValueError, match=message):
        ProfileFusionConfig(**{**sizes, **choices})


@pytest.mark.slow
def test_it_overfits_what_it_is_shown():
    keras.utils.set_random_seed(0)
    model = model_of(dropout=0.0, id_dropout=0.0)
    model.compile(keras.optimizers.Adam(0.02), loss=losses_of(SPEC, model))
    batch = SPEC.batches(model, EVENTS, 64, 0).take(1).cache()
    history = model.fit(batch, epochs=60, verbose=0).history
    assert history["logits_loss"][-1] < 0.1 * history["logits_loss"][0]
