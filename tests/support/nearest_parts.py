"""Query models over vectors on a circle, for indexes of nearest neighbors."""

from __future__ import annotations

import keras
import numpy as np
import scipy.sparse as sp

NUM_USERS, NUM_ITEMS, DIM = 9, 60, 4
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(NUM_ITEMS, DIM + 1)).astype(np.float32)
QUERIES = RNG.normal(size=(NUM_USERS, DIM)).astype(np.float32)
SCORES = QUERIES @ VECTORS[:, :-1].T + VECTORS[:, -1]
KNOWN = sp.csr_matrix(RNG.random((NUM_USERS, NUM_ITEMS)) < 0.1, dtype=np.float32)
POPULARITY = RNG.permutation(NUM_ITEMS).astype(np.float32)
PARTS = {
    "user_ids": ["", *(f"u{number}" for number in range(1, NUM_USERS))],
    "item_ids": ["", *(f"i{number}" for number in range(1, NUM_ITEMS))],
    "titles": ["", *(f"Title {number}" for number in range(1, NUM_ITEMS))],
    "known": KNOWN,
    "popularity": POPULARITY,
    "page_sizes": (5,),
}


def query_models():
    user_id = keras.Input((), dtype="int32", name="user_id")
    table = keras.layers.Embedding(NUM_USERS, DIM)
    of_users = keras.Model({"user_id": user_id}, {"query": table(user_id)})
    table.set_weights([QUERIES])
    history = keras.Input((None,), dtype="int32", name="history")
    items = keras.layers.Embedding(NUM_ITEMS, DIM)
    of_histories = keras.Model({"history": history}, {"query": items(history)[:, -1]})
    items.set_weights([VECTORS[:, :-1]])
    return of_users, of_histories


def best(scores, hidden, k=5):
    scores = np.array(scores)
    scores[[0, *hidden]] = -np.inf
    return [PARTS["item_ids"][item] for item in np.argsort(-scores, kind="stable")[:k]]
