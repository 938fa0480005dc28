"""On which devices a model trains, and how they share a batch without changing the result."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput, Unavailable
from tfrec_fusion.training.multi_worker import repair_keras

StrategyName = Literal["none", "mirrored", "multi_worker", "tpu"]
CLUSTER = "TF_CONFIG"  # the variable that tells a worker of the others

# A strategy numbers its collective operations from one on: those of a second object would take the
# numbers of the first, and fail where the shapes differ.
_MADE: dict[tuple[str, ...], tf.distribute.Strategy] = {}


def distribution_strategy(name: StrategyName) -> tf.distribute.Strategy:
    """Returns the strategy under whose scope a model is built, compiled and trained.

    Calls with one name return one object as long as the process lives, so that any number of models
    can be trained one after another.

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
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return _once(lambda: tf.distribute.MirroredStrategy(devices), name, *devices)
    if name == "multi_worker":
        cluster = _checked_cluster()
        repair_keras()
        return _once(tf.distribute.MultiWorkerMirroredStrategy, name, cluster)
    if name == "tpu":
        return _once(lambda: tf.distribute.TPUStrategy(_tpu()), name)
    raise InvalidInput(
        f"`name` must be one of {', '.join(get_args(StrategyName))}. Received: {name!r}. "
        "Parameter servers are not supported by Keras 3."
    )


def _once(make: Callable[[], tf.distribute.Strategy], *key: str) -> tf.distribute.Strategy:
    """The strategy of a name and its devices, made where there is none yet."""
    if key not in _MADE:
        _MADE[key] = make()
    return _MADE[key]


def _checked_cluster() -> str:
    """TF_CONFIG; refuses what would otherwise wait for ever, or train alone without a word."""
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
    return said


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


@contextmanager
def built_for(model: keras.Model, batch: Any) -> Iterator[None]:
    """Inside, a compiled model has all its variables before the first batch.

    Left to itself, Keras makes those of the optimizer and of the losses while TensorFlow traces
    the first step, which is then traced a second time. Under a strategy it begins a pass over the
    data to see what a batch is like; what is drawn anew in every pass would then be drawn
    otherwise than on one device.

    Args:
        model: Compiled, under its strategy's scope where it has one.
        batch: The `element_spec` of what it will be trained on, all replicas' rows in a batch.
    """
    if any(one.shape.rank is None for one in tf.nest.flatten(batch)):
        yield  # nothing is known of a batch before it is there
        return
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=batch)
    model._maybe_symbolic_build = lambda **_: None
    try:
        yield
    finally:
        del model._maybe_symbolic_build


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
