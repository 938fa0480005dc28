"""How models of the zoo are measured: what they are told, and the numbers, by hand."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from event_tables import events_of
from keras import ops
from sklearn.metrics import roc_auc_score

from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.models.text_hybrid.new_items import boost_for_share
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.pair_metrics import pair_metrics
from tfrec_fusion.zoo.runs.score_weights import LANGUAGE_WEIGHTS, choose_score_weights

KNOWN = events_of([(1, 1, 1), (1, 2, 2), (2, 3, 1), (2, 4, 2)])
HELDOUT = events_of([(1, 3, 3), (2, 5, 3)])


class Told:
    """A model that keeps what it was told, and scores by a table."""

    def __init__(self, scores):
        self.scores, self.told = np.asarray(scores, np.float32), []

    def score_model(self, known=None, frozen=False):
        self.told.append(known)
        user = keras.Input((), dtype="int32", name="user_id")
        table = keras.layers.Embedding(*self.scores.shape)
        model = keras.Model({"user_id": user}, {"scores": table(user)})
        table.set_weights([self.scores])
        return model


def scores(**best):
    """Item 0 and known items stand first, then the items given, then all others alike."""
    table = np.zeros((6, 12))
    table[:, 0] = 99
    table[KNOWN.user, KNOWN.item] = 50
    for user, items in best.items():
        table[int(user[1:]), items] = np.arange(len(items), 0, -1)
    return table


def test_lists_hold_neither_known_items_nor_the_unseen_one():
    model = Told(scores(u1=[3], u2=[7, 6, 5]))
    result = ranking_of(model, KNOWN, HELDOUT, num_bootstrap=0)()
    assert model.told == [KNOWN]
    assert result.per_user["mrr@10"].tolist() == [1, 1 / 3]
    assert result.metrics["ndcg@10"] == pytest.approx((1 + 1 / 2) / 2)
    assert result.intervals == {}
    assert set(ranking_of(model, KNOWN, HELDOUT, num_bootstrap=5)().intervals) >= {"ndcg@10"}


def test_auc_compares_with_items_that_are_new_to_the_user():
    model = Told(scores(u1=[3], u2=[7, 6, 5]))
    result = ranking_of(model, KNOWN, HELDOUT, num_bootstrap=0, auc=True)()
    assert model.told == [KNOWN]
    assert result.metrics["auc"] == pytest.approx((1 + 6 / 8) / 2)  # of 8 others two stand before
    assert result.intervals == {}
    assert "auc" in ranking_of(model, KNOWN, HELDOUT, num_bootstrap=5, auc=True)().intervals


RATED = Events(
    user=np.array([1, 1, 2, 2, 3], np.int32),
    item=np.array([1, 2, 3, 4, 5], np.int32),
    rating=np.array([5, 4, 3, 4, 1], np.float32),
    timestamp=np.arange(5),
    num_users=6,
    num_items=12,
    text=np.array(["a b", "a", "b b c", "", "c"], object),
)
TOKENS = np.array([[1, 2, 0], [1, 0, 0], [2, 2, 3], [0, 0, 0], [3, 0, 0]], np.int32)
LENGTHS = np.array([2, 1, 3, 0, 1], np.int32)
SENTIMENT = np.array([0.0, 0.2, 0.3, -0.1, -0.2, 0.1], np.float32)  # of items
SAID = np.array([[0, 9, 0, 0], [1, 0, 2, 0], [0, 1, 0, 3], [2, 0, 1, 0]], np.float32)  # of tokens


class PairModel:
    """Rates by the item's number, and predicts each token by a table of itself."""

    def __init__(self):
        self.config = SimpleNamespace(reads_reviews=True, good_rating=4.0)
        self.told = []

    def read_reviews(self, texts):
        assert list(texts) == RATED.text.tolist()
        return {"token_ids": TOKENS, "num_tokens": LENGTHS}

    def pair_model(self, known):
        self.told.append(known)
        x = {
            "user_id": keras.Input((), dtype="int32", name="user_id"),
            "item_id": keras.Input((), dtype="int32", name="item_id"),
            "review_token_ids": keras.Input((3,), dtype="int32", name="review_token_ids"),
            "review_num_tokens": keras.Input((), dtype="int32", name="review_num_tokens"),
        }
        feeling, words = keras.layers.Embedding(6, 1), keras.layers.Embedding(4, 4)
        y = {
            "rating": ops.cast(x["item_id"], "float32"),
            "sentiment": feeling(x["item_id"])[:, 0],
            "next_token": words(x["review_token_ids"]),
        }
        model = keras.Model(x, y)
        feeling.set_weights([SENTIMENT[:, None]])
        words.set_weights([SAID])
        return model


def test_tasks_are_measured_by_their_definitions():
    model = PairModel()
    found = pair_metrics(model, KNOWN, RATED, num_bootstrap=0)().metrics
    assert model.told == [KNOWN]
    error = RATED.item - RATED.rating
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found["mae"] == pytest.approx(np.mean(np.abs(error)))
    good = RATED.rating >= 4  # 4 itself included
    assert found["sentiment_auc"] == pytest.approx(roc_auc_score(good, SENTIMENT[RATED.item]))
    chance = np.exp(SAID) / np.exp(SAID).sum(1, keepdims=True)
    own = np.concatenate([row[:length] for row, length in zip(TOKENS, LENGTHS, strict=True)])
    assert found["perplexity"] == pytest.approx(
        np.exp(-np.mean(np.log(chance[own, own]))), rel=1e-5
    )


class Weighed:
    """A model whose lists are best with one weight of language."""

    def __init__(self, best):
        self.best, self.set = best, []

    def set_score_weights(self, behavior, language):
        self.set.append((behavior, language))

    def score(self, users):
        table = scores(u1=[3], u2=[5])
        if self.best is not None and self.set[-1][1] != self.best:
            table[:, 6] = 10  # stands before what is held out
        return table[users]


@pytest.mark.parametrize(("best", "chosen"), [(0.25, 0.25), (3.0, 3.0), (None, 1.0)])
def test_score_weights_are_the_best_and_without_a_best_those_of_training(best, chosen):
    model = Weighed(best)
    found = choose_score_weights(model, KNOWN, HELDOUT)
    assert found == {"behavior": 1.0, "language": chosen}
    assert model.set[-1] == (1.0, chosen)
    assert {language for _, language in model.set} == set(LANGUAGE_WEIGHTS)


def test_a_boost_fills_the_share_that_is_asked_for_with_what_is_not_known():
    table = np.tile(np.arange(10.0, 0, -1), (4, 1))  # items 1 to 9 in order
    new = np.isin(np.arange(10), (8, 9))
    nobody = np.zeros((4, 10), bool)
    for share in (0.25, 0.5):
        boost = boost_for_share(table, new, nobody, share=share, k=4)
        lists = np.argsort(-(table + boost * new)[:, 1:], axis=1)[:, :4] + 1
        assert new[lists].mean() == pytest.approx(share)
    knows_first = nobody.copy()
    knows_first[:, 1:4] = True
    lower = boost_for_share(table, new, knows_first, share=0.5, k=4)
    assert lower < boost_for_share(table, new, nobody, share=0.5, k=4) - 2
