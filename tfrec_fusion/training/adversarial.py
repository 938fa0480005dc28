"""Training against the worst small change of the embedding tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfrec_fusion.errors import InvalidInput

TABLES = ("embeddings",)  # what Keras, KerasHub and our own layers call them


class AdversarialModel(keras.Model):
    """A functional model's layers, trained on what they are given and on its worst neighbor.

    The fast gradient method (FGM: Miyato, Dai and Goodfellow 2017): each embedding table is moved
    to `table + epsilon · g / |g|`, `g` being the gradient of the loss, and the step goes down the
    loss here and there together. In recommenders it is the idea of APR (He et al. 2018). A step
    costs twice the time. It shares the model's weights: fit this one, keep that one.

    Args:
        model: A functional model.
        epsilon: Length of the change of each table; 0 trains as plain Keras does.
        tables: Last part of the names of the weights that are moved.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        ValueError: When `epsilon` is negative or there is no table to move.

    Example:

    >>> x = keras.Input((), dtype="int32")
    >>> model = keras.Model(x, keras.layers.Dense(1)(keras.layers.Embedding(5, 3)(x)))
    >>> harder = AdversarialModel(model, epsilon=0.1)
    >>> harder.compile("sgd", "mse")
    >>> _ = harder.fit(ops.arange(5), ops.ones((5, 1)), verbose=0)
    """

    def __init__(
        self,
        model: keras.Model,
        epsilon: float = 0.0,
        tables: Sequence[str] = TABLES,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs=model.input, outputs=model.output, **kwargs)
        self.dtype_policy = model.dtype_policy  # `compile` scales the loss where it says so
        if not epsilon >= 0:
            raise InvalidInput(f"`epsilon` must not be negative. Received: {epsilon}.")
        self.epsilon, self.attacked = float(epsilon), False
        found = [one for one in model.trainable_variables if one.path.split("/")[-1] in tables]
        self.table_paths = tuple(one.path for one in found)
        if epsilon and not found:
            names = sorted({one.path for one in model.trainable_variables})
            raise InvalidInput(
                f"The model has no trainable table named {' or '.join(tables)}. "
                f"Its weights are {', '.join(names)}."
            )

    @property
    def changes_gradients(self) -> bool:
        """Whether `gradients` are others than those of the loss."""
        return False

    def gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, list[Any]]:
        """Outputs, the loss, and the gradients of `trainable_variables`, on this replica.

        The gradients are those of the loss as the optimizer scales it, which divides them again
        (`keras.optimizers.LossScaleOptimizer`, which `mixed_float16` brings). While `attacked`,
        nothing is to be kept that is not a gradient.
        """
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        return y_pred, loss, tape.gradient(scaled, [one.value for one in self.trainable_variables])

    def train_step(self, data: Any) -> Any:
        """One step; plain Keras's with an epsilon of 0."""
        if not (self.epsilon or self.changes_gradients):
            return super().train_step(data)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        y_pred, loss, gradients = self.gradients(x, y, sample_weight)
        num_rows = tf.shape(keras.tree.flatten(x)[0])[0]
        self._loss_tracker.update_state(loss * num_replicas(), sample_weight=num_rows)
        results = self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
        if self.epsilon:
            moves = self._moves(gradients)
            before = [tf.identity(table.value) for table, _ in moves]
            for table, move in moves:
                table.assign(table.value + move)
            self.attacked = True
            *_, there = self.gradients(x, y, sample_weight)
            self.attacked = False
            for (table, _), values in zip(moves, before, strict=True):
                table.assign(values)
            gradients = [_both(one, other) for one, other in zip(gradients, there, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return results

    def _moves(self, gradients: list[Any]) -> list[tuple[Any, Any]]:
        """Each table, and its move; none where the scaled loss left the range of float16."""
        moves, scale = [], self.optimizer.scale_loss(tf.constant(1.0))
        for table, gradient in zip(self.trainable_variables, gradients, strict=True):
            if gradient is not None and table.path in self.table_paths:
                gradient = tf.cast(summed(gradient), "float32") / scale
                length = ops.maximum(tf.norm(gradient), 1e-12)
                move = self.epsilon * gradient / length
                move = tf.where(tf.math.is_finite(length), move, 0.0)
                moves.append((table, tf.cast(move, table.value.dtype)))
        return moves


def num_replicas() -> int:
    """How many replicas share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def summed(gradient: Any) -> Any:
    """A gradient or loss, dense, and summed over the replicas."""
    gradient = tf.convert_to_tensor(gradient)
    if num_replicas() == 1:
        return gradient
    return tf.distribute.get_replica_context().all_reduce("sum", gradient)


def _both(one: Any, other: Any) -> Any:
    """The sum of two gradients, either of which may be None."""
    if one is None or other is None:
        return other if one is None else one
    one = tf.convert_to_tensor(one)
    return one + tf.cast(other, one.dtype)
