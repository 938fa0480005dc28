"""Next-item sequences → batches of several tasks: the next item, and what was said of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfrec_fusion.data.batches.pairs import prefetched
from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput


def pair_tasks(
    events: Events,
    reviews: Mapping[str, np.ndarray] | None = None,
    *,
    pairs: int = 4,
    good_rating: float = 4.0,
    history_length: int = 100,
    jitter: int = 0,
    batch_size: int = 32,
    seed: int = 0,
) -> tf.data.Dataset:
    """Windows as of `data.sequences`, and of each window some targets with rating and review.

    A review costs a language model far more than an item costs a recommender, so not every event's
    is read in every epoch: of each window `pairs` targets are drawn, other ones each time.

    Args:
        events: What users did, rated and wrote.
        reviews: What is read of each event's text, arrays of `num_events` rows in the order of
            `events`: `token_ids (num_events, length)`, padded on the right, with
            `num_tokens (num_events,)`, or `vector (num_events, dim)`. None reads no text.
        pairs: Targets drawn of each window; where it has fewer, the rest weigh nothing.
        good_rating: From which rating on a review counts as positive.
        history_length: As of `sequences`, as are the arguments after it.
        jitter: Places an event may move.
        batch_size: Windows of full length a batch.
        seed: Same seed, same batches.

    Returns:
        Batches `(inputs, targets, weights)` of dictionaries. Inputs: `history (batch, steps)`,
        `user_id (batch,)`, `pair_step (batch, pairs)`: the position whose next item the pair is
        about, `pair_item` and `pair_rating (batch, pairs)`, and with reviews `review_token_ids
        (batch, pairs, length)` and `review_num_tokens (batch, pairs)`, or `review_vector (batch,
        pairs, dim)`.
        Targets: `logits (batch, steps)` the next items, `rating (batch, pairs, 1)`, and with
        reviews `sentiment (batch, pairs, 1)`, with tokens `next_token (batch, pairs, length)`.
        Weights: the same names and shapes; those of pairs have mean 1 where there is a pair.

    Raises:
        ValueError: For sizes out of range, events without a rating or with only one, or reviews
            that are not one row an event or all empty.

    Example:

    >>> from tfrec_fusion.data import generate, index_data
    >>> train = index_data(generate(20, 30, 200, seed=1)).train
    >>> x, y, weight = next(iter(pair_tasks(train, pairs=2, history_length=8, batch_size=4)))
    >>> y["rating"].shape == weight["rating"].shape == (*x["pair_item"].shape, 1)
    True
    """
    if pairs < 1:
        raise InvalidInput(f"`pairs` must be at least 1. Received: pairs={pairs}.")
    if len(np.unique(events.rating)) < 2:
        raise InvalidInput(
            f"Ratings that differ are needed to learn ratings. Received: {len(events)} events, "
            f"all rated {events.rating[0] if len(events) else 'nothing'}. Give a `rating` column "
            "with several values (without one all are 1), or train a model that reads none."
        )
    _check_reviews(reviews, len(events))
    windows = sequences(
        events,
        history_length=history_length,
        jitter=jitter,
        batch_size=batch_size,
        seed=seed,
        target_rows=True,
    )
    item, rating = tf.constant(events.item), tf.constant(events.rating)
    read = {name: tf.constant(rows) for name, rows in (reviews or {}).items()}

    def with_pairs(
        batch: tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor], draw: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        x, target, weight = batch
        step, row, there = _drawn(x["target_row"], pairs, draw)
        share = there / tf.maximum(tf.reduce_mean(there), 1e-9)  # (batch, pairs)
        inputs = {"history": x["history"], "user_id": x["user_id"]}
        inputs |= {"pair_step": step, "pair_item": tf.gather(item, row) * tf.cast(there, tf.int32)}
        stars = tf.gather(rating, row)  # (batch, pairs)
        inputs["pair_rating"] = stars
        stars = stars[..., None]
        targets = {"logits": target, "rating": stars}
        weights = {"logits": weight, "rating": share[..., None]}
        for name, rows in read.items():
            inputs[f"review_{name}"] = tf.gather(rows, row)
        if read:
            targets["sentiment"] = tf.cast(stars >= good_rating, tf.float32)
            written = _there(inputs) * there
            weights["sentiment"] = (written / tf.maximum(tf.reduce_mean(written), 1e-9))[..., None]
        if "token_ids" in read:
            targets["next_token"] = inputs["review_token_ids"]
            length = tf.shape(inputs["review_token_ids"])[-1]
            tokens = tf.sequence_mask(inputs["review_num_tokens"], length, tf.float32)
            tokens *= there[..., None]
            weights["next_token"] = tokens / tf.maximum(tf.reduce_mean(tokens), 1e-9)
        return inputs, targets, weights

    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    made = tf.data.Dataset.zip(windows, draws).map(with_pairs, tf.data.AUTOTUNE)
    return prefetched(made)


def _drawn(
    target_row: tf.Tensor, pairs: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Steps, event rows and presence `(batch, pairs)` of targets drawn without repetition."""
    noise = tf.random.stateless_uniform(tf.shape(target_row), seed)
    most = tf.minimum(pairs, tf.shape(target_row)[1])
    step = tf.math.top_k(tf.where(target_row >= 0, noise, -1.0), most).indices
    step = tf.pad(step, [[0, 0], [0, pairs - most]])
    step = tf.ensure_shape(step, [None, pairs])
    row = tf.gather(target_row, step, batch_dims=1)
    there = (row >= 0) & (tf.range(pairs) < most)
    return step, tf.maximum(row, 0), tf.cast(there, tf.float32)


def _there(inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """`(batch, pairs)`: 1 where there is a text."""
    if "review_num_tokens" in inputs:
        return tf.cast(inputs["review_num_tokens"] > 0, tf.float32)
    return tf.cast(tf.reduce_any(inputs["review_vector"] != 0, axis=-1), tf.float32)


def _check_reviews(reviews: Mapping[str, np.ndarray] | None, num_events: int) -> None:
    if reviews is None:
        return
    if set(reviews) not in ({"token_ids", "num_tokens"}, {"vector"}):
        raise InvalidInput(
            "`reviews` must hold `token_ids` and `num_tokens`, or `vector`. "
            f"Received: {', '.join(sorted(reviews)) or 'nothing'}."
        )
    for name, rows in reviews.items():
        if len(rows) != num_events:
            raise InvalidInput(
                f"`reviews` must have one row an event. Received: {len(rows)} rows of `{name}`, "
                f"{num_events} events."
            )
    if not np.any(reviews.get("num_tokens", reviews.get("vector"))):
        raise InvalidInput(
            f"`reviews` are all empty, {num_events} of them: there is no text to learn from. "
            "Train without reviews, or give a `text` column that has words."
        )
