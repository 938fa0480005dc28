"""An index as large as its recall asks for, and what it costs."""

import numpy as np
import pytest
import scipy.sparse as sp
from built_models import DATA, shared
from reference_protocol import assert_ranked

from tfrec_fusion.serving.export.catalog import LOWEST
from tfrec_fusion.zoo.exports.item_index import (
    _best,
    _surely,
    found_scores,
    item_index,
    ndcg_beside_exact,
    with_one,
)

KNOWN = DATA.train


@pytest.fixture(scope="module")
def model():
    return shared("attention").model


@pytest.fixture(scope="module")
def exhaustive(model):
    """An index that finds everything."""
    return item_index(model, KNOWN, recall_floor=1.0, capacity=2)


def test_the_index_looks_through_as_many_lists_as_its_recall_asks_for(model, exhaustive):
    probes = {}
    for floor in (0.3, 0.9, 1.0):
        found = exhaustive
        if floor < 1:
            found = item_index(model, KNOWN, recall_floor=floor, capacity=2)
        assert found.recall >= floor
        probes[floor] = found.index.num_probes
    assert probes[0.3] < probes[1.0] <= found.index.num_lists
    assert probes[0.3] <= probes[0.9] <= probes[1.0]


def test_recall_is_that_of_new_items(model, exhaustive):
    found = exhaustive
    users = np.unique(KNOWN.user)
    query = with_one(np.asarray(found.of_users({"user_id": users})["query"]))
    exact = np.asarray(model.score_model(KNOWN)({"user_id": users})["scores"])
    near = found_scores(found.index, query)
    there = near > LOWEST
    np.testing.assert_allclose(near[there], exact[there], rtol=1e-4, atol=1e-4)
    assert not there[:, 0].any()


def assert_ndcg(received, scores, users):
    """Compares NDCG@10 of scores of `users` with the plain restatement of the protocol."""
    known, heldout = (events.matrix().toarray() > 0 for events in (KNOWN, DATA.test))
    known[:, 0] = True
    everybody = np.zeros(known.shape)
    everybody[users] = scores
    assert_ranked({"ndcg@10": received}, everybody, known, heldout, ks=(10,))


def test_what_short_numbers_cost_is_said(model, exhaustive, monkeypatch):
    found = item_index(model, KNOWN, "int8", recall_floor=0.5, capacity=2)
    ndcg, exact = ndcg_beside_exact(model, found, KNOWN, DATA.test)
    users = np.unique(DATA.test.user)
    query = with_one(np.asarray(found.of_users({"user_id": users})["query"]))
    assert_ndcg(ndcg, found_scores(found.index, query), users)
    scores = np.asarray(model.score_model(KNOWN)({"user_id": users})["scores"])
    assert_ndcg(exact, scores, users)
    monkeypatch.setattr(exhaustive.index, "num_probes", exhaustive.index.num_lists)
    same, exact = ndcg_beside_exact(model, exhaustive, KNOWN, DATA.test)
    assert same == pytest.approx(exact, abs=1e-6)


def test_what_cannot_be_indexed_is_refused(model, monkeypatch):
    with pytest.raises(ValueError, match=r"NCF has no item vectors .* Export it without an index"):
        item_index(shared("neumf").model, KNOWN)
    with pytest.raises(ValueError, match=r"`recall_floor` must be above 0.* Received: 1\.5"):
        item_index(model, KNOWN, recall_floor=1.5)
    monkeypatch.setattr(
        "tfrec_fusion.zoo.exports.item_index.found_scores",
        lambda index, query: np.zeros((len(query), 21)),
    )
    with pytest.raises(ValueError, match=r"below recall_floor=0\.95, looking .* lists \(int8\)"):
        item_index(model, KNOWN, "int8", capacity=2)


def exact_from(probes, asked=None):
    """The exact search, of an index that looks through so many lists; before, nothing is found."""

    def scores(index, queries):
        if asked is not None:
            asked.append(queries)
        if index.num_probes < probes:
            return np.zeros((len(queries), index.num_items), np.float32)
        return np.array(index.all_scores(queries))

    return scores


def test_the_number_of_lists_is_doubled_until_the_recall_is_reached(model, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.exports.item_index.found_scores", exact_from(3))
    found = item_index(model, KNOWN, capacity=1)
    assert found.index.num_lists > 4 and found.index.num_probes == 4 and found.recall == 1


def test_recall_is_that_of_users_who_did_not_choose(model, monkeypatch):
    asked = []
    monkeypatch.setattr("tfrec_fusion.zoo.exports.item_index.found_scores", exact_from(1, asked))
    item_index(model, KNOWN, capacity=2)
    choosing, judging = ({tuple(row) for row in one.tolist()} for one in asked)
    assert not choosing & judging
    assert len(choosing) + len(judging) == len(np.unique(KNOWN.user))


def test_a_recall_counts_less_the_fewer_have_been_asked():
    values = np.array([1.0, 0.5, 1.0, 1.0])
    assert _surely(values) == pytest.approx(values.mean() - 2 * np.sqrt(0.046875) / 2)


def test_the_best_are_items_that_are_not_seen_yet():
    scores = np.arange(15.0)
    seen = sp.csr_matrix(np.isin(np.arange(15), [14, 3, 8])[None, :])
    found = _best(lambda some: np.tile(scores, (len(some), 1)), np.ones(1), seen)
    assert sorted(found[0]) == [2, 4, 5, 6, 7, 9, 10, 11, 12, 13]


def test_a_one_is_appended_to_queries_for_what_is_added_to_scores():
    assert with_one(np.array([[2.0, 3.0]])).tolist() == [[2.0, 3.0, 1.0]]
