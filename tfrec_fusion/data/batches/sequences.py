"""Events → `tf.data` of next-item sequences, for query towers that read a history causally."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfrec_fusion.data.batches.pairs import fresh_each_epoch
from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput

_PARTS = (4, 2, 1)  # windows are padded to history_length / 4, / 2 or / 1


def sequences(
    events: Events,
    *,
    history_length: int = 100,
    jitter: int = 0,
    batch_size: int = 32,
    seed: int = 0,
    user_ids: bool = True,
    target_rows: bool = False,
) -> tf.data.Dataset:
    """Windows of each user's events: the items read, and the item that follows each of them.

    A user's events are put in order of time, ties shuffled anew each epoch, and cut from the end
    into windows of up to `history_length` targets; a window reads the items before each target.
    Every event but a user's first is a target once an epoch. Windows of like length are batched
    together, padded on the left with 0, and short batches are filled with windows of weight 0, so
    that there are at most three shapes to compile and every target weighs the same.

    Args:
        events: What users did.
        history_length: Most items a window reads.
        jitter: Shuffles further than ties: an event may pass neighbors up to this many places
            away, so that the exact order within a sitting is not learned by heart. 0: off.
        batch_size: Windows of full length a batch; batches of shorter windows hold more.
        seed: Same seed, same batches.
        user_ids: Whether the inputs also say whose the history is; a model that reads histories
            alone is given them alone.
        target_rows: Whether the inputs also say which event each target is, so that more can be
            asked of it than its item: `"target_row" (batch, steps)` int64, -1 where there is none.

    Returns:
        Batches `({"history": (batch, steps), "user_id": (batch,)}, target (batch, steps),
        weight (batch, steps))`, int32 but for the float32 weights; without `user_ids` the
        histories are the only input.

    Raises:
        ValueError: For sizes out of range, or when no user has two events.

    Example:

    >>> from tfrec_fusion.data import generate, index_data
    >>> data = index_data(generate(20, 30, 200, seed=1))
    >>> inputs, target, weight = next(iter(sequences(data.train, history_length=8, batch_size=2)))
    >>> inputs["history"].shape == target.shape == weight.shape
    True
    """
    sizes = {"history_length": history_length, "batch_size": batch_size, "jitter": jitter + 1}
    for name, value in sizes.items():
        if value < 1:
            raise InvalidInput(
                f"`{name}` is too small. Received: {name}={value - (name == 'jitter')}."
            )
    windows = _Windows.of(events, history_length)
    if not len(windows.start):
        raise InvalidInput(
            "Sequences need a user with at least two events. "
            f"Received: {len(events)} events of {len(np.unique(events.user))} users."
        )
    buckets = _buckets(windows.length, history_length, batch_size)
    num_batches = [len(chosen) // rows for chosen, rows, _ in buckets]
    targets_per_batch = windows.length.sum() / sum(num_batches)
    in_order = _order_in_time(events, jitter)
    item = tf.constant(events.item)
    turns = np.repeat(np.arange(len(buckets), dtype=np.int64), num_batches)

    def epoch(epoch_seed: tf.Tensor) -> tf.data.Dataset:
        both = tf.stack([epoch_seed, tf.constant(seed, tf.int64)])
        order = in_order(both)
        parts = []
        for chosen, rows, steps in buckets:
            weight = rows * steps / targets_per_batch
            cut = windows.cutter(order, item, rows, steps, weight, user_ids, target_rows)
            shuffled = tf.random.experimental.stateless_shuffle(tf.constant(chosen), both)
            batches = tf.data.Dataset.from_tensor_slices(shuffled).batch(rows, drop_remainder=True)
            parts.append(batches.map(cut, num_parallel_calls=tf.data.AUTOTUNE))
        turn = tf.random.experimental.stateless_shuffle(tf.constant(turns), both)
        return tf.data.Dataset.choose_from_datasets(
            parts, tf.data.Dataset.from_tensor_slices(turn), stop_on_empty_dataset=False
        )

    return fresh_each_epoch(epoch, sum(num_batches), seed)


@dataclass(frozen=True)
class _Windows:
    """Where each window's targets start, how many there are, and whose they are.

    The last row is an empty window: what short batches are filled with.
    """

    start: np.ndarray
    length: np.ndarray
    user: np.ndarray

    @classmethod
    def of(cls, events: Events, history_length: int) -> _Windows:
        """Windows of up to `history_length` targets, cut from each user's end."""
        splits = events.row_splits
        targets = np.maximum(np.diff(splits) - 1, 0)  # (num_users,)
        count = -(-targets // history_length)
        user = np.repeat(np.arange(events.num_users, dtype=np.int32), count)
        number = np.arange(len(user)) - (np.cumsum(count) - count)[user]  # 0: the latest window
        end = targets[user] - number * history_length
        length = np.minimum(end, history_length)
        return cls(splits[user] + end - length, length, user)

    def cutter(
        self,
        order: tf.Tensor,
        item: tf.Tensor,
        rows: int,
        steps: int,
        weight: float,
        user_ids: bool,
        target_rows: bool,
    ) -> Callable[[tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]]:
        """A graph function from window numbers `(rows,)`, -1 for none, to a batch."""
        start, length = (
            tf.constant(np.append(self.start, 0)),
            tf.constant(np.append(self.length, 0)),
        )
        user = tf.constant(np.append(self.user, 0).astype(np.int32))

        def cut(window: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
            number = tf.ensure_shape(window, [rows])
            number = tf.where(number < 0, tf.constant(len(self.start), tf.int64), number)
            size = tf.gather(length, number)[:, None]
            back = tf.range(steps, 0, -1, dtype=tf.int64)[None, :]
            valid = back <= size  # (rows, steps), right-aligned
            at = tf.where(valid, tf.gather(start, number)[:, None] + size - back, 0)
            row = tf.gather(order, tf.where(valid, at + 1, 0))
            history = tf.where(valid, tf.gather(item, tf.gather(order, at)), 0)
            target = tf.where(valid, tf.gather(item, row), 0)
            inputs = {"history": history}
            if user_ids:
                inputs["user_id"] = tf.gather(user, number)
            if target_rows:
                inputs["target_row"] = tf.where(valid, tf.cast(row, tf.int64), -1)
            return inputs, target, tf.cast(valid, tf.float32) * weight

        return cut


def _buckets(
    length: np.ndarray, history_length: int, batch_size: int
) -> list[tuple[np.ndarray, int, int]]:
    """`(window numbers padded with -1, windows a batch, steps)` for each padded length in use."""
    buckets, shorter = [], 0
    for part in _PARTS:
        steps = max(1, history_length // part)
        chosen = np.flatnonzero((length > shorter) & (length <= steps))
        shorter = max(shorter, steps)
        if len(chosen):
            rows = min(batch_size * history_length // steps, len(chosen))
            padded = np.pad(chosen, (0, -len(chosen) % rows), constant_values=-1)
            buckets.append((padded, rows, steps))
    return buckets


def _order_in_time(events: Events, jitter: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A graph function `seed -> row order`, shuffling ties and, on request, near neighbors."""
    later = np.append(False, (np.diff(events.timestamp) != 0) | (np.diff(events.user) != 0))
    # Ranks rise over the whole table, so users stay apart as long as the noise stays below 1.
    rank = tf.constant(np.cumsum(later).astype(np.float64))
    own = tf.constant(events.user.astype(np.float64) * (len(events) + jitter + 2))
    place = tf.range(len(events), dtype=tf.float64)

    def order(seed: tf.Tensor) -> tf.Tensor:
        noise = tf.random.stateless_uniform([2, len(events)], seed, dtype=tf.float64)
        by_time = tf.argsort(rank + noise[0])
        if not jitter:
            return by_time
        return tf.gather(by_time, tf.argsort(own + place + noise[1] * (jitter + 1)))

    return order
