"""A model of several tasks whose losses are balanced while it trains."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.multitask import (
    BALANCES,
    dynamic_weights,
    normalized_gradients_step,
    uncertainty_total,
    without_conflicts,
)
from tfrec_fusion.training.adversarial import AdversarialModel, num_replicas, summed

_OF_GRADIENTS = ("gradnorm", "pcgrad")


class BalancedModel(AdversarialModel):
    """A functional model's layers, trained with its losses balanced.

    It shares the model's weights: fit this one, keep that one. `fit` logs every task's loss
    (`<output>_loss`) and weight (`<output>_weight`), so a report can draw them. Works under
    `MirroredStrategy`: gradients of tasks are summed over the replicas before they are compared.

    Args:
        model: A functional model with a dict of outputs.
        balance: `"fixed"`, `"uncertainty"`, `"dwa"`, `"gradnorm"` or `"pcgrad"`, see
            `layers.multitask`.
        loss_weights: Number by output, 1 by default: the weights themselves with `"fixed"` and
            `"pcgrad"`, else what they are multiplied by.
        shared_layer: GradNorm only: the layer on whose weights gradients are compared, the last
            one that all tasks share in the paper; by default every weight that two tasks use.
        alpha: GradNorm only: how strongly laggards are pulled.
        rate: GradNorm only: learning rate of the weights.
        temperature: DWA only: the higher, the more equal.
        epsilon: As in `AdversarialModel`: above 0, tables are attacked as well.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        ValueError: For an unknown `balance`, a model without a dict of outputs, weights or a
            layer that it does not have.

    Example:

    >>> x = keras.Input((3,))
    >>> outputs = {"rating": keras.layers.Dense(1)(x), "click": keras.layers.Dense(1)(x)}
    >>> balanced = BalancedModel(keras.Model(x, outputs), "uncertainty")
    >>> balanced.compile("adam", {"rating": keras.losses.MeanSquaredError(),
    ...                           "click": keras.losses.BinaryCrossentropy(from_logits=True)})
    >>> data = np.ones((4, 3)), {"rating": np.ones((4, 1)), "click": np.ones((4, 1))}
    >>> sorted(balanced.fit(*data, verbose=0).history)
    ['click_loss', 'click_weight', 'loss', 'rating_loss', 'rating_weight']
    """

    def __init__(
        self,
        model: keras.Model,
        balance: str = "fixed",
        *,
        loss_weights: Mapping[str, float] | None = None,
        shared_layer: str | None = None,
        alpha: float = 1.5,
        rate: float = 0.025,
        temperature: float = 2.0,
        epsilon: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if balance not in BALANCES:
            raise InvalidInput(f"`balance` must be one of {', '.join(BALANCES)}. Got: {balance!r}.")
        if not isinstance(getattr(model, "output", None), Mapping):
            raise InvalidInput("`model` must have a dict of named outputs, one for each task.")
        super().__init__(model, epsilon, **kwargs)
        self.tasks = tuple(model.output)
        _check_names("loss_weights", loss_weights or {}, self.tasks)
        self.balance, self.alpha, self.rate, self.temperature = balance, alpha, rate, temperature
        self.shared_paths: tuple[str, ...] | None = None
        if shared_layer is not None:
            shared = self.get_layer(shared_layer).trainable_variables
            self.shared_paths = tuple(one.path for one in shared)
        given = [float((loss_weights or {}).get(task, 1.0)) for task in self.tasks]
        self.given_weights = np.array(given, np.float32)
        size = (len(self.tasks),)
        self.log_variance = self.add_weight(
            name="log_variance",
            shape=size,
            dtype="float32",
            initializer="zeros",
            trainable=balance == "uncertainty",
        )
        self.moving_weights = self._kept_number("moving_weights", size, "ones")
        self.first_losses = self._kept_number("first_losses", size, "zeros")
        self.epoch_losses = self._kept_number("epoch_losses", (2, *size), "zeros")
        self.trackers = [keras.metrics.Mean(name=f"{task}_loss") for task in self.tasks]

    def _kept_number(self, name: str, shape: Sequence[int], initializer: str) -> Any:
        return self.add_weight(
            name=name, shape=shape, dtype="float32", initializer=initializer, trainable=False
        )

    def compile(self, optimizer: Any = "adam", loss: Any = None, **kwargs: Any) -> None:
        """As `keras.Model.compile`, with a loss object for each output.

        Raises:
            ValueError: When losses and outputs do not match, or one is no `keras.losses.Loss`.
        """
        if not isinstance(loss, Mapping) or not all(
            isinstance(one, keras.losses.Loss) for one in loss.values()
        ):
            raise InvalidInput(
                "`loss` must be a dict with a `keras.losses.Loss` for each output "
                f"({', '.join(self.tasks)}). Received: {loss!r}."
            )
        _check_names("loss", loss, self.tasks)
        if missing := [task for task in self.tasks if task not in loss]:
            raise InvalidInput(f"`loss` has nothing for the outputs {', '.join(missing)}.")
        if kwargs.get("loss_weights") is not None:
            raise InvalidInput("Pass `loss_weights` to `BalancedModel`, not to `compile`.")
        self.task_losses = [loss[task] for task in self.tasks]
        self.gaussian = np.array(
            [isinstance(one, keras.losses.MeanSquaredError) for one in self.task_losses]
        )
        super().compile(optimizer=optimizer, loss=dict(loss), **kwargs)

    @property
    def weights_now(self) -> dict[str, float]:
        """What each task's loss is multiplied by, at this moment."""
        found = self.given_weights * np.asarray(self.moving_weights)
        if self.balance == "uncertainty":
            factor = np.where(self.gaussian, 0.5, 1.0)
            found = found * factor * np.exp(-np.asarray(self.log_variance))
        return dict(zip(self.tasks, found.tolist(), strict=True))

    @property
    def changes_gradients(self) -> bool:
        """Whether tasks' gradients are balanced, not only their losses."""
        return self.balance in _OF_GRADIENTS

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        """As `keras.Model.fit`; weights are logged, and DWA's moved, at the end of each epoch."""
        return super().fit(*args, callbacks=[_Epochs(), *(callbacks or [])], **kwargs)

    def _task_values(self, y: Any, y_pred: Any, sample_weight: Any) -> list[Any]:
        """The tasks' losses on this replica, divided by the number of replicas."""
        if not isinstance(y, Mapping) or set(y) != set(self.tasks):
            received = sorted(y) if isinstance(y, Mapping) else type(y).__name__
            raise InvalidInput(
                f"Targets must be a dict with {', '.join(self.tasks)}. Received: {received}."
            )
        found = []
        for task, loss, tracker in zip(self.tasks, self.task_losses, self.trackers, strict=True):
            weight = (
                sample_weight.get(task) if isinstance(sample_weight, Mapping) else sample_weight
            )
            value = loss(y[task], y_pred[task], weight)
            if not self.attacked:
                tracker.update_state(value * num_replicas())
            found.append(ops.cast(value, "float32"))
        return found

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The balanced total, and what layers added (`add_loss`, regularizers)."""
        losses = ops.stack(self._task_values(y, y_pred, sample_weight))
        return self._total(losses) + self._added()

    def _total(self, losses: Any) -> Any:
        if self.balance == "uncertainty":
            replicas = num_replicas()
            own = losses * self.given_weights * replicas
            spread = ops.convert_to_tensor(self.log_variance)
            return uncertainty_total(own, spread, self.gaussian) / replicas
        return ops.sum(self.moving_weights * self.given_weights * losses)

    def _added(self) -> Any:
        added = [ops.cast(ops.sum(one), "float32") for one in self.losses]
        return ops.sum(ops.stack([*added, 0.0])) / num_replicas()

    def gradients(self, x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, list[Any]]:
        """Outputs, the balanced loss and its gradients, scaled as in `AdversarialModel`."""
        if not self.changes_gradients:
            return super().gradients(x, y, sample_weight)
        variables = self.trainable_variables
        values = [one.value for one in variables]
        with tf.GradientTape(persistent=True) as tape:
            y_pred = self(x, training=True)
            losses = self._task_values(y, y_pred, sample_weight)
            added = self._added()
            # One by one: through a stack, variables a task does not use would have gradients, too.
            parts = [one * weight for one, weight in zip(losses, self.given_weights, strict=True)]
            parts = [self.optimizer.scale_loss(part) for part in (*parts, added)]
        *by_task, of_added = [tape.gradient(part, values) for part in parts]
        scale = self.optimizer.scale_loss(tf.constant(1.0))
        # Tasks are compared by the gradients of their losses, without the optimizer's scale.
        by_task = [
            [None if one is None else tf.cast(summed(one), "float32") / scale for one in task]
            for task in by_task
        ]
        weights, losses = self.moving_weights, ops.stack(losses)
        if self.balance == "gradnorm" and not self.attacked:
            self._move_weights(variables, by_task, summed(losses))
        elif self.balance == "pcgrad":
            by_task = self._without_conflicts(variables, by_task)
        shares = [scale * weight for weight in ops.unstack(weights, len(self.tasks))]
        total = [_weighted_sum(shares, *column) for column in zip(of_added, *by_task, strict=True)]
        loss = ops.sum(weights * self.given_weights * losses) + added
        return y_pred, loss, total

    def _move_weights(self, variables: Any, by_task: list[list[Any]], losses: Any) -> None:
        """GradNorm's step of the weights."""
        if self.shared_paths is None:
            columns = zip(*by_task, strict=True)
            shared = [number for number, column in enumerate(columns) if _is_shared(column)]
        else:
            shared = [n for n, one in enumerate(variables) if one.path in self.shared_paths]
        norms = ops.stack(
            [
                tf.linalg.global_norm([task[n] for n in shared if task[n] is not None])
                for task in by_task
            ]
        )
        first = ops.where(self.first_losses > 0, self.first_losses, losses)
        moved = normalized_gradients_step(
            self.moving_weights, losses, first, norms, self.alpha, self.rate
        )
        # A scaled loss may leave the range of float16: the optimizer skips such a step, too.
        finite = tf.reduce_all(tf.math.is_finite(moved))
        self.first_losses.assign(tf.where(finite, first, self.first_losses))
        self.moving_weights.assign(tf.where(finite, moved, self.moving_weights))

    def _without_conflicts(self, variables: Any, by_task: list[list[Any]]) -> list[list[Any]]:
        """PCGrad over the variables that two tasks use, as one long vector."""
        columns = list(zip(*by_task, strict=True))
        shared = [number for number, column in enumerate(columns) if _is_shared(column)]
        if not shared:
            return by_task
        shapes = [tuple(variables[n].shape) for n in shared]
        flat = ops.stack(
            [
                ops.concatenate(
                    [
                        ops.zeros(math.prod(shape))
                        if task[n] is None
                        else ops.reshape(task[n], (-1,))
                        for n, shape in zip(shared, shapes, strict=True)
                    ]
                )
                for task in by_task
            ]
        )
        # The same order on every replica: seeded by the step.
        order = tf.argsort(
            tf.random.stateless_uniform(
                [len(by_task)], [0, tf.cast(self.optimizer.iterations, "int32")]
            )
        )
        free = without_conflicts(flat, order)
        for number, task in enumerate(by_task):
            pieces = tf.split(free[number], [math.prod(shape) for shape in shapes])
            for n, shape, piece in zip(shared, shapes, pieces, strict=True):
                task[n] = tf.reshape(piece, shape)
        return by_task


class _Epochs(keras.callbacks.Callback):
    """Between epochs: logs the weights, and moves those of DWA."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        model, logs = self.model, {} if logs is None else logs
        logs |= {f"{task}_weight": weight for task, weight in model.weights_now.items()}
        if model.balance != "dwa":
            return
        _, last = np.asarray(model.epoch_losses)
        now = np.array([logs[f"{task}_loss"] for task in model.tasks])
        model.epoch_losses.assign(np.stack([last, now]))
        if last.any():
            model.moving_weights.assign(dynamic_weights(now, last, model.temperature))


def _is_shared(column: Sequence[Any]) -> bool:
    """Whether two tasks use a variable, from its gradients."""
    return sum(gradient is not None for gradient in column) > 1


def _weighted_sum(weights: Sequence[Any], added: Any, *by_task: Any) -> Any:
    """One variable's step: summed over replicas already, which the optimizer does once more."""
    found = [w * g for w, g in zip(weights, by_task, strict=True) if g is not None]
    total = None if not found else sum(found[1:], found[0]) / num_replicas()
    if added is None:
        return total
    return added if total is None else total + tf.cast(added, total.dtype)


def _check_names(argument: str, names: Collection[str], tasks: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in tasks]:
        raise InvalidInput(
            f"`{argument}` names outputs the model does not have: {', '.join(unknown)}. "
            f"Its outputs are {', '.join(tasks)}."
        )
