"""On which devices a model trains, and how they share a batch without changing the result."""

from __future__ import annotations

from typing import Any, Literal, get_args

import tensorflow as tf

StrategyName = Literal["none", "mirrored"]


def distribution_strategy(name: StrategyName) -> tf.distribute.Strategy:
    """Returns the strategy under whose scope a model is built, compiled and trained.

    Args:
        name: "none" for TensorFlow's default (one device), "mirrored" for a copy of the model on
            every GPU of this machine, or on every logical CPU device where there is no GPU.
            Each batch is then shared among the copies.

    Returns:
        A `tf.distribute.Strategy`. Build the model inside `strategy.scope()`; `fit` finds the
        strategy again through the model.

    Raises:
        ValueError: If `name` is not one of the two.

    Example:

    >>> import keras
    >>> with distribution_strategy("none").scope():
    ...     model = keras.Sequential([keras.layers.Dense(1)])
    """
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices(kind)]
        )
    raise ValueError(
        f"`name` must be one of {', '.join(get_args(StrategyName))}. Received: {name!r}. "
        "Parameter servers are not supported by Keras 3, and training on several machines "
        "is not offered yet."
    )


def share_evenly(dataset: tf.data.Dataset, num_replicas: int) -> tf.data.Dataset:
    """Fills batches up so that they can be shared, and train as they would on one device.

    A mirrored strategy averages its replicas' mean losses, which is the mean over the batch only
    where all have as many rows; and Keras 3 refuses a first batch that has not. A batch of n rows
    is therefore filled up to the next multiple N of the replicas with copies of its last row that
    weigh 0, and its own rows weigh N / n: the average is then the mean over the n rows again.
    It holds for losses with Keras's default reduction, `sum_over_batch_size`.

    Args:
        dataset: Yields `(x, y)` or `(x, y, sample_weight)`; every tensor's first dimension is
            the global batch.
        num_replicas: The replicas a batch is shared among.

    Returns:
        A dataset of `(x, y, sample_weight)`, `sample_weight` being float32; `(batch, 1)` where
        none was given, which suits losses of a value a row and of several.

    Raises:
        ValueError: If the dataset yields something else.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) not in (2, 3):
        raise ValueError(
            "`dataset` must yield (x, y) or (x, y, sample_weight) to be shared among replicas. "
            f"Received: {spec}"
        )

    @tf.autograph.experimental.do_not_convert
    def fill(x: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Any]:
        num_rows = tf.shape(tf.nest.flatten(x)[0])[0]
        filled = -(-num_rows // num_replicas) * num_replicas
        place = tf.range(filled)
        row = tf.minimum(place, num_rows - 1)
        share = tf.where(place < num_rows, tf.cast(filled / num_rows, "float32"), 0.0)  # (filled,)

        def weigh(weight: tf.Tensor) -> tf.Tensor:
            trailing = tf.ones([tf.rank(weight) - 1], "int32")
            own = tf.cast(tf.gather(weight, row), "float32")
            return own * tf.reshape(share, tf.concat([[filled], trailing], 0))

        x, y = tf.nest.map_structure(lambda tensor: tf.gather(tensor, row), (x, y))
        if sample_weight is None:
            return x, y, share[:, None]
        return x, y, tf.nest.map_structure(weigh, sample_weight)

    return dataset.map(fill, num_parallel_calls=tf.data.AUTOTUNE)
