"""The inverted file: lists that hold every item once, and scores that are products."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec_fusion.serving.catalogue import LOWEST
from tfrec_fusion.serving.inverted_file import InvertedFile, divided, recall_of

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(40, 16))
VECTORS = (CENTRES[RNG.integers(0, 40, 2001)] + 0.2 * RNG.normal(size=(2001, 16))).astype(
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
