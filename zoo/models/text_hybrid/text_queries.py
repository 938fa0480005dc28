"""Scores of texts that are in no catalog, as Keras models that an export can hold."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.layers.retrieval import CatalogLogits
from tfrec_fusion.zoo.models.text_hybrid.towers import HybridTowers


def item_of_text_model(model: Any) -> keras.Model | None:
    """`{"text": (batch, text_dim)}` → `{"embedding": (batch, size)}`, as of `item_vectors`.

    Args:
        model: A hybrid; None is returned for one that reads no text.

    Returns:
        The model of items that are known by their text alone.
    """
    if not model.config.reads_text:
        return None
    text = keras.Input((model.config.text_dim,), name="text")
    rows = _rows_of_text(model.towers, text)
    return keras.Model({"text": text}, {"embedding": rows}, name="items_of_texts")


def score_of_text_model(model: Any, known: Any) -> keras.Model | None:
    """`{"user_id": (batch,), "text": (batch, text_dim)}` → `{"score": (batch,)}`.

    Scores are those of an item without an event: where `zoo.models.text_hybrid.new_items` lifted
    such items, a text is lifted like the average of them.

    Args:
        model: A hybrid with two towers; None is returned for one that reads no text, or with
            another head.
        known: The users' interactions (`data.events.Events`), for a query that reads them.
    """
    config = model.config
    if not config.reads_text or config.head != "two_tower":
        return None
    user_id = keras.Input((), dtype="int32", name="user_id")
    text = keras.Input((config.text_dim,), name="text")
    of_users, _ = model.query_models(known)
    query = of_users({"user_id": user_id})["query"]
    candidate = _rows_of_text(model.towers, text)  # float32, as the query
    stretch, boost = _lift_of_new_items(model.retrieval_head)
    score = stretch * ops.sum(query * candidate, axis=-1) / config.temperature + boost
    return keras.Model({"user_id": user_id, "text": text}, {"score": score}, name="scores_of_texts")


def _rows_of_text(towers: HybridTowers, text: Any) -> Any:
    """`(batch, size)`: the rows of items in no vocabulary, by their texts."""
    assert towers.item_text is not None
    space = towers.item_text.vectors_of_text(text)
    unknown = ops.zeros_like(text[:, 0], dtype="int32")
    return ops.cast(towers.fused_rows(unknown, space), "float32")


def _lift_of_new_items(head: Any) -> tuple[float, float]:
    """The factor of the head for items without an event, and its constant on average."""
    if not isinstance(head, CatalogLogits) or not head.partial:
        return 1.0, 0.0
    new = ops.convert_to_numpy(head.takes_part) == 0
    new[0] = False
    boost = ops.convert_to_numpy(head.boost)[new]
    return float(head.stretch), float(boost.mean()) if len(boost) else 0.0
