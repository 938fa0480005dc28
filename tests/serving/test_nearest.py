"""Exports that look through some of the items: the same questions, answered from lists."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from nearest_parts import KNOWN, PARTS, POPULARITY, QUERIES, SCORES, VECTORS, best, query_models
from served_parts import ask
from serving_models import call_here

from tfrec_fusion.serving.export import verification
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.index.inverted_file import InvertedFile


def exported(folder, **choices):
    of_users, of_histories = query_models()
    index = InvertedFile.of(VECTORS, capacity=8, **choices)
    report = export(ServedModels(of_users, of_histories, index), folder, **PARTS)
    assert report.max_abs_difference <= 1e-5
    return tf.saved_model.load(str(report.path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nearest") / "items"


@pytest.fixture(scope="module")
def everywhere(folder):
    """An index that looks through all lists: the exact answers."""
    return exported(folder, num_probes=1000)


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("some") / "items", num_probes=2, precision="int8")


def test_all_lists_answer_as_all_scores_would(everywhere):
    users, hidden = ["u3", "u4"], [["i7", "i8"]] * 2
    answer = ask(everywhere, "recommend_filtered", user_id=users, exclude_item_ids=hidden)
    assert answer["item_id"] == [
        best(SCORES[user], [*KNOWN[user].indices, 7, 8]) for user in (3, 4)
    ]
    answer = ask(everywhere, "recommend", user_id=["nobody"])
    assert answer["item_id"] == [best(POPULARITY, [])]
    answer = ask(everywhere, "recommend_from_history", item_ids=[["i9", "i2", ""], ["?", "", ""]])
    of_last = VECTORS[2, :-1] @ VECTORS[:, :-1].T + VECTORS[:, -1]
    assert answer["item_id"] == [best(of_last, [9, 2]), best(POPULARITY, [])]
    assert answer["source"] == [["model"] * 5, ["popularity"] * 5]
    assert answer["unknown_item_ids"] == [["", "", ""], ["?", "", ""]]


def test_allowed_items_are_found_in_any_list_once(somewhere):
    allowed = [["i1", "i50", "i1", "?", "i30"], ["", "", "", "", ""], ["?", "", "", "", ""]]
    users = ["u1", "u1", "u1"]
    answer = ask(somewhere, "recommend_filtered", user_id=users, allow_item_ids=allowed)
    wanted = [item for item in (1, 30, 50) if item not in KNOWN[1].indices]
    assert sorted(one for one in answer["item_id"][0] if one) == sorted(f"i{i}" for i in wanted)
    assert len(set(answer["item_id"][1])) == 5
    assert (answer["item_id"][2], answer["score"][2]) == ([""] * 5, [0] * 5)


def test_pairs_are_scored_wherever_the_item_is(somewhere):
    signature = somewhere.signatures["score"]
    users, items = [1, 2, 3], [40, 5, 59]
    found = signature(
        user_id=tf.constant([f"u{user}" for user in users]),
        item_id=tf.constant([f"i{item}" for item in items]),
    )["score"]
    scale = np.abs(VECTORS[items]).max(axis=1, keepdims=True) / 127  # int8, a scale a vector
    short = np.rint(VECTORS[items] / scale) * scale
    expected = np.sum(QUERIES[users] * short[:, :-1], axis=1) + short[:, -1]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - SCORES[users, items]).max() > 1e-3


def test_a_folder_with_an_index_is_verified(everywhere, folder):
    (found,) = verify_folder(folder)
    assert "recommend_from_history_5" in found.signatures


def test_an_index_answers_histories_without_users(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "call_in_clean_process", call_here)
    _, of_histories = query_models()
    index = InvertedFile.of(VECTORS, capacity=8, num_probes=1000)
    parts = {**PARTS, "user_ids": None, "known": None}
    report = export(ServedModels(None, of_histories, index), tmp_path / "items", **parts)
    assert report.max_abs_difference <= 1e-5
    assert not any(name.startswith(("recommend_5", "score")) for name in report.signatures)
    asked = {"item_ids": [["i7", "i3"]]}
    (answer,) = call_here(report.path, [{"signature": "serving_default", "inputs": asked}])
    own = VECTORS[3, :-1] @ VECTORS[:, :-1].T + VECTORS[:, -1]
    assert answer["item_id"] == [best(own, [7, 3])]
