import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score

from tfrec_fusion.evaluation.bootstrap import resampled_counts
from tfrec_fusion.evaluation.ranking_auc import ranking_auc

RNG = np.random.default_rng(0)
SCORES = RNG.integers(0, 9, size=(40, 30)).astype(float)  # with ties
CELLS = RNG.random((40, 30))
KNOWN, HELDOUT = sp.csr_matrix(CELLS < 0.2), sp.csr_matrix((CELLS > 0.8) & (CELLS[:, :1] > 0.1))


def test_it_is_scikit_learns_auc_of_each_user():
    ranked = np.arange(30) > 0
    expected = []
    for user in range(40):
        kept = ranked & ~KNOWN.toarray()[user]
        label = HELDOUT.toarray()[user][kept]
        if 0 < label.sum() < len(label):
            expected.append(roc_auc_score(label, SCORES[user][kept]))
    found = ranking_auc(lambda users: SCORES[users], KNOWN, HELDOUT, candidates=ranked)
    assert found.metrics["auc"] == pytest.approx(np.mean(expected))
    assert found.num_events == len(expected) < 40
    low, high = found.intervals["auc"]
    assert low < found.metrics["auc"] < high


def test_a_user_without_an_item_to_compare_with_does_not_count():
    scores = np.array([[3.0, 1, 2], [1, 2, 3]])
    known = sp.csr_matrix(np.array([[1, 1, 0], [0, 0, 0]]))
    heldout = sp.csr_matrix(np.array([[0, 0, 1], [0, 1, 0]]))
    found = ranking_auc(lambda users: scores[users], known, heldout)
    assert found.metrics["auc"] == 0.5 and found.num_events == 1


def test_known_items_count_on_neither_side_and_ties_half():
    # User 0: item 1 known; items 2 and 4 held out against 0, 3 and 5. User 1: nothing held out.
    scores = np.array([[1.0, 9, 2, 2, 5, 0], [1, 2, 3, 4, 5, 6], [3, 3, 3, 9, 1, 1]])
    known, heldout = np.zeros((2, 3, 6))
    known[0, 1] = known[2, 3] = heldout[0, [2, 4]] = heldout[2, 0] = 1
    won = (1 + 0.5 + 1) + 3, 0.5 + 0.5 + 1 + 1  # above 0, 3, 5; above 1, 2, 4, 5
    aucs = np.array([won[0] / 6, won[1] / 4])
    sparse = sp.csr_matrix(known), sp.csr_matrix(heldout)
    found = ranking_auc(lambda users: scores[users], *sparse, num_bootstrap=30, seed=2)
    assert found.metrics["auc"] == pytest.approx(aucs.mean())
    assert found.num_events == 2
    means = np.concatenate(list(resampled_counts(2, 30, seed=2))) @ aucs / 2
    assert found.intervals["auc"] == pytest.approx(np.quantile(means, [0.025, 0.975]))
    few = ranking_auc(
        lambda users: scores[users], *sparse, candidates=np.arange(6) != 3, num_bootstrap=0
    )
    assert few.metrics["auc"] == pytest.approx((4 / 4 + 3 / 4) / 2)


def test_many_users_are_scored_in_parts(monkeypatch):
    whole = ranking_auc(lambda users: SCORES[users], KNOWN, HELDOUT, num_bootstrap=0)
    monkeypatch.setattr("tfrec_fusion.evaluation.ranking_auc._CELLS_AT_ONCE", 100)
    sizes = []

    def score(users):
        sizes.append(len(users))
        return SCORES[users]

    assert ranking_auc(score, KNOWN, HELDOUT, num_bootstrap=0) == whole
    assert max(sizes) <= 4


def test_scores_that_are_no_numbers_and_users_without_either_kind_are_refused():
    with pytest.raises(ValueError, match="must be finite"):
        ranking_auc(lambda users: SCORES[users] * np.nan, KNOWN, HELDOUT)
    with pytest.raises(ValueError, match="Received: none"):
        ranking_auc(lambda users: SCORES[users], KNOWN, sp.csr_matrix(HELDOUT.shape))
