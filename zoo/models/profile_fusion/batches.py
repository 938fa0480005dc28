"""Batches of a profile_fusion model: a positive and drawn negatives a row, with word targets."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_fusion.data.batches.candidates import candidates
from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.models.profile_fusion.network import ProfileFusion


def batches(model: ProfileFusion, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Makes the batches of the model's tasks."""
    config, names = model.config, set(model.output)
    made = candidates(
        events,
        negatives=config.negatives,
        history_length=config.history_length,
        batch_size=batch_size,
        seed=seed,
    )
    of_users, of_items = tf.constant(model.user_words), tf.constant(model.item_words)

    def with_tasks(x: Any, label: tf.Tensor) -> Any:
        y = {"logits": label, "behavior": label}
        y["profile"] = tf.gather(of_users, x["user_id"])
        y["semantics"] = tf.gather(of_items, x["item_id"][:, 0])
        read = {name: x[name] for name in x if name in model.input}
        return read, {name: y[name] for name in y if name in names}

    return made.map(with_tasks)
