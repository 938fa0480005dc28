"""Requests of any size: answered some rows at a time, or refused by the graph itself."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf
from built_models import CASES, DATA, EVENTS, TEXTS, built
from served_parts import PARTS, SCORES, last_item_model
from serving_models import table_model

from tfrec_fusion import zoo
from tfrec_fusion.layers.constant_matrix import SparseMatrix
from tfrec_fusion.serving.export import row_blocks
from tfrec_fusion.serving.export.catalog import Catalog
from tfrec_fusion.serving.export.request_size import (
    MAX_IDS,
    MAX_IDS_A_ROW,
    MAX_ROWS,
    with_bounded_size,
)
from tfrec_fusion.serving.export.row_blocks import in_blocks, rows_at_once
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.signatures import AnswerGraph
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain
from tfrec_fusion.zoo.protocols import KnowsEvents
from tfrec_fusion.zoo.runs.ensemble import Ensemble

TEXT = tf.TensorSpec((None,), tf.string)


def words(tensor):
    return np.vectorize(lambda one: one.decode("utf-8"), otypes=[object])(tensor.numpy()).tolist()


@pytest.fixture(scope="module")
def signatures():
    """Functions by signature: of ann's items a to e, a is known, and b is best."""
    models = ServedModels(table_model("user_id", SCORES), history=last_item_model())
    graph = AnswerGraph(Catalog.checked(**PARTS), models)
    return {name: function for name, (function, _) in graph.signatures((3,)).items()}


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("rows", "ids", "fits"),
    [
        (MAX_ROWS, 1, True),
        (MAX_ROWS + 1, 1, False),
        (1, MAX_IDS_A_ROW, True),
        (1, MAX_IDS_A_ROW + 1, False),
        (64, MAX_IDS_A_ROW, True),
        (65, MAX_IDS_A_ROW, False),
        (1000, 640, True),
        (1000, 641, False),
        (0, MAX_IDS_A_ROW + 1, False),
    ],
)
def test_rows_ids_of_a_row_and_all_ids_are_bounded(rows, ids, fits):
    lists = {"exclude_item_ids": tf.fill([rows, ids // 2], ""), "user_id": tf.fill([rows], "ann")}
    lists["allow_item_ids"] = tf.fill([rows, ids - ids // 2], "")
    if fits:
        given = with_bounded_size(**lists)
        assert [one.shape for one in given] == [one.shape for one in lists.values()]
        return
    said = (
        "A request may have at most 1,024 rows, 10,000 item ids a row and 640,000 altogether. "
        f"Received: exclude_item_ids {rows} x {ids // 2}, user_id {rows}, allow_item_ids {rows} x "
        f"{ids - ids // 2}. Send several requests."
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(said)):
        with_bounded_size(**lists)


def test_the_largest_batch_of_the_kit_is_within_the_bounds():
    from tfrec_fusion.serving.export.bundle import BATCHING

    largest = int(re.search(r"max_batch_size { value: (\d+) }", BATCHING)[1])
    assert largest * MAX_IDS_A_ROW <= MAX_IDS and largest <= MAX_ROWS


def test_lists_as_long_as_they_may_be_are_answered_and_longer_ones_refused(signatures):
    ids = np.full((2, MAX_IDS_A_ROW - 1), "", object)
    ids[:, -1], ids[1, 0], ids[0, 5] = "b", "c", "none"
    one = tf.fill([2, 1], "")
    users, lists = tf.constant(["ann", "ann"]), tf.constant(ids)
    function = signatures["recommend_filtered"]
    assert words(function(users, lists, one)["item_id"]) == [["c", "d", "e"], ["d", "e", ""]]
    answer = function(users, one, lists)
    assert words(answer["item_id"]) == [["b", "", ""], ["b", "c", ""]]
    unknown = answer["unknown_item_ids"].numpy()
    assert unknown.shape == (2, MAX_IDS_A_ROW) and unknown[0, 6] == b"none"
    longer = tf.concat([lists, one], axis=1)
    for exclude, allow in ((longer, one), (one, longer)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="10,000 item ids a row"):
            function(users, exclude, allow)
    for name in ("recommend", "score"):
        asked = [tf.fill([MAX_ROWS + 1], "a")] * (2 if name == "score" else 1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="at most 1,024 rows"):
            signatures[name](*asked)


def test_a_history_expanded_from_one_value_is_refused(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="item_ids 1024 x 4096, exclu"):
        signatures["recommend_from_history"](tf.fill([1024, 4096], "a"))
    answer = signatures["recommend_from_history"](tf.fill([64, MAX_IDS_A_ROW], "b"))
    assert words(answer["item_id"]) == [["c", "d", "a"]] * 64


# ------------------------------------------------------------------ blocks of rows


def sizes_of_blocks(shapes, rows):
    """How many rows the block of each row has."""

    def size(*inputs):
        number = tf.shape(inputs[0])[0]
        return {"size": tf.fill([number], number), "text": inputs[0]}

    specs = [tf.TensorSpec([None] * len(shape), tf.string) for shape in shapes]
    inputs = [tf.fill(shape, "x") for shape in shapes]
    found = in_blocks(tf.function(size, input_signature=specs), inputs, rows)
    assert found["text"].shape == inputs[0].shape
    return found["size"].numpy().tolist()


def test_rows_are_answered_in_blocks_and_those_of_long_lists_in_short_ones():
    assert sizes_of_blocks([(5,)], 2) == [2, 2, 2, 2, 1]
    assert sizes_of_blocks([(4,)], 64) == [4] * 4
    assert sizes_of_blocks([(0,)], 2) == []
    assert sizes_of_blocks([(5,), (5, 9_000), (5, 1_000)], 64) == [3, 3, 3, 2, 2]
    assert sizes_of_blocks([(2, 10**6)], 64) == [1, 1]


def test_rows_at_once_keep_intermediate_results_small():
    @tf.function(input_signature=[TEXT])
    def wide(text):
        number = tf.strings.length(text)[:, None]
        return {"sum": tf.reduce_sum(tf.tile(number, [1, 2**21]), axis=1)}

    @tf.function(input_signature=[TEXT])
    def narrow(text):
        return {"length": tf.strings.length(text)}

    assert (rows_at_once(wide), rows_at_once(narrow)) == (4, row_blocks.MAX_ROWS_AT_ONCE)


def test_many_rows_are_answered_as_each_alone(signatures):
    users = np.resize(["ann", "bob", "zoë", "new"], 150)
    together = signatures["recommend"](tf.constant(users))
    alone = [signatures["recommend"](tf.constant([one])) for one in users[:4]]
    for name in ("item_id", "title", "score", "source"):
        expected = np.concatenate([one[name].numpy() for one in alone])[np.arange(150) % 4]
        np.testing.assert_array_equal(together[name].numpy(), expected)


def test_cells_of_a_sparse_matrix_are_read_some_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = sp.random(40, 30, 0.3, "csr", np.float32, random_state=rng)
    vectors = rng.random((7, 40)).astype(np.float32) * (rng.random((7, 40)) < 0.3)
    monkeypatch.setattr("tfrec_fusion.layers.constant_matrix._CELLS_AT_ONCE", 5)
    vectors[1:4], vectors[6] = 0, 0  # the others together read fewer cells than there are
    layer = SparseMatrix.of(matrix)
    np.testing.assert_allclose(layer(vectors), vectors @ matrix, rtol=1e-5, atol=1e-6)
    many = rng.random((50, 40)).astype(np.float32)
    np.testing.assert_allclose(layer(many), many @ matrix, rtol=1e-5)


# ------------------------------------------------------------------ long histories

LENGTH = 6  # of the histories that the models of `test_models` read
LONG = [str(one) for one in DATA.items.ids[[5, 3, 9, 12, 1, 14, 2, 16, 7, 11, 4]]]


def model_of(name):
    if name == "ensemble":
        members = {one: model_of(one) for one in ("ease", "attention")}
        return Ensemble(members, {"ease": 0.4, "attention": 0.6})
    if name not in CASES:
        return zoo.build(name).fit(DATA.train, [f"item {row}" for row in range(len(TEXTS))])
    model = built(CASES[name])
    if isinstance(model, KnowsEvents):
        model.set_known(EVENTS)
    return model


@pytest.mark.parametrize(
    "name",
    [
        *("ease", "item_knn", "ensemble", "attention", "hybrid", "evidence"),
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("gru", "knowledge", "tasks")),
    ],
)
def test_of_a_long_history_the_last_items_are_read_and_none_is_recommended(name):
    model = model_of(name)
    titles = np.array([f"Title {row}" for row in range(len(DATA.items))], object)
    recommender = CatalogAnswers(model, DATA.users, DATA.items, titles, DATA.train)
    catalog = Catalog.checked(
        *(DATA.users.ids, DATA.items.ids, titles),
        *(recommender.known.matrix(), recommender.popularity),
    )
    models = ServedModels(model.score_model(DATA.train, frozen=True), model.history_model())
    graph = AnswerGraph(catalog, models).signatures((5,))
    gaps = [LONG[0], "", "unknown", *LONG[1:4], "", *LONG[4:], "", "unknown", ""]
    answer = graph["recommend_from_history"][0](tf.constant([gaps]))
    expected = recommender.recommend_from_history(LONG, 5)
    assert words(answer["item_id"]) == [expected["item_id"].tolist()]
    np.testing.assert_allclose(answer["score"][0], expected["score"], rtol=1e-4, atol=1e-5)
    assert not set(words(answer["item_id"])[0]) & set(LONG)
    if isinstance(model, MatrixChain | Ensemble):
        return  # a matrix reads all
    asked = [[LONG[-LENGTH:]], [LONG[:-LENGTH]], [[""]]]
    of_last = graph["recommend_from_history_filtered"][0](*map(tf.constant, asked))
    np.testing.assert_allclose(of_last["score"], answer["score"], rtol=1e-4, atol=1e-5)
    assert words(of_last["item_id"]) == words(answer["item_id"])
