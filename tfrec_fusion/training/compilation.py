"""Compiling a model so that it trains fast, and refusing what Keras cannot do under a strategy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import keras

from tfrec_fusion.errors import InvalidInput

MAX_STEPS_PER_EXECUTION = 20
# Adam keeps squares of gradients in the type of the weights: in float16 those of gradients below
# 0.008 are 0, and the step would be the gradient divided by epsilon alone.
EPSILON_OF_FLOAT16 = 1e-3


def compile_model(
    model: keras.Model,
    *,
    optimizer: str | keras.optimizers.Optimizer | None,
    loss: Any = None,
    loss_weights: Any = None,
    metrics: Any = None,
    steps_per_execution: int | Literal["auto"] = "auto",
    jit_compile: bool | Literal["auto"] = "auto",
    num_steps: int | None = None,
    divide_steps: bool = False,
) -> None:
    """Compiles `model` with a fresh copy of `optimizer`, or checks that it is compiled already.

    For weights kept in float16, as the policy `float16` (not `mixed_float16`) has them, an epsilon
    of the optimizer is raised to 1e-3.

    Under a strategy with several replicas, Keras 3 can neither compile the step with XLA nor put
    several steps into one call, so "auto" does neither there.

    Args:
        model: The model, built under its strategy's scope.
        optimizer: None to keep the model's own compilation.
        loss: As in `model.compile`.
        loss_weights: As in `model.compile`.
        metrics: As in `model.compile`.
        steps_per_execution: Batches in one call; "auto" takes up to 20.
        jit_compile: Whether XLA compiles the step; "auto" leaves it to Keras.
        num_steps: Batches an epoch, None where unknown.
        divide_steps: Whether "auto" must divide `num_steps`, as `steps_per_epoch` asks.

    Raises:
        ValueError: If the model is not compiled and no optimizer is given, if it is compiled and
            arguments of compilation are given, or if its strategy does not allow them.
    """
    num_replicas = model.distribute_strategy.num_replicas_in_sync
    if optimizer is None:
        given = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics}
        given |= {
            "steps_per_execution": None if steps_per_execution == "auto" else steps_per_execution,
            "jit_compile": None if jit_compile == "auto" else jit_compile,
        }
        _check_compiled(model, [name for name, value in given.items() if value is not None])
        _check_replicas(num_replicas, model.steps_per_execution, model.jit_compile)
        return
    if steps_per_execution == "auto":
        steps_per_execution = 1 if num_replicas > 1 else _fast_steps(num_steps, divide_steps)
    if jit_compile == "auto" and num_replicas > 1:
        jit_compile = False
    _check_replicas(num_replicas, steps_per_execution, jit_compile)
    with model.distribute_strategy.scope():
        model.compile(
            optimizer=_fresh(optimizer, {one.dtype for one in model.trainable_variables}),
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )


def _check_compiled(model: keras.Model, given: list[str]) -> None:
    if not model.compiled:
        raise InvalidInput(
            "The model is not compiled. Pass `optimizer` and `loss`, or call `model.compile` first."
        )
    if given:
        raise InvalidInput(
            f"{', '.join(f'`{name}`' for name in given)} belong to a compilation, which needs "
            "`optimizer`. Pass `optimizer` too, or put them into `model.compile`."
        )


def _check_replicas(
    num_replicas: int, steps_per_execution: int, jit_compile: bool | Literal["auto"]
) -> None:
    if num_replicas > 1 and (steps_per_execution != 1 or jit_compile):
        raise InvalidInput(
            "Under a strategy with several replicas Keras 3 needs steps_per_execution=1 and "
            f"jit_compile=False. Received: steps_per_execution={steps_per_execution}, "
            f"jit_compile={jit_compile}, {num_replicas} replicas."
        )


def _fast_steps(num_steps: int | None, divide: bool) -> int:
    """The most steps a call may take; a divisor of `num_steps` where Keras would overrun it."""
    if num_steps is None:
        return MAX_STEPS_PER_EXECUTION
    most = min(MAX_STEPS_PER_EXECUTION, num_steps)
    if not divide:
        return most
    return next(count for count in range(most, 0, -1) if num_steps % count == 0)


def _fresh(
    optimizer: str | keras.optimizers.Optimizer, dtypes: Collection[str]
) -> keras.optimizers.Optimizer:
    """A copy whose variables are made here, inside the scope, and which no other model shares."""
    optimizer = keras.optimizers.get(optimizer)
    config = optimizer.get_config()
    if "float16" in dtypes and "epsilon" in config:
        config["epsilon"] = max(config["epsilon"], EPSILON_OF_FLOAT16)
    return type(optimizer).from_config(config)
