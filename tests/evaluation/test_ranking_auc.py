"""AUC over the catalog: scikit-learn's, and by hand, on the scores that the lists are made of."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from tfrec_fusion.evaluation import ranking_auc
from tfrec_fusion.evaluation.bootstrap import resampled_counts
from tfrec_fusion.evaluation.ranking import evaluate_ranking

RNG = np.random.default_rng(0)
SCORES = RNG.integers(0, 9, size=(40, 30)).astype(float)  # with ties
CELLS = RNG.random((40, 30))
KNOWN, HELDOUT = sp.csr_matrix(CELLS < 0.2), sp.csr_matrix((CELLS > 0.8) & (CELLS[:, :1] > 0.1))


def measured(scores, known, heldout, **more):
    return evaluate_ranking(lambda users: scores[users], known, heldout, auc=True, **more)


@pytest.mark.parametrize("compared", [32, 2, 0])  # above it the row is sorted
@pytest.mark.parametrize("allow_seen", [False, True])
def test_it_is_scikit_learns_auc_of_each_user(compared, allow_seen, monkeypatch):
    monkeypatch.setattr(ranking_auc, "_COMPARED", compared)
    ranked, expected = np.arange(30) > 0, {}
    for user in range(40):
        kept = ranked & (allow_seen | ~KNOWN.toarray()[user])
        label = HELDOUT.toarray()[user][kept]
        if 0 < label.sum() < len(label):
            expected[user] = roc_auc_score(label, SCORES[user][kept])
    for batch_size in (None, 7):
        chosen = {"candidates": ranked, "batch_size": batch_size, "allow_seen": allow_seen}
        found = measured(SCORES, KNOWN, HELDOUT, **chosen)
        assert found.metrics["auc"] == pytest.approx(np.mean(list(expected.values())), abs=1e-12)
        by_user = dict(zip(found.users.tolist(), found.per_user["auc"].tolist(), strict=True))
        defined = {user: one for user, one in by_user.items() if not np.isnan(one)}
        assert defined == pytest.approx(expected, abs=1e-12) and len(defined) < 40
        low, high = found.intervals["auc"]
        assert low < found.metrics["auc"] < high


def test_a_user_without_an_item_to_compare_with_does_not_count():
    scores = np.array([[3.0, 1, 2], [1, 2, 3]])
    known = sp.csr_matrix(np.array([[1, 1, 0], [0, 0, 0]]))
    heldout = sp.csr_matrix(np.array([[0, 0, 1], [0, 1, 0]]))
    found = measured(scores, known, heldout)
    assert found.metrics["auc"] == 0.5 and "auc" not in found.intervals
    np.testing.assert_array_equal(found.per_user["auc"], [np.nan, 0.5])


def test_known_items_count_on_neither_side_and_ties_half():
    # User 0: item 1 known; items 2 and 4 held out against 0, 3 and 5. User 1: nothing held out.
    scores = np.array([[1.0, 9, 2, 2, 5, 0], [1, 2, 3, 4, 5, 6], [3, 3, 3, 9, 1, 1]])
    known, heldout = np.zeros((2, 3, 6))
    known[0, 1] = known[2, 3] = heldout[0, [2, 4]] = heldout[2, 0] = 1
    won = (1 + 0.5 + 1) + 3, 0.5 + 0.5 + 1 + 1  # above 0, 3, 5; above 1, 2, 4, 5
    aucs = np.array([won[0] / 6, won[1] / 4])
    sparse = sp.csr_matrix(known), sp.csr_matrix(heldout)
    found = measured(scores, *sparse, num_bootstrap=30, seed=2)
    assert found.metrics["auc"] == pytest.approx(aucs.mean())
    means = np.concatenate(list(resampled_counts(2, 30, seed=2))) @ aucs / 2
    assert found.intervals["auc"] == pytest.approx(np.quantile(means, [0.025, 0.975]))
    few = measured(scores, *sparse, candidates=np.arange(6) != 3, num_bootstrap=0)
    assert few.metrics["auc"] == pytest.approx((4 / 4 + 3 / 4) / 2)


def test_lists_and_auc_score_each_user_once():
    asked = []

    def score(users):
        asked.extend(users.tolist())
        return SCORES[users]

    found = evaluate_ranking(score, KNOWN, HELDOUT, auc=True, num_bootstrap=0, batch_size=4)
    assert asked == found.users.tolist()
    alone = evaluate_ranking(lambda users: SCORES[users], KNOWN, HELDOUT, num_bootstrap=0)
    assert {**alone.metrics, "auc": found.metrics["auc"]} == found.metrics


def test_without_anything_to_compare_it_is_missing_and_a_note_says_so():
    known = sp.csr_matrix(HELDOUT)  # all that is held out is known
    found = measured(SCORES, known, HELDOUT)
    assert "auc" not in found.metrics and "auc" not in found.intervals
    assert found.metrics["ndcg@10"] == 0
    assert found.notes == (
        "AUC is undefined and omitted: no user has both a held-out item that can be ranked and "
        "another item.",
    )


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="must return finite numbers"):
        measured(SCORES * np.nan, KNOWN, HELDOUT)
