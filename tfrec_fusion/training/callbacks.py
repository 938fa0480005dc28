"""Callbacks around an epoch: validation, early stopping, the files, the progress line."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput, UserError, WrongType
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.progress import progress_bar, tell_progress
from tfrec_fusion.training.checkpoint import Record, save_checkpoint

Mode = Literal["max", "min"]


class TrainingDiverged(UserError, RuntimeError):
    """The loss or the monitored metric became NaN or infinite."""


class DivergenceWatch(keras.callbacks.Callback):
    """Raises `TrainingDiverged` as soon as a training value is not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Notes which epoch a message would name."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Looks at the running loss."""
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"The loss became {loss} in epoch {self.epoch + 1}, by step {batch + 1}. Lower the "
                "learning rate, clip gradients (`clipnorm=1.0` in the optimizer), or look for "
                "NaN in the data. Checkpoints written before this epoch are kept."
            )


class Validation(keras.callbacks.Callback):
    """Adds `validate()`'s metrics to the epoch's logs as `val_<name>`."""

    def __init__(
        self, validate: Callable[[], Mapping[str, float]], monitor: str, every: int, epochs: int
    ) -> None:
        super().__init__()
        self.validate, self.monitor, self.every, self.epochs = validate, monitor, every, epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Validates every `every` epochs, and after the last."""
        if (epoch + 1) % self.every and epoch + 1 != self.epochs:
            return
        measured = {name: float(value) for name, value in self.validate().items()}
        if self.monitor not in measured:
            raise InvalidInput(
                f"`monitor` must be one of the metrics that `validate` returns: "
                f"{', '.join(sorted(measured))}. Received: {self.monitor!r}"
            )
        if not math.isfinite(measured[self.monitor]):
            raise TrainingDiverged(
                f"{self.monitor} became {measured[self.monitor]} after epoch {epoch + 1}. "
                "Lower the learning rate or look for NaN in the data."
            )
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in measured.items()})


class Keeper(keras.callbacks.Callback):
    """Keeps the record of the training, its best weights and its files; stops when patience ends.

    Attributes:
        record: The training so far.
        best_weights: `model.get_weights()` of the best epoch, None before there is one.
    """

    def __init__(
        self,
        record: Record,
        best_weights: list[np.ndarray] | None,
        *,
        monitor: str | None,
        mode: Mode,
        patience: int | None,
        min_delta: float,
        checkpoint: Path | None,
        csv_file: Path | None,
    ) -> None:
        super().__init__()
        self.record, self.best_weights = record, best_weights
        self.monitor, self.sign = monitor, 1.0 if mode == "max" else -1.0
        self.patience, self.min_delta = patience, min_delta
        self.checkpoint, self.csv_file = checkpoint, csv_file
        self.began = time.monotonic() - record.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Takes the epoch into the record, decides whether to go on, writes the files."""
        logs = logs or {}
        self.record.append(logs)
        if self.monitor in logs:
            self._compare(logs[self.monitor])
        self.record.seconds = time.monotonic() - self.began
        if self.csv_file is not None:
            with whole_file(self.csv_file) as file:
                file.write(history_csv(self.record.history).encode())
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.model, self.record, self.best_weights)

    def _compare(self, value: float) -> None:
        record = self.record
        best = record.best_value
        if best is None or self.sign * (value - best) > self.min_delta:
            record.best_epoch, record.best_value, record.waited = record.epochs_run, value, 0
            self.best_weights = self.model.get_weights()
            return
        record.waited += 1
        if self.patience is not None and record.waited >= self.patience:
            record.stopped_early = self.model.stop_training = True


class ProgressBar(keras.callbacks.Callback):
    """A bar for the whole training: epoch, loss, validation, time left.

    Logs, and notebooks without widgets, have a line an epoch instead.
    """

    def __init__(self, epochs: int, first_epoch: int, steps: int | None, monitor: str | None):
        super().__init__()
        self.epochs, self.steps, self.monitor = epochs, steps, monitor
        self.first_epoch, self.in_epoch = first_epoch, 0
        self.shown: dict[str, str] = {}
        self.bar: Any = None

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Draws the bar, in a terminal or notebook."""
        total = None if self.steps is None else self.steps * self.epochs
        done = 0 if self.steps is None else self.steps * self.first_epoch
        self.bar = progress_bar(total=total, initial=done, unit="step", mininterval=0.2)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Names the epoch."""
        self.in_epoch = 0
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Moves on by the steps taken since the last call."""
        steps = batch + 1 if self.steps is None else min(batch + 1, self.steps)
        self._show(logs, "loss", refresh=False)
        self.bar.update(steps - self.in_epoch)
        self.in_epoch = steps

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Shows the validation; where there is no bar, tells the epoch in a line."""
        if self.monitor is not None:
            self._show(logs, self.monitor, refresh=True)
        if self.bar.disable:
            self._show(logs, "loss", refresh=False)
            measured = "".join(f", {name}={value}" for name, value in self.shown.items())
            tell_progress(f"{self.model.name}: epoch {epoch + 1}/{self.epochs}{measured}")

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Leaves the line standing."""
        self.close()

    def close(self) -> None:
        """Ends the line; may be called again."""
        if self.bar is not None:
            self.bar.close()

    def _show(self, logs: Mapping[str, float] | None, name: str, *, refresh: bool) -> None:
        if name in (logs or {}):
            self.shown[name.removeprefix("val_")] = f"{logs[name]:.4f}"  # type: ignore[index]
            self.bar.set_postfix(self.shown, refresh=refresh)


def check_callbacks(callbacks: object) -> None:
    """Refuses anything but a sequence of Keras callbacks.

    Raises:
        WrongType: With what was received.
    """
    given = callbacks if isinstance(callbacks, Sequence) else (callbacks,)
    wrong = [one for one in given if not isinstance(one, keras.callbacks.Callback)]
    if wrong or not isinstance(callbacks, Sequence):
        received = wrong[0] if wrong else callbacks
        raise WrongType(
            "`callbacks` must be a list of keras.callbacks.Callback. "
            f"Received: {received!r:.60}, of the type {type(received).__name__}."
        )


def history_csv(history: Mapping[str, list[float]]) -> str:
    """A table with the columns `epoch` (from 1) and the metrics; not measured is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    for epoch, values in enumerate(zip(*history.values(), strict=True), start=1):
        writer.writerow([epoch, *("" if math.isnan(value) else repr(value) for value in values)])
    return text.getvalue()
