"""Item vectors whose product with a query is the model's score, for nearest-neighbor search."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from tfrec_fusion.layers.retrieval import CatalogLogits


def candidate_vectors(model: Any) -> np.ndarray:
    """Folds into item vectors what a model computes between a product and its score.

    That is the temperature, biases, and the lift of cold-start items
    (`zoo.models.text_hybrid.new_items`): the score is the product with the query, to which a 1 is
    appended.

    Args:
        model: A trained model with a `retrieval_head` over `item_vectors`.

    Returns:
        `(num_items, dim + 1)` float32, to be compared with `query_models`.
    """
    head = model.retrieval_head
    vectors = model.item_vectors() / model.config.temperature
    offset = np.zeros(len(vectors), np.float32)
    if isinstance(head, CatalogLogits):
        if head.use_bias:
            offset += ops.convert_to_numpy(head.bias)
        if head.partial:
            lifted = 1 - ops.convert_to_numpy(head.takes_part)
            vectors = vectors * (1 + lifted * (float(head.stretch) - 1))[:, None]
            offset += lifted * ops.convert_to_numpy(head.boost)
    return np.concatenate([vectors, offset[:, None]], axis=1).astype(np.float32)
