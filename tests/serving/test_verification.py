"""How exactly an export must answer, what it is asked, and what a folder's check lets pass."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf
from serving_models import ITEMS, LOWEST, POPULARITY, SCORES, TITLES, USERS, table_model

from tfrec_fusion.serving.export.catalog import Catalog
from tfrec_fusion.serving.export.folder_check import _compare
from tfrec_fusion.serving.export.questions import questions_of
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.signatures import AnswerGraph
from tfrec_fusion.serving.export.verification import ExportMismatch, compare_numbers
from tfrec_fusion.serving.export.warm_up import AnsweredCall


@pytest.mark.parametrize(
    ("served", "expected", "agrees"),
    [
        ([1.000009], [1.0], True),
        ([1.000011], [1.0], False),
        ([0.0], [0.000009], True),  # not relative below 1
        ([0.0], [0.000011], False),
        ([1000.009], [1000.0], True),
        ([1000.011], [1000.0], False),
        ([1000.0, 1.00002], [1000.0, 1.0], False),  # each by its own size
        ([np.nan], [1.0], False),
        ([[1.0]], [1.0], False),
    ],
)
def test_numbers_agree_within_a_hundred_thousandth(served, expected, agrees):
    pair = np.array(served), np.array(expected)
    if agrees:
        assert compare_numbers(*pair, "x") == pytest.approx(np.abs(pair[0] - pair[1]).max())
        return
    with pytest.raises(ExportMismatch, match="`x`"):
        compare_numbers(*pair, "x")


def known():
    cells = ([1, 0, 1], ([1, 1, 2], [1, 2, 3]))  # ann knows a; that she knows b is denied
    return sp.csr_matrix(cells, shape=(3, 5))


def test_a_zero_that_is_written_down_is_nothing_known():
    catalog = Catalog.checked(USERS, ITEMS, TITLES, known(), POPULARITY)
    assert catalog.known.toarray().tolist() == [[0] * 5, [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert catalog.known.nnz == 2


def test_every_kind_of_request_is_tried_before_an_export():
    catalog = Catalog.checked(USERS, ITEMS, TITLES, known(), POPULARITY)
    models = ServedModels(table_model("user_id", SCORES))
    questions = questions_of(catalog, models, (2,))
    alone = [one for one in questions if one.signature == "recommend"]
    asked = [one for one in questions if one.signature == "recommend_filtered"]

    def named(question, name):
        return {cell for row in question.inputs[name] for cell in row} - {""}

    assert any(named(one, "exclude_item_ids") for one in asked)
    assert any(named(one, "allow_item_ids") - {*ITEMS} for one in asked)  # one is unknown
    assert all(set(one.inputs) == {"user_id"} for one in alone)
    for some in (asked, alone):
        assert any(not one.inputs["user_id"] for one in some)
    everyone = [set(one.inputs["user_id"]) for one in alone if one.inputs["user_id"]]
    assert {"ann", "bob"} in everyone and any(some - {*USERS} for some in everyone)


def test_an_answer_to_each_request_is_checked():
    """For each question an answer that is right, and the same with an item that is not."""
    catalog = Catalog.checked(USERS, ITEMS, TITLES, known(), POPULARITY)
    models = ServedModels(table_model("user_id", SCORES))
    scores = {"ann": [LOWEST, LOWEST, 4, 3, 2], "bob": [LOWEST, 1, 2, LOWEST, 4]}
    popular = POPULARITY.copy()
    popular[0] = LOWEST
    for question in questions_of(catalog, models, (2,)):
        if not question.signature.startswith("recommend") or not question.inputs["user_id"]:
            continue
        rows, users = [], question.inputs["user_id"]
        lists = [question.inputs.get(f"{name}_item_ids") for name in ("exclude", "allow")]
        for row, user in enumerate(users):
            own = np.array(scores.get(user, popular), np.float32)
            excluded, allowed = (one[row] if one else [] for one in lists)
            own[[item in excluded for item in ITEMS]] = LOWEST
            if any(allowed):
                own[[item not in allowed for item in ITEMS]] = LOWEST
            rows.append(own)
        table = np.stack(rows)
        best = np.argsort(-table, axis=1, kind="stable")[:, :2]
        values = np.take_along_axis(table, best, axis=1)
        best = np.where(values <= LOWEST, 0, best)
        answer = {"score": np.where(best > 0, values, 0).tolist()}
        sources = [["model" if user in USERS else "popularity"] for user in users]
        answer |= {"source": np.where(best > 0, sources, "").tolist()}
        if all(lists):
            answer["unknown_item_ids"] = [
                ["" if one in ITEMS else one for one in (*excluded, *allowed)]
                for excluded, allowed in zip(*lists, strict=True)
            ]
        answer |= {"item_id": np.array(ITEMS)[best].tolist()}
        answer |= {"title": np.array(TITLES)[best].tolist()}
        assert question.check(answer) <= 1e-5
        worst = int(np.argmin(np.where(table[0] > LOWEST, table[0], np.inf)))
        if best[0, 0] == worst:
            continue
        wrong = {name: [list(cells) for cells in one] for name, one in answer.items()}
        wrong["item_id"][0] = [ITEMS[worst], ITEMS[best[0, 0]]]
        wrong["title"][0] = [TITLES[worst], TITLES[best[0, 0]]]
        with pytest.raises(ExportMismatch):
            question.check(wrong)


def page(items, scores):
    titles = [[f"Title {item}" if item else "" for item in row] for row in items]
    source = [["model" if item else "" for item in row] for row in items]
    return {"item_id": items, "title": titles, "score": scores, "source": source}


CALL = AnsweredCall(
    "recommend", {}, page([["a", "b", "c", "d", "e"]], [[5.0, 4.0, 3.000001, 3.0, 1.0]])
)


@pytest.mark.parametrize(
    ("items", "whole", "agrees"),
    [
        ("abcde", True, True),
        ("abdce", True, True),  # c and d tie
        ("abcdx", True, True),  # whether the last ties is not there to see
        ("bacde", True, False),
        ("xbcde", True, False),
        ("xbcde", False, True),  # ScaNN: a fifth may be others
        ("xycde", False, False),
    ],
)
def test_items_may_change_places_where_scores_tie(items, whole, agrees):
    answer = page([list(items)], CALL.answer["score"])
    if agrees:
        assert _compare(CALL, answer, whole) == 0
        return
    with pytest.raises(ExportMismatch):
        _compare(CALL, answer, whole)


def test_a_text_without_a_word_says_nothing_whatever_the_language_model_makes_of_it():
    graph = AnswerGraph.__new__(AnswerGraph)
    graph.models = SimpleNamespace(encoder=lambda text, training: tf.ones((tf.size(text), 2)))
    vectors, silent = graph._vectors(tf.constant(["a film", " \n", ""]))
    assert vectors.numpy().tolist() == [[1, 1], [0, 0], [0, 0]]
    assert silent.numpy().tolist() == [False, True, True]


def test_a_place_without_an_item_names_none():
    catalog = Catalog.checked(USERS, ITEMS, TITLES, known(), POPULARITY)
    graph = AnswerGraph(catalog, ServedModels(table_model("user_id", SCORES)))
    nothing = tf.constant([[""]])
    page = graph.recommend(tf.constant(["ann"]), tf.constant([["b", "d"]]), nothing, 4)
    assert {name: value.numpy().tolist() for name, value in page.items()} == {
        "item_id": [[b"c", b"", b"", b""]],
        "title": [[b"Casino", b"", b"", b""]],
        "score": [[3, 0, 0, 0]],
        "source": [[b"model", b"", b"", b""]],
        "unknown_item_ids": [[b"", b"", b""]],
    }


@pytest.mark.parametrize("lowest", [LOWEST, -np.inf, np.nan])
def test_a_score_that_is_none_is_never_answered(lowest):
    scores = np.array(SCORES, np.float32)
    scores[1, 2:] = lowest
    catalog = Catalog.checked(USERS, ITEMS, TITLES, known(), POPULARITY)
    graph = AnswerGraph(catalog, ServedModels(table_model("user_id", scores)))
    page = graph.signatures((3,))["recommend"][0](tf.constant(["ann"]))
    assert page["item_id"].numpy().tolist() == [[b"", b"", b""]]
    assert page["score"].numpy().tolist() == [[0, 0, 0]]
    pair = graph.score(tf.constant(["ann"]), tf.constant(["b"]))
    assert (pair["score"].numpy().tolist(), pair["source"].numpy().tolist()) == ([0], [b""])
