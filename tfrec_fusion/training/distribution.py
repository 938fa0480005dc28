"""On which devices a model trains, and how they share a batch without changing the result."""

from __future__ import annotations

import json
import os
from typing import Any, Literal, get_args

import tensorflow as tf

from tfrec_fusion.errors import InvalidInput, Unavailable
from tfrec_fusion.training.multi_worker import repair_keras

StrategyName = Literal["none", "mirrored", "multi_worker", "tpu"]
CLUSTER = "TF_CONFIG"  # the variable that tells a worker of the others


def distribution_strategy(name: StrategyName) -> tf.distribute.Strategy:
    """Returns the strategy under whose scope a model is built, compiled and trained.

    Args:
        name: "none" for TensorFlow's default (one device), "mirrored" for a copy of the model on
            every GPU of this machine, or on every logical CPU device where there is no GPU,
            "multi_worker" for a copy on every device of several machines, each of which runs the
            same program with the variable TF_CONFIG set, "tpu" for the cores of a TPU. Each batch
            is then shared among the copies; what a worker writes, it writes to folders of its own.

    Returns:
        A `tf.distribute.Strategy`. Build the model inside `strategy.scope()`; `fit` finds the
        strategy again through the model.

    Raises:
        ValueError: If `name` is none of these, or TF_CONFIG does not name the workers.
        RuntimeError: If no TPU can be found, or TensorFlow was used before "multi_worker".

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
    if name == "multi_worker":
        _check_cluster()
        repair_keras()
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "tpu":
        return tf.distribute.TPUStrategy(_tpu())
    raise InvalidInput(
        f"`name` must be one of {', '.join(get_args(StrategyName))}. Received: {name!r}. "
        "Parameter servers are not supported by Keras 3."
    )


def _check_cluster() -> None:
    """Refuses what would otherwise wait for ever, or train alone without a word."""
    said = os.environ.get(CLUSTER, "")
    example = (
        '{"cluster": {"worker": ["10.0.0.1:12345", "10.0.0.2:12345"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    try:
        config = json.loads(said)
        workers, task = config["cluster"]["worker"], config["task"]
        valid = task["type"] == "worker" and 0 <= task["index"] < len(workers)
    except (ValueError, KeyError, TypeError):
        valid = False
    if not valid:
        raise InvalidInput(
            f"{CLUSTER} must name all workers, the same on each, and which of them this is, e.g. "
            f"{example}. Received: {said!r}."
        )


def _tpu() -> tf.distribute.cluster_resolver.TPUClusterResolver:
    """The TPU of this machine, made ready."""
    try:
        tpu = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(tpu)
        tf.tpu.experimental.initialize_tpu_system(tpu)
    except (ValueError, tf.errors.OpError) as error:
        raise Unavailable(
            "No TPU can be found. In Colab choose Runtime > Change runtime type > TPU; elsewhere "
            f"set TPU_NAME. TensorFlow says: {' '.join(str(error).split())[:200]}"
        ) from error
    return tpu


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
        raise InvalidInput(
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
