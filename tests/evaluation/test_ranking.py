"""Full ranking: numbers worked by hand, agreement with the plain restatement, bounds, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_protocol import reference_ranking

from tfrec_fusion.evaluation.bootstrap import (
    percentile_interval,
    resampled_counts,
    resampled_means,
)
from tfrec_fusion.evaluation.ranking import RankingResult, evaluate_ranking
from tfrec_fusion.evaluation.top_items import top_items

# Two users, six items. User 0 knows item 0 and should find 2 and 4; user 1 knows 1, should find 5.
KNOWN = sp.csr_matrix(np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], np.float32))
HELDOUT = sp.csr_matrix(np.array([[0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 0, 1]], np.float32))
SCORES = np.array([[9.0, 5, 4, 3, 2, 1], [5, 9, 4, 3, 2, 1]], np.float32)


def ranked(scores: np.ndarray = SCORES, **kwargs: object) -> RankingResult:
    arguments = {"known": KNOWN, "heldout": HELDOUT, "ks": (2,)} | kwargs
    known, heldout = arguments.pop("known"), arguments.pop("heldout")
    return evaluate_ranking(lambda users: scores[users], known, heldout, **arguments)


def test_accuracy_by_hand():
    # User 0 ranks 1, 2, 3, 4, 5: hits at ranks 2 and 4. User 1 ranks 0, 2, 3, 4, 5: hit at 5.
    metrics = ranked(ks=(2, 5)).metrics
    log2 = math.log2
    assert metrics["recall@2"] == pytest.approx((1 / 2 + 0) / 2)
    assert metrics["hr@2"] == pytest.approx(1 / 2)
    assert metrics["mrr@5"] == pytest.approx((1 / 2 + 1 / 5) / 2)
    first = (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3))
    assert metrics["ndcg@5"] == pytest.approx((first + 1 / log2(6)) / 2)


def test_per_user_values_are_behind_the_means():
    result = ranked(ks=(5,))
    assert result.users.tolist() == [0, 1]
    assert result.per_user["recall@5"].tolist() == [1.0, 1.0]
    assert result.per_user["mrr@5"] == pytest.approx([0.5, 0.2])
    assert result.seconds > 0


def test_exposure_by_hand():
    # Top 2 are {1, 2} and {0, 2}: exposure of the six items is 1, 1, 2, 0, 0, 0.
    metrics = ranked().metrics
    assert metrics["coverage@2"] == pytest.approx(3 / 6)
    # Ascending 0 0 0 1 1 2 with weights 2i - 7: (1 * 1 + 3 * 1 + 5 * 2) / (6 * 4)
    assert metrics["gini@2"] == pytest.approx(14 / 24)


def test_even_exposure_has_gini_zero():
    scores = np.array([[0, 0, 9, 8, 0, 0], [9, 0, 0, 0, 8, 0]], np.float32)
    candidates = np.array([True, False, True, True, True, False])
    result = ranked(scores, candidates=candidates)
    assert result.metrics["gini@2"] == pytest.approx(0.0)
    assert result.metrics["coverage@2"] == pytest.approx(1.0)


def test_popularity_by_hand():
    popularity = np.array([10.0, 4, 6, 0, 0, 0])
    result = ranked(item_popularity=popularity)
    # Lists {1, 2} and {0, 2}: means 5 and 8. Histories {0} and {1}: means 10 and 4.
    assert result.per_user["popularity@2"].tolist() == [5.0, 8.0]
    assert result.metrics["popularity@2"] == pytest.approx(6.5)
    assert result.metrics["popularity_ratio@2"] == pytest.approx(6.5 / 7)


def test_popularity_defaults_to_counts_of_known_items():
    assert ranked().metrics["popularity@2"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_popularity_is_that_of_known_items_not_of_held_out_ones():
    heldout = sp.csr_matrix(np.array([[0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]], np.float32))
    known = sp.csr_matrix(np.array([[0, 0, 1, 0, 0, 0], [0, 0, 1, 0, 0, 0]], np.float32))
    assert ranked(known=known, heldout=heldout, ks=(1,)).metrics["popularity@1"] == 0.0
    more = sp.csr_matrix(np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]], np.float32))
    assert ranked(known=more, heldout=KNOWN[::-1], ks=(1,)).metrics["popularity@1"] == 1.0


def test_the_ratio_compares_with_histories_of_those_who_have_one():
    known = sp.csr_matrix(np.array([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]], np.float32))
    result = ranked(known=known, item_popularity=np.array([10.0, 4, 6, 0, 0, 0]))
    assert result.per_user["popularity@2"].tolist() == [5.0, 7.0]  # of {1, 2} and {1, 0}
    assert result.metrics["popularity_ratio@2"] == pytest.approx(6 / 10)


def test_no_history_leaves_the_ratio_out():
    metrics = ranked(known=sp.csr_matrix(KNOWN.shape)).metrics
    assert "popularity_ratio@2" not in metrics
    assert metrics["popularity@2"] == 0.0


def test_users_without_held_out_items_are_left_out():
    heldout = HELDOUT.copy().tolil()
    heldout[0] = 0
    result = ranked(heldout=heldout.tocsr(), ks=(5,))
    assert result.users.tolist() == [1]
    assert result.metrics["recall@5"] == 1.0


def test_stored_zeros_are_not_positives():
    heldout = HELDOUT.copy()
    heldout.data[:2] = 0
    assert ranked(heldout=heldout).users.tolist() == [1]


def test_ties_go_to_the_smaller_index():
    items, _ = top_items(lambda u: np.zeros((len(u), 6)), np.array([0, 1]), KNOWN, k=3)
    assert items.tolist() == [[1, 2, 3], [0, 2, 3]]


def test_fewer_candidates_than_k():
    candidates = np.array([True, True, True, False, False, False])
    users = np.array([0, 1])
    items, scores = top_items(lambda u: SCORES[u], users, KNOWN, k=4, candidates=candidates)
    assert items.tolist() == [[1, 2, -1, -1], [0, 2, -1, -1]]
    assert np.isneginf(scores[:, 2:]).all()
    metrics = ranked(ks=(4,), candidates=candidates).metrics
    assert metrics["recall@4"] == pytest.approx((1 / 2 + 0) / 2)
    assert metrics["coverage@4"] == pytest.approx(1.0)
    assert metrics["popularity@4"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_a_list_longer_than_the_catalog_holds_all_of_it():
    # User 0 ranks 1, 2, 3, 4, 5 and hits at 2 and 4; user 1 ranks 0, 2, 3, 4, 5.
    every, longer = ranked(ks=(6,)), ranked(ks=(9,))
    for name in ("ndcg", "recall", "hr", "mrr", "coverage", "popularity"):
        assert longer.metrics[f"{name}@9"] == pytest.approx(every.metrics[f"{name}@6"])


def test_one_user_has_numbers_and_no_interval():
    found = ranked(heldout=sp.csr_matrix(HELDOUT.toarray() * [[1], [0]]))
    assert found.users.tolist() == [0] and found.metrics["recall@2"] == 1 / 2
    assert found.intervals == {}
    assert found.notes == (
        "One user is measured: an interval over users is undefined and omitted.",
    )


def test_items_already_seen_are_ranked_where_that_is_wanted():
    # Both users know what is held out; user 0 ranks 0 first, user 1 ranks 1 first.
    known = sp.csr_matrix(np.array([[1, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]]))
    heldout = sp.csr_matrix(np.array([[1, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0]]))
    assert ranked(known=known, heldout=heldout).metrics["recall@2"] == 0
    found = ranked(known=known, heldout=heldout, allow_seen=True)
    assert found.metrics["recall@2"] == (1 / 2 + 1) / 2
    assert found.metrics["mrr@2"] == 1
    # Popularity is still that of what is known: 0, 1 and 2 by one user each.
    assert found.metrics["popularity@2"] == found.metrics["popularity_ratio@2"] == 1


@pytest.mark.parametrize("most", [1, 5, 30])  # items that a user knows
def test_a_row_that_users_share_is_ranked_as_if_it_were_theirs(most):
    rng = np.random.default_rng(most)
    row = rng.integers(0, 5, 30).astype(np.float32)  # with ties
    known = sp.csr_matrix(rng.random((20, 30)) < most / 30)
    users, candidates = np.arange(20), np.arange(30) > 0
    for k in (1, 10, 30):
        for size in (1, 7, 20):
            asked = {"k": k, "candidates": candidates, "batch_size": size}
            own = top_items(lambda u: np.tile(row, (len(u), 1)), users, known, **asked)
            shared = top_items(lambda u: np.broadcast_to(row, (len(u), 30)), users, known, **asked)
            np.testing.assert_array_equal(shared[0], own[0])
            np.testing.assert_array_equal(shared[1], own[1])
    broken = np.broadcast_to(np.where(row == 4, np.nan, row), (20, 30))
    with pytest.raises(ValueError, match="must return finite numbers"):
        top_items(lambda u: broken[: len(u)], users, known, k=2)


def test_known_items_are_never_hits():
    result = ranked(known=HELDOUT, ks=(6,))
    assert result.metrics["hr@6"] == 0.0


def test_the_callers_scores_are_not_changed():
    scores = SCORES.copy()
    evaluate_ranking(lambda users: scores[0:2], KNOWN, HELDOUT, ks=(2,))
    assert (scores == SCORES).all()


def test_tensors_of_any_float_type_are_scores():
    expected = ranked().metrics
    for dtype in (tf.float16, tf.bfloat16, tf.float64):
        tensor = tf.constant(SCORES, dtype)
        result = evaluate_ranking(
            lambda users, t=tensor: tf.gather(t, users), KNOWN, HELDOUT, ks=(2,)
        )
        assert result.metrics == expected


def test_batches_change_nothing():
    generator = np.random.default_rng(0)
    scores = generator.random((50, 30))
    known = sp.random(50, 30, 0.2, format="csr", random_state=1)
    heldout = sp.random(50, 30, 0.1, format="csr", random_state=2)
    sizes: list[int] = []

    def score(users: np.ndarray) -> np.ndarray:
        sizes.append(len(users))
        return scores[users]

    whole = evaluate_ranking(score, known, heldout)
    small = evaluate_ranking(score, known, heldout, batch_size=7)
    assert small.metrics == whole.metrics
    assert max(sizes[1:]) == 7


def test_blocks_of_scores_stay_small():
    num_items = 200_000
    known = sp.csr_matrix((300, num_items), dtype=np.float32)
    sizes: list[int] = []

    def score(users: np.ndarray) -> np.ndarray:
        sizes.append(len(users) * num_items * 4)
        return np.zeros((len(users), num_items), np.float32)

    top_items(score, np.arange(300), known, k=5)
    assert max(sizes) <= 64 * 2**20


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties, known and held-out items that may overlap or be missing."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 30))
    levels = draw(st.sampled_from([1, 2, 5, 1000]))
    dtype = draw(st.sampled_from([np.float32, np.float64, np.int64]))
    scores = generator.integers(-levels, levels + 1, shape).astype(dtype)
    if dtype != np.int64:
        scores /= 7
    known = generator.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.95]))
    heldout = generator.random(shape) < draw(st.sampled_from([0.05, 0.3, 1.0]))
    heldout[0, 0] = True
    return scores, known, heldout


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(1, 5), st.integers(1, 30))
def test_agrees_with_the_protocol(problem, batch_size, most):
    scores, known, heldout = problem
    ks = tuple(sorted({1, min(3, scores.shape[1]), min(most, scores.shape[1])}))
    expected = reference_ranking(scores, known, heldout, ks)
    result = evaluate_ranking(
        lambda users: scores[users],
        sp.csr_matrix(known),
        sp.csr_matrix(heldout),
        ks=ks,
        batch_size=batch_size,
        num_bootstrap=0,
    )
    for name, value in expected.items():
        assert result.metrics[name] == pytest.approx(value, abs=1e-6), name


@settings(max_examples=100, deadline=None)
@given(problems(), st.data())
def test_top_items_are_the_first_of_a_stable_sort(problem, data):
    scores, known, _ = problem
    scores = np.tile(scores, 4)[:, : scores.shape[1] * 4 - data.draw(st.integers(0, 3))]
    known = np.tile(known, 4)[:, : scores.shape[1]]
    k = data.draw(st.integers(1, scores.shape[1]))
    users = np.arange(len(scores))
    items, values = top_items(lambda u: scores[u], users, sp.csr_matrix(known), k=k)
    masked = np.where(known, -np.inf, scores)
    expected = np.argsort(-masked, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(values, np.take_along_axis(masked, expected, axis=1))
    assert (items == np.where(np.isfinite(values), expected, -1)).all()


def test_intervals_hold_the_mean_and_are_reproducible():
    generator = np.random.default_rng(3)
    scores = generator.random((200, 40))
    known = sp.random(200, 40, 0.1, format="csr", random_state=4)
    heldout = sp.random(200, 40, 0.1, format="csr", random_state=5)
    first = evaluate_ranking(lambda u: scores[u], known, heldout, seed=1)
    again = evaluate_ranking(lambda u: scores[u], known, heldout, seed=1)
    other = evaluate_ranking(lambda u: scores[u], known, heldout, seed=2)
    assert first.intervals == again.intervals != other.intervals
    for name, (low, high) in first.intervals.items():
        assert low < first.metrics[name] < high
    assert set(first.metrics) - set(first.intervals) == {
        "coverage@10",
        "coverage@20",
        "gini@10",
        "gini@20",
    }
    # Half the width of a 95% interval of a mean is about 1.96 standard errors.
    values = first.per_user["ndcg@10"]
    low, high = first.intervals["ndcg@10"]
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(len(values)), rel=0.1)


def test_intervals_are_quantiles_of_means_over_resampled_users():
    generator = np.random.default_rng(6)
    scores = generator.random((9, 12))
    heldout = sp.csr_matrix(generator.random((9, 12)) < 0.4)
    result = evaluate_ranking(
        lambda users: scores[users], sp.csr_matrix((9, 12)), heldout, ks=(3,), num_bootstrap=50
    )
    counts = np.concatenate(list(resampled_counts(len(result.users), 50, seed=0)))
    assert len(np.unique(result.per_user["ndcg@3"])) > 3
    for name, values in result.per_user.items():
        means = [np.repeat(values, drawn.astype(int)).mean() for drawn in counts]
        assert result.intervals[name] == pytest.approx(np.quantile(means, [0.025, 0.975]))


def test_no_bootstrap_no_intervals():
    assert ranked(num_bootstrap=0).intervals == {}


def test_resampled_counts_draw_as_many_rows_as_there_are():
    blocks = list(resampled_counts(7, 20, seed=0))
    counts = np.concatenate(blocks)
    assert counts.shape == (20, 7)
    assert (counts.sum(axis=1) == 7).all()


def test_blocks_of_resamples_do_not_change_them(monkeypatch):
    values = np.random.default_rng(0).random((11, 2))
    whole = resampled_means(values, 30, seed=5)
    monkeypatch.setattr("tfrec_fusion.evaluation.bootstrap.BLOCK_CELLS", 22)
    assert resampled_means(values, 30, seed=5) == pytest.approx(whole)


def test_means_of_what_is_alike_are_alike():
    assert resampled_means(np.full((5, 2), 3.0), 20, seed=1) == pytest.approx(np.full((20, 2), 3.0))


def test_interval_without_a_defined_replicate_is_nan():
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ks": ()}, "`ks` must be one or more numbers from 1 up"),
        ({"ks": (0, 5)}, "`ks` must be one or more numbers from 1 up"),
        ({"known": sp.csr_matrix((2, 5))}, r"same shape .*\(2, 5\) and \(2, 6\)"),
        ({"known": KNOWN.toarray()}, "`known` must be a scipy CSR matrix. Received: ndarray"),
        ({"heldout": sp.csr_matrix((2, 6))}, "`heldout` must hold at least one positive cell"),
        ({"candidates": np.ones(5, bool)}, r"bool mask of shape \(6,\).*shape \(5,\)"),
        ({"candidates": np.ones(6)}, "bool mask .* dtype float64"),
        ({"candidates": np.zeros(6, bool)}, "`candidates` must allow at least one item"),
        ({"item_popularity": np.ones(3)}, r"`item_popularity` must be finite .*\(6,\)"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"num_bootstrap": -1}, "`num_bootstrap` must be 0"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        ranked(**changes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_must_be_finite(bad):
    scores = SCORES.copy()
    scores[1, 3] = bad
    with pytest.raises(ValueError, match=rf"finite numbers\. Received: {bad} for user 1, item 3"):
        ranked(scores)


def test_scores_must_have_a_row_a_user():
    with pytest.raises(ValueError, match=r"\(batch, num_items\) = \(2, 6\)\. Received: \(2, 5\)"):
        ranked(SCORES[:, :5])


def test_top_items_needs_a_k_within_the_catalog():
    with pytest.raises(ValueError, match=r"`k` must be .* at most num_items\. Received: k=9"):
        top_items(lambda u: SCORES[u], np.array([0]), KNOWN, k=9)


def test_no_rows_to_resample():
    with pytest.raises(ValueError, match="`num_rows` must be at least 1"):
        list(resampled_counts(0, 10, seed=0))
