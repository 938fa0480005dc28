"""Batch makers: `(model, events, batch_size, seed)` → the `tf.data` data set to learn from."""

from __future__ import annotations

from typing import Any, Protocol

import tensorflow as tf

from tfrec_fusion.data.batches.pairs import pairs, pointwise
from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.data.events import Events

CLICK_NEGATIVES = 8  # for each positive
ORDER_JITTER = 4  # places an event may move, so that a session's order is not learned by heart


class HasInputs(Protocol):
    """A functional model with named inputs, and the config that it was built from."""

    input: dict[str, Any]
    config: Any


def clicks(model: HasInputs, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Observed pairs and drawn negatives, as `pointwise` draws them."""
    return pointwise(events, negatives=CLICK_NEGATIVES, batch_size=batch_size, seed=seed)


def next_items(model: HasInputs, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Histories, and the item after each of their positions; windows of `history_length`."""
    return sequences(
        events,
        history_length=model.config.history_length,
        jitter=ORDER_JITTER,
        batch_size=batch_size,
        seed=seed,
        user_ids="user_id" in model.input,
    )


def in_batch(model: HasInputs, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Pairs whose items are each other's negatives, with their sampling probabilities."""
    length = model.config.history_length if "history" in model.input else None
    made = pairs(events, history_length=length, batch_size=batch_size, seed=seed)
    if "user_id" in model.input:
        return made
    return made.map(lambda x, y: ({name: x[name] for name in x if name != "user_id"}, y))


def items_of_users(model: HasInputs, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Users and one of their items each, for a softmax over the catalog."""
    made = pairs(events, batch_size=batch_size, seed=seed)
    return made.map(lambda x, _: ({"user_id": x["user_id"]}, x["item_id"]))


def retrieval(model: HasInputs, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """What the inputs of a retrieval model ask for: in-batch pairs, next items, or users' items."""
    if "candidate_sampling_probability" in model.input:
        make = in_batch
    else:
        make = next_items if "history" in model.input else items_of_users
    return make(model, events, batch_size, seed)
