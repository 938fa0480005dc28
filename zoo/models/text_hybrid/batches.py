"""Batches that a hybrid learns from, by its inputs."""

from __future__ import annotations

import tensorflow as tf

from tfrec_fusion.data.batches.makers import clicks, retrieval
from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.models.text_hybrid.network import TextHybrid


def batches(model: TextHybrid, events: Events, batch_size: int, seed: int) -> tf.data.Dataset:
    """Makes clicks for the NCF head, and pairs or histories for two towers."""
    make = clicks if model.config.head == "ncf" else retrieval
    return make(model, events, batch_size, seed)
