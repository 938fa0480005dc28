"""Events → `tf.data`: pointwise batches, pairs of query and candidate and next-item sequences.

Every dataset is finite, sees each event once an epoch, draws its order and its negatives inside
the graph, differs from epoch to epoch and repeats exactly for the same `seed`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput

Batch = tuple[dict[str, tf.Tensor], tf.Tensor]


def pointwise(
    events: Events,
    *,
    known: Events | None = None,
    negatives: int = 4,
    batch_size: int = 1024,
    seed: int = 0,
) -> tf.data.Dataset:
    """Observed pairs labeled 1 beside uniformly drawn unobserved ones labeled 0.

    Negatives follow He et al. 2017 (Neural Collaborative Filtering): for each positive,
    `negatives` items the user has no event with. They are drawn without rejection: the r-th
    unknown item of a user is found by one binary search over the gaps between known ones.

    Args:
        events: The positives.
        known: Events whose items are never drawn as a user's negatives; `events` by default.
        negatives: Negatives per positive, 0 or more.
        batch_size: Samples a batch, positives and negatives together; rounded down to a whole
            number of positives. The last batch may be smaller.
        seed: Same seed, same batches.

    Returns:
        Batches `({"user_id": (batch,), "item_id": (batch,)}, label (batch,) float32)`.

    Raises:
        ValueError: For sizes out of range, no events, or a user who knows every item.

    Example:

    >>> from tfrec_fusion.data import generate, index_data
    >>> data = index_data(generate(20, 30, 200, seed=1))
    >>> inputs, label = next(iter(pointwise(data.train, negatives=1, batch_size=8)))
    >>> label.numpy().tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    """
    _check(events, batch_size=batch_size)
    if negatives < 0:
        raise InvalidInput(f"`negatives` must not be negative. Received: negatives={negatives}.")
    positives = max(1, batch_size // (1 + negatives))
    draw = unknown_item_sampler(events if known is None else known) if negatives else None
    user, item = tf.constant(events.user), tf.constant(events.item)

    def batch(rows: tf.Tensor, draw_seed: tf.Tensor) -> Batch:
        users, items = tf.gather(user, rows), tf.gather(item, rows)
        label = tf.ones_like(users, tf.float32)
        if draw is not None:
            others = tf.tile(users, [negatives])
            items = tf.concat([items, draw(others, draw_seed)], 0)
            users = tf.concat([users, others], 0)
            label = tf.concat([label, tf.zeros_like(others, tf.float32)], 0)
        return {"user_id": users, "item_id": items}, label

    return _shuffled_batches(len(events), positives, seed, batch)


def pairs(
    events: Events,
    *,
    history_length: int | None = None,
    batch_size: int = 1024,
    seed: int = 0,
) -> tf.data.Dataset:
    """A query and the candidate it led to, for softmax over the batch's candidates.

    Args:
        events: The positives.
        history_length: When given, the query also holds the user's last items before the event.
        batch_size: Pairs a batch; the last batch may be smaller.
        seed: Same seed, same batches.

    Returns:
        Batches `(inputs, 0)` with `inputs`: `user_id (batch,)`, `item_id (batch,)`,
        `candidate_sampling_probability (batch,)` float32 (how often the candidate is among the
        events, for logQ correction: Yi et al. 2019) and, on request,
        `history (batch, history_length)` oldest first, 0-padded on the left. The label is the
        column of the positive, always 0 (see `layers.retrieval.InBatchLogits`), `(batch,)` int32.

    Raises:
        ValueError: For sizes out of range or no events.
    """
    _check(events, batch_size=batch_size)
    if history_length is not None and history_length < 1:
        raise InvalidInput(
            f"`history_length` must be at least 1. Received: history_length={history_length}."
        )
    order = events.tie_shuffled(seed)
    user, item = tf.constant(events.user[order]), tf.constant(events.item[order])
    probability = tf.constant((events.item_counts / len(events)).astype(np.float32))
    start = tf.constant(events.row_splits)

    def batch(rows: tf.Tensor, draw_seed: tf.Tensor) -> Batch:
        del draw_seed
        users, items = tf.gather(user, rows), tf.gather(item, rows)
        inputs = {
            "user_id": users,
            "item_id": items,
            "candidate_sampling_probability": tf.gather(probability, items),
        }
        if history_length is not None:
            position = rows[:, None] + tf.range(-history_length, 0, dtype=tf.int64)[None, :]
            valid = position >= tf.gather(start, users)[:, None]  # (batch, history_length)
            before = tf.gather(item, tf.maximum(position, 0))
            inputs["history"] = tf.where(valid, before, 0)
        return inputs, tf.zeros_like(users)

    return _shuffled_batches(len(events), batch_size, seed, batch)


def _check(events: Events, *, batch_size: int) -> None:
    if not len(events):
        raise InvalidInput("`events` must hold at least one event. Received: 0 events.")
    if batch_size < 1:
        raise InvalidInput(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")


def _shuffled_batches(
    num_rows: int, batch_size: int, seed: int, batch: Callable[[tf.Tensor, tf.Tensor], Batch]
) -> tf.data.Dataset:
    """Batches of row numbers in a new order each epoch, mapped by `batch(rows, draw_seed)`."""
    num_batches = -(-num_rows // batch_size)

    def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
        both = tf.stack([epoch_seed, tf.constant(seed, tf.int64)])
        order = tf.random.experimental.stateless_shuffle(tf.range(num_rows, dtype=tf.int64), both)

        def cut(number: tf.Tensor) -> Batch:
            rows = order[number * batch_size : (number + 1) * batch_size]
            return batch(rows, tf.stack([epoch_seed, number]))

        return tf.data.Dataset.range(num_batches).map(cut, num_parallel_calls=tf.data.AUTOTUNE)

    return fresh_each_epoch(epoch, num_batches, seed)


def fresh_each_epoch(
    epoch: Callable[[tf.Tensor], tf.data.Dataset], num_batches: int, seed: int
) -> tf.data.Dataset:
    """`epoch(epoch_seed)` with another seed at every iteration, the same series for one `seed`."""
    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    batches = seeds.take(1).flat_map(epoch)
    counted = batches.apply(tf.data.experimental.assert_cardinality(num_batches))
    return prefetched(counted)


def prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches made ahead, without tf.data's autotuner.

    The end of an iteration waits for the tuner's next look at the pipeline, and these come after
    10, 20, 40, … milliseconds, so that an epoch may take twice as long (TensorFlow 2.20).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def unknown_item_sampler(known: Events) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A graph function `(users (n,), seed (2,)) -> items (n,)`, uniform over unknown items.

    With a user's known items sorted, `s_0 < s_1 < …` among `1 .. num_items - 1`, the number of
    unknown items below `s_j` is `s_j - 1 - j`. Offsetting these gaps by user makes one sorted
    array, so a single search tells how many known items to skip for the r-th unknown one.
    """
    matrix = known.matrix()
    matrix.sort_indices()
    degree = np.diff(matrix.indptr)
    num_real = known.num_items - 1
    full = np.flatnonzero(degree >= num_real)
    if len(full):
        raise InvalidInput(
            f"{len(full)} users know all {num_real} items, so they have no negatives "
            f"(first user index {full[0]}). Use `negatives=0` or a larger catalog."
        )
    row = np.repeat(np.arange(known.num_users), degree)
    gap = matrix.indices - 1 - (np.arange(matrix.nnz) - matrix.indptr[row])
    offset_gap = tf.constant(row.astype(np.int64) * known.num_items + gap)
    start = tf.constant(matrix.indptr.astype(np.int64))
    num_unknown = tf.constant((num_real - degree).astype(np.float64))

    def draw(users: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        uniform = tf.random.stateless_uniform(tf.shape(users), seed, dtype=tf.float64)
        rank = tf.cast(uniform * tf.gather(num_unknown, users), tf.int64)
        key = tf.cast(users, tf.int64) * known.num_items + rank
        skipped = tf.searchsorted(offset_gap, key, side="right", out_type=tf.int64)
        return tf.cast(1 + rank + skipped - tf.gather(start, users), tf.int32)

    return draw
