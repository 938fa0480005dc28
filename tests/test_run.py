"""A run folder gives back what was saved, part by part, and answers by what users did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

import zoo
from tfrec_fusion.data.indexed import index_data, merge
from tfrec_fusion.data.tables import RecData
from tfrec_fusion.text.profiles import Interests
from zoo import recommender
from zoo.recommender import compiled_scores
from zoo.run import BrokenRun, load_run, save_run

COLUMNS = ("user", "item", "rating", "timestamp")
EVENTS = pd.DataFrame(
    [
        (user, item, (user + item) % 5 + 1, 100 - 7 * item + user)
        for user in range(1, 6)
        for item in range(1, 13)
        if (user * item) % 4
    ],
    columns=["user_id", "item_id", "rating", "timestamp"],
)
ITEMS = pd.DataFrame(
    {
        "item_id": range(1, 14),
        "title": [*(f"Title {item}" for item in range(1, 12)), "NA", "007"],
        "text": [*(f"text {item}" for item in range(1, 13)), "None"],
    }
)
DATA = index_data(RecData(EVENTS, ITEMS))
INTERESTS = Interests(
    ("robots",),
    np.array([0, 0, 1, 1, 1, 1, 1]),
    np.zeros(1, np.int32),
    np.ones(1, np.float32),
    np.full(1, np.nan, np.float32),
    np.ones(1, np.int32),
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder, zoo.build("ease").fit(DATA.train), DATA, {"model": "ease"}, INTERESTS)
    return load_run(folder)


def rows(events):
    return list(zip(*(getattr(events, name).tolist() for name in COLUMNS), strict=True))


def test_events_come_back_row_by_row_in_their_parts(saved):
    for part in ("train", "validation", "test"):
        assert rows(saved.parts[part]) == rows(getattr(DATA, part)) != []
        assert saved.parts[part].num_items == len(DATA.items)


def test_train_and_validation_are_known_at_test(saved):
    assert rows(saved.known_at_test) == rows(DATA.train_and_validation)
    assert len(saved.known_at_test) == len(DATA.train) + len(DATA.validation)


def test_everything_is_known_when_a_run_is_asked(saved):
    assert rows(saved.recommender.known) == rows(DATA.everything)
    user = 2  # took odd items, others even ones as well
    taken = set(DATA.items.id_of(DATA.everything.item[DATA.everything.user == user]))
    found = saved.recommender.recommend(DATA.users.ids[user], k=13)
    assert set(found["item_id"]) == set(DATA.items.ids[1:]) - taken
    assert found["score"].abs().max() > 0.01
    now = saved.model.score_model(DATA.everything)({"user_id": np.array([user])})["scores"]
    own = dict(zip(DATA.items.ids, np.asarray(now)[0], strict=True))
    assert found["score"].tolist() == pytest.approx([own[item] for item in found["item_id"]])


def test_words_that_look_like_nothing_stay_words(saved):
    assert saved.titles[[12, 13]].tolist() == ["NA", "007"]
    assert saved.texts[13] == "007. None" and saved.titles[0] == saved.texts[0] == ""


def test_interests_come_back(saved):
    assert saved.interests.texts() == INTERESTS.texts() == ["", "robots", "", "", "", ""]
    assert saved.recommender.interests is saved.interests


def test_new_users_are_offered_what_most_people_took(saved):
    found = saved.recommender.recommend("nobody", k=5)
    counts = DATA.everything.item_counts
    assert found["score"].tolist() == sorted(counts[1:], reverse=True)[:5]


def test_a_folder_whose_saving_was_interrupted_is_no_run(tmp_path):
    model, info = zoo.build("popularity").fit(DATA.train), {"model": "popularity"}
    save_run(tmp_path, model, DATA, info)
    broken = dataclasses.replace(DATA, item_table=None)
    with pytest.raises(TypeError):
        save_run(tmp_path, model, broken, info)
    with pytest.raises(BrokenRun, match=r"run\.json is missing"):
        load_run(tmp_path)


def test_many_users_are_scored_in_parts(saved, monkeypatch):
    graph, users = saved.model.score_model(DATA.train), np.arange(len(DATA.users))
    whole = compiled_scores(graph)(users)
    monkeypatch.setattr(recommender, "_PAIRS_AT_ONCE", 2 * len(DATA.items))
    np.testing.assert_array_equal(compiled_scores(graph)(users), whole)
    np.testing.assert_array_equal(saved.model.score(users), whole)
    assert compiled_scores(graph)(users[:0]).shape == (0, len(DATA.items))


def test_parts_of_a_run_are_merged_in_order_of_time(saved):
    merged = merge(*saved.parts.values())
    for user in np.unique(merged.user):
        assert (np.diff(merged.timestamp[merged.user == user]) >= 0).all()
