"""Batches of a multi-task model: histories, and some of their events with rating and review."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfrec_fusion.data.batches.makers import ORDER_JITTER
from tfrec_fusion.data.batches.pair_tasks import pair_tasks
from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.models.multi_task.network import MultiTask


def batches(model: MultiTask, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Makes the batches of the model's tasks."""
    config = model.config
    texts: Any = [] if events.text is None else events.text
    made = pair_tasks(
        events,
        model.read_reviews(texts) if config.reads_reviews else None,
        pairs=config.pairs,
        good_rating=config.good_rating,
        history_length=config.history_length,
        jitter=ORDER_JITTER,
        batch_size=batch_size,
        seed=seed,
    )
    names = set(model.output)

    def of_the_model(x: Any, y: Any, weight: Any) -> Any:
        return x, *({name: one[name] for name in one if name in names} for one in (y, weight))

    return made.map(of_the_model)
