"""One user's score of one item, with something changed: the item's text, or what the graph says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from tfrec_fusion.zoo.models.text_hybrid.parts import content_of, item_rows, query_rows, weighed


def scores_of_texts(model: Any, history: np.ndarray, user: int, item: int) -> Callable[[Any], Any]:
    """A differentiable function of vectors of an item's text, that gives its score for each.

    Args:
        model: A two-tower hybrid that reads histories and texts.
        history: `(steps,)` item indices, oldest first.
        user: Index of the user, read where the query does.
        item: Index of the item; its id counts as it does in the model.
    """
    config, layers = model.config, {layer.name: layer for layer in model.layers}
    inputs = _query_inputs(config, history[None, :], user)
    rows = item_rows(layers, config, inputs["history"])
    query = weighed(layers, query_rows(layers, config, inputs, rows, last=True))
    query = ops.cast(query, "float32")  # (1, size)
    stretch, boost = _of_new_item(layers["logits"], item)

    def score(vectors: Any) -> Any:
        text = layers["item_text"].vectors_of_text(vectors)
        index = tf.fill([tf.shape(text)[0]], item)
        graph = layers["graph"](index) if config.reads_graph else None
        candidate = layers["items"](index, content_of(layers, config, text, graph))
        candidate = ops.cast(layers["join"]([candidate, text]), "float32")
        return stretch * tf.reduce_sum(query * candidate, axis=-1) / config.temperature + boost

    return score


def scores_without(
    model: Any, history: np.ndarray, user: int, item: int, entities: np.ndarray
) -> np.ndarray:
    """Scores of an item with entities of the graph set aside, at the item and at the past items.

    Whoever had an entity among the neighbours it reads is left with the others, and with nothing
    where it was the only one (`layers.graph.NeighbourAttention`).

    Args:
        model: A two-tower hybrid that reads histories and a graph.
        history: `(steps,)` item indices, oldest first.
        user: Index of the user, read where the query does.
        item: Index of the item.
        entities: `(number, most)` entity indices that are set aside together, 0 for none.

    Returns:
        `(number,)` float32.
    """
    config, layers = model.config, {layer.name: layer for layer in model.layers}
    aside = np.asarray(entities, np.int32)
    own = np.array([item, *history], np.int32)  # (1 + steps,)
    index = np.broadcast_to(own, (len(aside), len(own)))  # (number, 1 + steps)
    graph = layers["graph"](index, without=aside[:, None, :])
    text = None
    if config.reads_text:
        text = layers["item_text"](own)  # read once: a tuned language model takes its time
        text = ops.broadcast_to(text, (*index.shape, text.shape[-1]))
    rows = layers["items"](index, content_of(layers, config, text, graph))
    rows = layers["join"]([rows, text]) if "profile" in layers else rows  # (…, size)
    inputs = _query_inputs(config, index[:, 1:], user)
    query = weighed(layers, query_rows(layers, config, inputs, rows[:, 1:], last=True))
    stretch, boost = _of_new_item(layers["logits"], item)
    query, candidate = (ops.cast(one, "float32") for one in (query, rows[:, 0]))
    scores = stretch * ops.sum(query * candidate, axis=-1) / config.temperature + boost
    return ops.convert_to_numpy(scores).astype(np.float32)


def _query_inputs(config: Any, histories: np.ndarray, user: int) -> dict[str, Any]:
    inputs = {"history": tf.constant(histories)}
    if config.reads_user_id:
        inputs["user_id"] = tf.fill([len(histories)], user)
    return inputs


def _of_new_item(head: Any, item: int) -> tuple[float, float]:
    """What the head multiplies an item's score by, and adds to it; see `new_items`."""
    if not getattr(head, "partial", False) or float(head.takes_part[item]):
        return 1.0, 0.0
    return float(head.stretch), float(head.boost[item])
