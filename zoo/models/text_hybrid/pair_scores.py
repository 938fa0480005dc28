"""One user's score of one item after a change: of the item's text, or of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from tfrec_fusion.layers.retrieval import CatalogLogits
from tfrec_fusion.zoo.models.text_hybrid.towers import HybridTowers


def scores_of_texts(model: Any, history: np.ndarray, user: int, item: int) -> Callable[[Any], Any]:
    """Returns a differentiable function from vectors of an item's text to its scores.

    Args:
        model: A two-tower hybrid that reads histories and texts.
        history: `(steps,)` item indices, oldest first.
        user: Index of the user, read where the query does.
        item: Index of the item; its id counts as it does in the model.
    """
    config, towers = model.config, model.towers
    inputs = _query_inputs(config, history[None, :], user)
    query = _query(towers, inputs, towers.item_rows(inputs["history"]))  # (1, size)
    stretch, boost = _of_new_item(model.retrieval_head, item)

    def score(vectors: Any) -> Any:
        text = towers.item_text.vectors_of_text(vectors)
        index = tf.fill([tf.shape(text)[0]], item)
        graph = None if towers.knowledge_graph is None else towers.knowledge_graph(index)
        candidate = ops.cast(towers.fused_rows(index, text, graph), "float32")
        return stretch * tf.reduce_sum(query * candidate, axis=-1) / config.temperature + boost

    return score


def scores_without(
    model: Any, history: np.ndarray, user: int, item: int, entities: np.ndarray
) -> np.ndarray:
    """Scores of an item with entities of the graph masked, at the item and at the past items.

    An item that reads one of them among its neighbors is left with the others, and with nothing
    where it was the only one (`layers.graph.NeighborAttention`).

    Args:
        model: A two-tower hybrid that reads histories and a graph.
        history: `(steps,)` item indices, oldest first.
        user: Index of the user, read where the query does.
        item: Index of the item.
        entities: `(number, most)` entity indices that are masked together, 0 for none.

    Returns:
        `(number,)` float32.
    """
    config, towers = model.config, model.towers
    aside = np.asarray(entities, np.int32)
    own = np.array([item, *history], np.int32)  # (1 + steps,)
    index = np.broadcast_to(own, (len(aside), len(own)))  # (number, 1 + steps)
    graph = towers.knowledge_graph(index, without=aside[:, None, :])
    text = None
    if towers.item_text is not None:
        text = towers.item_text(own)  # read once: a tuned language model takes its time
        text = ops.broadcast_to(text, (*index.shape, text.shape[-1]))
    rows = towers.fused_rows(index, text, graph)  # (number, 1 + steps, size)
    query = _query(towers, _query_inputs(config, index[:, 1:], user), rows[:, 1:])
    stretch, boost = _of_new_item(model.retrieval_head, item)
    candidate = ops.cast(rows[:, 0], "float32")
    scores = stretch * ops.sum(query * candidate, axis=-1) / config.temperature + boost
    return ops.convert_to_numpy(scores).astype(np.float32)


def _query(towers: HybridTowers, inputs: dict[str, Any], rows: Any) -> Any:
    """`(batch, size)` float32 query after the whole history, its terms weighted."""
    return ops.cast(towers.weighted(towers.query(inputs, rows, last=True)), "float32")


def _query_inputs(config: Any, histories: np.ndarray, user: int) -> dict[str, Any]:
    inputs = {"history": tf.constant(histories)}
    if config.reads_user_id:
        inputs["user_id"] = tf.fill([len(histories)], user)
    return inputs


def _of_new_item(head: Any, item: int) -> tuple[float, float]:
    """The factor and the constant of the head for an item's score; see `new_items`."""
    lifts = isinstance(head, CatalogLogits) and head.partial
    if not lifts or float(head.takes_part[item]):
        return 1.0, 0.0
    return float(head.stretch), float(head.boost[item])
