"""Bottoms that several tasks share through experts: MMoE and PLE, with gates that can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput


@keras.saving.register_keras_serializable("tfrec_fusion")
class Experts(keras.layers.Layer):
    """Several dense networks of one shape, computed side by side.

    Args:
        num_experts: How many.
        units: Sizes of each one's layers, all with relu.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: `(batch, size)`.

    Returns:
        `(batch, num_experts, units[-1])`.

    Raises:
        ValueError: When a number is not positive.

    Example:

    >>> Experts(3, (8, 4))(ops.ones((2, 5))).shape
    TensorShape([2, 3, 4])
    """

    def __init__(self, num_experts: int, units: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_experts < 1 or not units or min(units) < 1:
            raise InvalidInput(
                "`num_experts` and every size in `units` must be positive. "
                f"Received: num_experts={num_experts}, units={tuple(units)}."
            )
        self.num_experts, self.units = num_experts, tuple(units)

    def build(self, x_shape: Any) -> None:
        """Makes the weights."""
        self.kernels, self.biases, size = [], [], x_shape[-1]
        for number, units in enumerate(self.units):
            limit = math.sqrt(6 / (size + units))  # Glorot's, of each expert for itself
            self.kernels.append(
                self.add_weight(
                    name=f"kernel_{number}",
                    shape=(self.num_experts, size, units),
                    initializer=keras.initializers.RandomUniform(-limit, limit),
                )
            )
            self.biases.append(
                self.add_weight(
                    name=f"bias_{number}", shape=(self.num_experts, 1, units), initializer="zeros"
                )
            )
            size = units

    def call(self, x: Any) -> Any:
        """Computes what the class describes."""
        hidden = ops.expand_dims(x, 0)
        for weights in zip(self.kernels, self.biases, strict=True):
            kernel, bias = (ops.cast(one, self.compute_dtype) for one in weights)
            hidden = ops.relu(ops.matmul(hidden, kernel) + bias)  # (num_experts, batch, units)
        return ops.transpose(hidden, (1, 0, 2))

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "num_experts": self.num_experts, "units": self.units}


@keras.saving.register_keras_serializable("tfrec_fusion")
class MMoE(keras.layers.Layer):
    """Multi-gate mixture of experts (Ma et al. 2018): each task weighs the same experts.

    `bottom_k = Σ_e softmax(W_k x)_e · expert_e(x)`. With one expert it is a shared bottom.

    Args:
        num_tasks: How many bottoms.
        num_experts: How many experts.
        units: Sizes of each expert's layers.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: `(batch, size)`.
        return_gates: Whether to return what each task gives each expert, too.

    Returns:
        `(batch, num_tasks, units[-1])`; with `return_gates` also the gates
        `(batch, num_tasks, num_experts)`, which sum to 1 over the experts.

    Raises:
        ValueError: When a number is not positive.

    Example:

    >>> bottoms, gates = MMoE(2, num_experts=3, units=(4,))(ops.ones((5, 6)), return_gates=True)
    >>> bottoms.shape, gates.shape
    (TensorShape([5, 2, 4]), TensorShape([5, 2, 3]))
    """

    def __init__(
        self, num_tasks: int, num_experts: int = 4, units: Sequence[int] = (64,), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        _check_tasks(num_tasks)
        self.num_tasks, self.num_experts, self.units = num_tasks, num_experts, tuple(units)
        policy = self.dtype_policy
        self.experts = Experts(num_experts, units, dtype=policy, name="experts")
        self.gate = keras.layers.EinsumDense(
            "bi,ite->bte", (num_tasks, num_experts), activation="softmax", dtype=policy, name="gate"
        )

    def build(self, x_shape: Any) -> None:
        """Makes the weights."""
        self.experts.build(x_shape)
        self.gate.build(x_shape)

    def call(self, x: Any, return_gates: bool = False) -> Any:
        """Computes what the class describes."""
        if self.num_experts == 1:  # a softmax over one is only nearly 1 in floating point
            gates = ops.ones((ops.shape(x)[0], self.num_tasks, 1), x.dtype)
        else:
            gates = self.gate(x)  # (batch, num_tasks, num_experts)
        bottoms = ops.matmul(gates, self.experts(x))
        return (bottoms, gates) if return_gates else bottoms

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("num_tasks", "num_experts", "units")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("tfrec_fusion")
class PLE(keras.layers.Layer):
    """Progressive layered extraction (Tang et al. 2020): shared experts, and each task's own.

    In every level a task's gate weighs its own experts and the shared ones; between levels a
    further gate over all experts carries what is shared.

    Args:
        num_tasks: How many bottoms.
        num_shared: Shared experts a level.
        num_own: Experts of each task a level.
        units: Sizes of each expert's layers.
        num_levels: Levels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        x: `(batch, size)`.
        return_gates: Whether to return the gates of the last level, too.

    Returns:
        `(batch, num_tasks, units[-1])`; with `return_gates` also the gates
        `(batch, num_tasks, num_own + num_shared)`, own experts first.

    Raises:
        ValueError: When a number is not positive.

    Example:

    >>> bottoms, gates = PLE(num_tasks=3, units=(8,))(ops.ones((5, 6)), return_gates=True)
    >>> bottoms.shape, gates.shape
    (TensorShape([5, 3, 8]), TensorShape([5, 3, 4]))
    """

    def __init__(
        self,
        num_tasks: int,
        num_shared: int = 2,
        num_own: int = 2,
        units: Sequence[int] = (64,),
        num_levels: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        _check_tasks(num_tasks)
        if num_levels < 1:
            raise InvalidInput(f"`num_levels` must be positive. Received: {num_levels}.")
        self.num_tasks, self.num_shared, self.num_own = num_tasks, num_shared, num_own
        self.units, self.num_levels = tuple(units), num_levels
        policy = self.dtype_policy

        def gate(size: int) -> keras.layers.Dense:
            return keras.layers.Dense(size, "softmax", use_bias=False, dtype=policy)

        levels = range(num_levels)
        self.shared = [Experts(num_shared, units, dtype=policy) for _ in levels]
        self.own = [
            [Experts(num_own, units, dtype=policy) for _ in range(num_tasks)] for _ in levels
        ]
        self.gates = [[gate(num_own + num_shared) for _ in range(num_tasks)] for _ in levels]
        everyone = num_tasks * num_own + num_shared
        self.shared_gates = [gate(everyone) for _ in levels[1:]]

    def build(self, x_shape: Any) -> None:
        """Makes the weights."""
        shape = x_shape
        for level in range(self.num_levels):
            for layer in (self.shared[level], *self.own[level], *self.gates[level]):
                layer.build(shape)
            if level + 1 < self.num_levels:
                self.shared_gates[level].build(shape)
            shape = (*x_shape[:-1], self.units[-1])

    def call(self, x: Any, return_gates: bool = False) -> Any:
        """Computes what the class describes."""
        own_inputs, shared_input, gates = [x] * self.num_tasks, x, []
        for level in range(self.num_levels):
            shared = self.shared[level](shared_input)
            own = [layer(one) for layer, one in zip(self.own[level], own_inputs, strict=True)]
            gates = [gate(one) for gate, one in zip(self.gates[level], own_inputs, strict=True)]
            if level + 1 < self.num_levels:
                everyone = ops.concatenate([*own, shared], axis=1)
                shared_input = _mixed(self.shared_gates[level](shared_input), everyone)
            own_inputs = [
                _mixed(gate, ops.concatenate([experts, shared], axis=1))
                for gate, experts in zip(gates, own, strict=True)
            ]
        bottoms = ops.stack(own_inputs, axis=1)
        return (bottoms, ops.stack(gates, axis=1)) if return_gates else bottoms

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        names = ("num_tasks", "num_shared", "num_own", "units", "num_levels")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _mixed(gate: Any, experts: Any) -> Any:
    """`(batch, units)`: `(batch, num_experts, units)` weighted by `(batch, num_experts)`."""
    return ops.squeeze(ops.matmul(gate[:, None, :], experts), axis=1)


def _check_tasks(num_tasks: int) -> None:
    if num_tasks < 1:
        raise InvalidInput(f"`num_tasks` must be positive. Received: {num_tasks}.")
