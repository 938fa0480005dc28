"""Parts of small models that are exported: ids, titles, tables of scores."""

from __future__ import annotations

import keras
import numpy as np
import scipy.sparse as sp
import tensorflow as tf

USERS = ["", "ann", "bob", "zoë"]
ITEMS = ["", "a", "b", "c", "d", "e"]
TITLES = ["", "Alien (1979)", "Brazil", "Casino", "Das Boot", "Élisa"]
SCORES = [  # rows: users, columns: items
    [9, 9, 9, 9, 9, 9],
    [9, 5, 4, 3, 2, 1],
    [9, 1, 2, 2, 2, 0],
    [9, 0.5, 0.25, 1, 8, 4],
]
SIMILAR = [  # (num_items, num_items)
    [9, 9, 9, 9, 9, 9],
    [9, 9, 3, 2, 1, 0],
    [9, 3, 9, 5, 5, 0],
    [9, 2, 5, 9, 4, 0],
    [9, 1, 5, 4, 9, 7],
    [9, 0, 0, 0, 7, 9],
]
KNOWN = sp.csr_matrix(([1, 1, 1, 1, 1], ([1, 3, 3, 3, 3], [1, 1, 2, 3, 4])), shape=(4, 6))
POPULARITY = np.array([0, 1, 30, 20, 10, 5], np.float32)
PARTS = {
    "user_ids": USERS,
    "item_ids": ITEMS,
    "titles": TITLES,
    "known": KNOWN,
    "popularity": POPULARITY,
}
SMALL = {**PARTS, "page_sizes": (2,)}


def last_item_model() -> keras.Model:
    """Scores of the last item's neighbors: gaps behind it would be seen."""
    history = keras.Input((None,), dtype="int32", name="history")
    table = keras.layers.Embedding(6, 6)
    model = keras.Model({"history": history}, {"scores": table(history)[:, -1]})
    table.set_weights([np.array(SIMILAR, np.float32)])
    return model


def ask(loaded, signature: str, **inputs) -> dict[str, list]:
    """Asks a signature; a list of items that is not given is empty."""
    asked = loaded.signatures[signature]
    rows = len(next(iter(inputs.values())))
    lists = {"exclude_item_ids": [[""]] * rows, "allow_item_ids": [[""]] * rows}
    inputs = {k: v for k, v in lists.items() if k in asked.structured_input_signature[1]} | inputs
    answer = asked(**{k: tf.constant(v, tf.string) for k, v in inputs.items()})
    return {name: words(value.numpy().tolist()) for name, value in answer.items()}


def words(nested):
    if isinstance(nested, list):
        return [words(one) for one in nested]
    return nested.decode() if isinstance(nested, bytes) else nested
