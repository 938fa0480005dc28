"""The inverted file: lists that hold every item once, and scores that are products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec_fusion.serving.export.catalog import LOWEST
from tfrec_fusion.serving.index.inverted_file import InvertedFile, divided, recall_of

RNG = np.random.default_rng(0)
CENTERS = RNG.normal(size=(40, 16))
VECTORS = (CENTERS[RNG.integers(0, 40, 2001)] + 0.2 * RNG.normal(size=(2001, 16))).astype(
    np.float32
)
QUERIES = VECTORS[RNG.integers(1, 2001, 200)]
EXACT = QUERIES @ VECTORS.T
EXACT[:, 0] = -np.inf
BEST = np.argsort(-EXACT, axis=1)[:, :10]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 3))
def test_every_row_is_in_one_list_and_none_is_too_long(number, capacity, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 3, size=(number, 2)).astype(np.float32)  # with equal ones
    lists = divided(vectors, capacity, seed)
    assert sorted(np.concatenate(lists)) == list(range(number))
    assert all(0 < len(one) <= capacity for one in lists)


def test_all_lists_together_are_the_exact_search():
    index = InvertedFile.of(VECTORS, capacity=64, num_probes=10_000)
    assert index.num_probes == index.num_lists
    found = index(QUERIES)
    items, scores = np.asarray(found["items"]), np.asarray(found["scores"])
    assert (scores[items == 0] == LOWEST).all()
    for row, own, exact in zip(items, scores, EXACT, strict=True):
        there = row > 0
        assert sorted(row[there]) == list(range(1, 2001))
        np.testing.assert_allclose(own[there], exact[row[there]], rtol=1e-4, atol=1e-4)
    assert recall_of(index, QUERIES, BEST) == 1


def test_few_lists_hold_nearly_all_of_the_best():
    by_probes = []
    for probes in (1, 2, 8):
        index = InvertedFile.of(VECTORS, capacity=64, num_probes=probes)
        found = np.asarray(index(QUERIES)["items"])
        # Exact scores: every one of the best that is looked at is among the best that are found.
        shares = [np.isin(best, row).mean() for best, row in zip(BEST, found, strict=True)]
        by_probes.append(np.mean(shares))
        assert recall_of(index, QUERIES, BEST) == pytest.approx(by_probes[-1], abs=1e-12)
    assert by_probes == sorted(by_probes) and by_probes[0] > 0.5 and by_probes[-1] > 0.95


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_given_items_are_scored_as_those_that_are_found(precision):
    index = InvertedFile.of(VECTORS, capacity=64, num_probes=2, precision=precision)
    found = index(QUERIES)
    there = np.asarray(found["items"]) > 0
    of_given = np.asarray(index.scores_of(QUERIES, found["items"]))
    expected = np.asarray(found["scores"])[there]
    np.testing.assert_allclose(of_given[there], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 2e-2), ("int8", 2e-2)])
def test_short_numbers_cost_little(precision, tolerance):
    index = InvertedFile.of(VECTORS, capacity=64, num_probes=10_000, precision=precision)
    found = index(QUERIES)
    items, scores = np.asarray(found["items"]), np.asarray(found["scores"])
    exact = np.take_along_axis(EXACT, items, axis=1)
    there = items > 0
    assert np.abs(scores - exact)[there].max() < tolerance * np.abs(exact[there]).max()
    assert recall_of(index, QUERIES, BEST) > 0.8


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"between 1 and `num_lists`. Received: num_items=9, nu"):
        InvertedFile(9, 2, 4, 8, 3)
    with pytest.raises(ValueError, match=r"one of float32, bfloat16, int8\. Received: 'int4'"):
        InvertedFile(9, 2, 4, 8, 1, precision="int4")
    with pytest.raises(ValueError, match=r"all finite.* Received: 1 vectors"):
        divided(np.full((1, 2), np.nan), 4)


def test_numbers_of_int8_are_rounded_each_by_its_vectors_largest():
    vectors = np.array([[0, 0], [100, -41.7], [0.013, 0.0072], [-3, 2.48], [0, 0]], np.float32)
    query = np.array([[1.0, 0.5], [-2.0, 3.0]], np.float32)
    scales = np.maximum(np.abs(vectors).max(1, keepdims=True) / 127, 1e-30)
    expected = query @ (np.rint(vectors / scales) * scales).T
    index = InvertedFile.of(vectors, capacity=2, num_probes=9, precision="int8")
    np.testing.assert_allclose(np.asarray(index.all_scores(query))[:, 1:], expected[:, 1:], 1e-5)
    found = index(query)
    for row in range(2):
        for item, score in zip(found["items"][row], found["scores"][row], strict=True):
            if item:
                np.testing.assert_allclose(score, expected[row, item], rtol=1e-5)


def test_lists_of_a_cluster_are_full_and_cut_where_it_is_longest():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(16, 2)).astype(np.float32) * (10, 0.1)
    lists = divided(vectors, 10)
    assert sorted(map(len, lists)) == [6, 10]
    ends = sorted((vectors[one, 0].min(), vectors[one, 0].max()) for one in lists)
    assert ends[0][1] < ends[1][0]


def test_a_query_is_compared_with_the_means_of_lists():
    index = InvertedFile.of(VECTORS, capacity=64, num_probes=1)
    for mean, items in zip(np.asarray(index.means), np.asarray(index.items), strict=True):
        np.testing.assert_allclose(mean, VECTORS[items[items > 0]].mean(0), rtol=1e-4, atol=1e-5)


def test_recall_compares_each_query_with_its_own_best():
    number = np.arange(300)

    def exact(queries):
        return {"items": queries[:, :1].astype(int), "scores": np.ones((len(queries), 1))}

    assert recall_of(exact, number[:, None], number[:, None]) == 1
    assert recall_of(exact, number[:, None], number[:, None] % 299) == pytest.approx(299 / 300)
