"""A model's scores of users as one compiled function."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

PAIRS_AT_ONCE = 2**20  # bounds the memory of models that score pair by pair


def compiled_scores(score_model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A score model as `score(user_indices (batch,)) -> (batch, num_items)` float32.

    Large batches are scored in parts, so that memory stays bounded for models that build
    something for every pair of user and item.
    """
    num_items = score_model.output["scores"].shape[-1]
    rows = max(1, PAIRS_AT_ONCE // (num_items or 1))
    spec = tf.TensorSpec((None,), tf.int32)
    graph = tf.function(
        lambda user: score_model({"user_id": user}, training=False)["scores"],
        input_signature=[spec],
    )

    def score(user_indices: np.ndarray) -> np.ndarray:
        users = np.asarray(user_indices, np.int32)
        starts = range(0, max(1, len(users)), rows)  # one part also for no users
        parts = [graph(users[start : start + rows]) for start in starts]
        return np.concatenate([part.numpy() for part in parts]).astype(np.float32)

    return score
