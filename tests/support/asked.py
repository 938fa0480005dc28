"""Answers of small recommenders as rows."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.layers.constant_matrix import DenseMatrix, PastItems
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers

# ann took a and b, bob everything, cat c, eve a: a was taken 3 times, b and c twice, d once.
TAKEN = [("ann", "a"), ("ann", "b"), *(("bob", one) for one in "abcd"), ("cat", "c"), ("eve", "a")]
SCORES = np.zeros((5, 5), np.float32)  # of nobody, ann, bob, cat and eve, for no item, a, b, c, d
SCORES[1:, 1:] = [[9, 5, 7, 1], [1, 2, 3, 4], [4, 3, 2, 1], [8, 2, 4, 6]]
LIKENESS = np.zeros((5, 5), np.float32)
LIKENESS[1:, 1:] = [[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]]


class Table:
    """A model of the zoo whose scores are given."""

    def score_model(self, known=None, frozen=False):
        user = keras.Input((), dtype="int32", name="user_id")
        scores = DenseMatrix.of(SCORES, name="table")(user)
        return keras.Model({"user_id": user}, {"scores": scores})

    def history_model(self):
        history = keras.Input((None,), dtype="int32", name="history")
        scores = DenseMatrix.of(LIKENESS, name="likeness")(PastItems(5, 0.0)(history))
        return keras.Model({"history": history}, {"scores": scores})

    def similarity_model(self):
        item = keras.Input((), dtype="int32", name="item_id")
        scores = DenseMatrix.of(LIKENESS, name="likeness")(item)
        return keras.Model({"item_id": item}, {"scores": scores})


def asked(allow_seen=False):
    users, items = Vocabulary(["ann", "bob", "cat", "eve"]), Vocabulary(list("abcd"))
    frame = pd.DataFrame(TAKEN, columns=["user_id", "item_id"])
    titles = np.array(["", "Alien", "Brazil", "Casablanca", "Duel"], object)
    known = Events.from_frame(frame, users, items)
    return CatalogAnswers(Table(), users, items, titles, known, allow_seen=allow_seen)


def rows(table, *columns):
    return list(zip(*(table[one] for one in columns or table.columns), strict=True))
