"""`fit`: Keras's own, with fast defaults, early stopping on ranking metrics, and resumption."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.refusals import refusals_name
from tfrec_fusion.training.adversarial import AdversarialModel
from tfrec_fusion.training.callbacks import (
    DivergenceWatch,
    Keeper,
    Mode,
    ProgressBar,
    TrainingDiverged,
    Validation,
    check_callbacks,
)
from tfrec_fusion.training.checkpoint import Record, load_checkpoint
from tfrec_fusion.training.compilation import compile_model
from tfrec_fusion.training.distribution import built_for, share_evenly
from tfrec_fusion.training.multi_worker import of_this_worker, spans_workers

__all__ = ["FitResult", "TrainingDiverged", "fit"]


@dataclasses.dataclass(frozen=True)
class FitResult:
    """The outcome of a training.

    Attributes:
        history: One list per metric (`loss`, `val_ndcg@10`, …), one value per epoch; NaN where an
            epoch was not validated.
        best_epoch: The epoch, counted from 1, whose weights the model now has.
        best_value: The monitored metric at that epoch; None without validation.
        epochs_run: Epochs finished, those before a resumption included.
        seconds: Wall time of these epochs, validation included.
        stopped_early: Whether patience ended the training.
    """

    history: dict[str, list[float]]
    best_epoch: int
    best_value: float | None
    epochs_run: int
    seconds: float
    stopped_early: bool


def fit(
    model: keras.Model,
    dataset: tf.data.Dataset,
    *,
    epochs: int,
    optimizer: str | keras.optimizers.Optimizer | None = None,
    loss: Any = None,
    loss_weights: Any = None,
    metrics: Any = None,
    validate: Callable[[], Mapping[str, float]] | None = None,
    validate_every: int = 1,
    monitor: str = "ndcg@10",
    mode: Mode = "max",
    patience: int | None = 5,
    min_delta: float = 0.0,
    run_dir: Path | None = None,
    resume: bool = True,
    steps_per_epoch: int | None = None,
    steps_per_execution: int | Literal["auto"] = "auto",
    jit_compile: bool | Literal["auto"] = "auto",
    adversarial_epsilon: float = 0.0,
    augment: Callable[[Any, Any], Any] | None = None,
    seed: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
) -> FitResult:
    """Trains a Keras model, and leaves it with the weights of its best epoch.

    With `optimizer` given the model is compiled here, with a fresh copy of it. Without it the
    model must have been compiled already, and is trained as it is. The strategy is
    the one under whose scope the model was built.

    After each epoch, `run_dir` holds `checkpoints/training.npz` (weights, optimizer, best weights,
    early stopping), `training.csv` and, for TensorBoard, `tensorboard/`. A call with the same
    `run_dir` goes on after the last finished epoch, however the earlier one ended; the rows of the
    epochs it adds may come in another order than without the interruption.

    Args:
        model: A model whose inputs and outputs fit `dataset`.
        dataset: Yields batches of `(x, y)` or `(x, y, sample_weight)`, one pass an epoch.
        epochs: The most epochs to train, those before a resumption included.
        optimizer: As in `model.compile`.
        loss: As in `model.compile`.
        loss_weights: As in `model.compile`.
        metrics: As in `model.compile`.
        validate: Returns metrics of the model as it stands, e.g. its validation NDCG@10.
        validate_every: Epochs between validations; the last epoch is always validated.
        monitor: The metric of `validate` that says which epoch is best.
        mode: Whether `monitor` is better when larger ("max") or smaller ("min").
        patience: Validations without improvement after which to stop; None never stops.
        min_delta: What counts as an improvement, in units of `monitor`.
        run_dir: Where to keep files; None keeps none.
        resume: False starts over and forgets the checkpoint in `run_dir`.
        steps_per_epoch: Batches an epoch; needed for endless datasets only.
        steps_per_execution: Batches trained in one call of the compiled function; "auto" takes up
            to 20. An early stop or a checkpoint comes at the end of an epoch in any case.
        jit_compile: Whether XLA compiles the step; "auto" leaves it to Keras, which does on
            accelerators. On a CPU, True pays for small models trained for many steps.
        adversarial_epsilon: Above 0, embedding tables are attacked in every step, see
            `training.adversarial`.
        augment: `(inputs, seed)` → changed inputs of a batch, another seed each time, such as
            `text.augment.TextAugmentation`.
        seed: Seeds Python, NumPy and TensorFlow, plus the epochs already done, before training.
        callbacks: Further Keras callbacks, such as TensorBoard, Weights & Biases or MLflow. They
            come last, so that the logs of an epoch hold the metrics of `validate` as `val_…`, and
            its checkpoint is written. After a resumption they see the epochs that are added, under
            their numbers. Their `model` is the one that is trained: with `adversarial_epsilon` the
            wrapper of yours.
        progress: Shows a bar in a terminal or notebook, and elsewhere a line on stderr an epoch.

    Returns:
        The history and the best epoch.

    Raises:
        ValueError: If an argument, or the checkpoint found, does not fit the model.
        TypeError: If one of `callbacks` is no Keras callback.
        TrainingDiverged: If the loss or the monitored metric becomes NaN or infinite.
        SystemRefusal: If a file of `run_dir` cannot be written; finished epochs are kept.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> batches = tf.data.Dataset.from_tensors((np.ones((4, 2)), np.ones((4, 1))))
    >>> result = fit(model, batches, epochs=20, optimizer="adam", loss="mse",
    ...              validate=lambda: {"ndcg@10": 0.2}, patience=2, progress=False)
    >>> result.history["val_ndcg@10"], result.stopped_early
    ([0.2, 0.2, 0.2], True)
    """
    _check_positive(
        epochs=epochs,
        patience=patience,
        validate_every=validate_every,
        steps_per_epoch=steps_per_epoch,
        steps_per_execution=None if steps_per_execution == "auto" else steps_per_execution,
    )
    if mode not in ("max", "min"):
        raise InvalidInput(f"`mode` must be 'max' or 'min'. Received: {mode!r}")
    check_callbacks(callbacks)
    num_steps = _count_steps(dataset, steps_per_epoch)
    if augment is not None:
        dataset = _augmented(dataset, augment, seed)
    if adversarial_epsilon:
        model = _attacked(model, adversarial_epsilon)
    compile_model(
        model,
        optimizer=optimizer,
        loss=loss,
        loss_weights=loss_weights,
        metrics=metrics,
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
        num_steps=num_steps,
        divide_steps=steps_per_epoch is not None,
    )
    checkpoint = None if run_dir is None else Path(run_dir) / "checkpoints" / "training.npz"
    record, best_weights = _begin(checkpoint, model, resume)
    keeper = Keeper(
        record,
        best_weights,
        monitor=None if validate is None else f"val_{monitor}",
        mode=mode,
        patience=patience,
        min_delta=min_delta,
        checkpoint=checkpoint,
        csv_file=None if run_dir is None else Path(run_dir) / "training.csv",
    )
    own: list[keras.callbacks.Callback] = [DivergenceWatch()]
    if validate is not None:
        own.append(Validation(validate, monitor, validate_every, epochs))
    if run_dir is not None:
        logs = str(Path(run_dir) / "tensorboard")
        own.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    own.append(keeper)
    if progress:
        own.append(ProgressBar(epochs, record.epochs_run, num_steps, keeper.monitor))
    if record.epochs_run < epochs and not record.stopped_early:
        if seed is not None:
            keras.utils.set_random_seed(seed + record.epochs_run)
        with contextlib.nullcontext() if run_dir is None else refusals_name(Path(run_dir)):
            every = [*own, *callbacks]
            _train(model, dataset, every, epochs, record.epochs_run, steps_per_epoch)
    return _finish(model, keeper)


def _attacked(model: keras.Model, epsilon: float) -> AdversarialModel:
    """The same weights under attack."""
    if isinstance(model, AdversarialModel):
        raise InvalidInput(
            "Pass `epsilon` to the model that is wrapped already, not `adversarial_epsilon`. "
            f"Received: {type(model).__name__}."
        )
    with model.distribute_strategy.scope():
        return AdversarialModel(model, epsilon)


def _augmented(
    dataset: tf.data.Dataset, augment: Callable[[Any, Any], Any], seed: int | None
) -> tf.data.Dataset:
    """Batches with changed inputs, in each epoch others."""
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(dataset, seeds).map(
        lambda batch, pair: (augment(batch[0], pair), *batch[1:]), tf.data.AUTOTUNE
    )


def _train(
    model: keras.Model,
    dataset: tf.data.Dataset,
    callbacks: list[keras.callbacks.Callback],
    epochs: int,
    initial_epoch: int,
    steps_per_epoch: int | None,
) -> None:
    """Runs `model.fit`, sharing the batches where there are several replicas."""
    strategy = model.distribute_strategy
    if strategy.num_replicas_in_sync > 1:
        dataset = share_evenly(dataset, strategy.num_replicas_in_sync)
    batch = dataset.element_spec
    # With tf.data's autotuner the end of an epoch waits for its next look at the pipeline; it looks
    # after 10, 20, 40, … milliseconds, so that an epoch may take twice as long.
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(untuned)
    if spans_workers(strategy):
        dataset = of_this_worker(dataset, strategy)
    try:
        with built_for(model, batch), warnings.catch_warnings():
            # Said of data sets that do not know their length, at the end of each epoch.
            warnings.filterwarnings("ignore", "Your input ran out of data")
            model.fit(
                dataset,
                epochs=epochs,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                callbacks=callbacks,
                shuffle=False,
                verbose=0,
            )
    finally:
        for callback in callbacks:
            if isinstance(callback, ProgressBar):
                callback.close()


def _begin(
    checkpoint: Path | None, model: keras.Model, resume: bool
) -> tuple[Record, list[np.ndarray] | None]:
    """The record and best weights to go on from, or those of a new training."""
    if checkpoint is None or not checkpoint.exists():
        return Record(), None
    if resume:
        return load_checkpoint(checkpoint, model)
    checkpoint.unlink()
    return Record(), None


def _finish(model: keras.Model, keeper: Keeper) -> FitResult:
    """Puts the best weights back and says how it went."""
    record = keeper.record
    if keeper.best_weights is not None:
        model.set_weights(keeper.best_weights)
    return FitResult(
        history=record.history,
        best_epoch=record.best_epoch or record.epochs_run,
        best_value=record.best_value,
        epochs_run=record.epochs_run,
        seconds=record.seconds,
        stopped_early=record.stopped_early,
    )


def _count_steps(dataset: tf.data.Dataset, steps_per_epoch: int | None) -> int | None:
    """Batches an epoch; None where the data set does not know."""
    cardinality = int(dataset.cardinality())
    if cardinality == 0:
        raise InvalidInput("`dataset` has no batches: there is nothing to train on.")
    if steps_per_epoch is not None:
        return steps_per_epoch
    if cardinality == tf.data.INFINITE_CARDINALITY:
        raise InvalidInput(
            "`dataset` is endless. Pass `steps_per_epoch` to say how long an epoch is."
        )
    return None if cardinality == tf.data.UNKNOWN_CARDINALITY else cardinality


def _check_positive(**arguments: int | None) -> None:
    for name, value in arguments.items():
        if value is not None and value < 1:
            raise InvalidInput(f"`{name}` must be at least 1. Received: {value}")
