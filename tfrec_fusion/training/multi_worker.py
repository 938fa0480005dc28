"""Training on several machines: each worker's part of a batch, and two repairs of Keras 3.15.

`MultiWorkerMirroredStrategy` fails in `fit` of Keras 3.15 twice. To build the model it averages the
first batch over all workers, strings and whole numbers included; the shapes and types of this
worker's own rows are all it needs. And it averages each metric over its first axis, which a scalar
has not; over the replicas is what is meant.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras.src import tree
from keras.src.backend.tensorflow import trainer

REPAIRED = "3.15."  # the versions that fail so


def repair_keras() -> None:
    """Puts both repairs in place, once, where this version of Keras needs them."""
    trains = trainer.TensorFlowTrainer
    if not keras.__version__.startswith(REPAIRED) or hasattr(trains, "_tfrec_fusion_repaired"):
        return
    build, reduce = trains._maybe_symbolic_build, trainer.reduce_per_replica

    def build_from_local_rows(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        strategy = self.distribute_strategy
        if iterator is None or not spans_workers(strategy):
            build(self, iterator, data_batch)
            return
        _, _, batches = next(iter(iterator))
        rows = tree.map_structure(
            lambda tensor: strategy.experimental_local_results(tensor)[0], next(batches)
        )
        with strategy.scope():
            self._symbolic_build(data_batch=rows)

    def reduce_over_replicas(values: Any, strategy: tf.distribute.Strategy, reduction: str) -> Any:
        if reduction not in ("auto", "mean") or not spans_workers(strategy):
            return reduce(values, strategy, reduction)
        return tree.map_structure(lambda one: strategy.reduce("MEAN", one, axis=None), values)

    trains._maybe_symbolic_build = build_from_local_rows
    trainer.reduce_per_replica = reduce_over_replicas
    trains._tfrec_fusion_repaired = True


def of_this_worker(
    dataset: tf.data.Dataset, strategy: tf.distribute.Strategy
) -> tf.distribute.DistributedDataset:
    """Gives each replica its part of every batch, whatever made the batches.

    Left to itself TensorFlow would make smaller batches far up the pipeline, where it finds the
    operation that makes them, and what was counted over a batch would no longer be.

    Args:
        dataset: The same on all workers; every batch's rows are a multiple of the replicas.
        strategy: Spans workers.
    """
    replicas = strategy.num_replicas_in_sync

    def parts(context: tf.distribute.InputContext) -> tf.data.Dataset:
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def split(tensor: tf.Tensor) -> tf.Tensor:
            shape = tf.shape(tensor)
            rows = tf.reshape(tensor, tf.concat([[replicas, shape[0] // replicas], shape[1:]], 0))
            rows.set_shape([replicas, None, *tensor.shape[1:]])
            return rows[first : first + here]

        split_up = dataset.map(lambda *batch: tf.nest.map_structure(split, batch))
        return split_up.unbatch().prefetch(here)

    return strategy.distribute_datasets_from_function(parts)


def spans_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy trains on several machines."""
    return (
        isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        and strategy.extended._in_multi_worker_mode()
    )
