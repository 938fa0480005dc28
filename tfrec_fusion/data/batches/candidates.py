"""Events → `tf.data` of what a user took beside items they did not, and the history before."""

from __future__ import annotations

import tensorflow as tf

from tfrec_fusion.data.batches.pairs import Batch, pairs, prefetched, unknown_item_sampler
from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput


def candidates(
    events: Events,
    *,
    negatives: int = 4,
    history_length: int = 100,
    batch_size: int = 256,
    seed: int = 0,
) -> tf.data.Dataset:
    """One positive and some negatives a row, so that a history is read once for all of them.

    Negatives are drawn uniformly from the items the user has no event with, other ones in every
    epoch, as in `data.pipeline.pointwise`; the history is what came before the event.

    Args:
        events: The positives.
        negatives: Negatives a row, at least 1.
        history_length: Most items of the history.
        batch_size: Rows a batch; the last batch may be smaller.
        seed: Same seed, same batches.

    Returns:
        Batches `({"user_id": (batch,), "history": (batch, history_length), "item_id": (batch,
        1 + negatives)}, label (batch, 1 + negatives, 1) float32)`; column 0 is the positive.

    Raises:
        ValueError: For sizes out of range, no events, or a user who knows every item.

    Example:

    >>> from tfrec_fusion.data import generate, index_data
    >>> train = index_data(generate(20, 30, 200, seed=1)).train
    >>> x, label = next(iter(candidates(train, negatives=2, history_length=5, batch_size=8)))
    >>> x["item_id"].shape, label[0, :, 0].numpy().tolist()
    (TensorShape([8, 3]), [1.0, 0.0, 0.0])
    """
    if negatives < 1:
        raise InvalidInput(f"`negatives` must be at least 1. Received: negatives={negatives}.")
    draw = unknown_item_sampler(events)
    positives = pairs(events, history_length=history_length, batch_size=batch_size, seed=seed)

    def beside(batch: Batch, draw_seed: tf.Tensor) -> Batch:
        x, _ = batch
        user = x["user_id"]
        drawn = draw(tf.repeat(user, negatives), draw_seed)
        items = tf.concat([x["item_id"][:, None], tf.reshape(drawn, (-1, negatives))], axis=1)
        items = tf.ensure_shape(items, (None, 1 + negatives))
        label = tf.one_hot(tf.zeros_like(user), 1 + negatives)[..., None]
        return {"user_id": user, "history": x["history"], "item_id": items}, label

    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    made = tf.data.Dataset.zip(positives, draws).map(beside, tf.data.AUTOTUNE)
    return prefetched(made)
