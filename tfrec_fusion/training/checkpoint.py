"""One file with all that a training needs to go on after a kill."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.archives import read_arrays
from tfrec_fusion.files.whole import whole_file


@dataclasses.dataclass
class Record:
    """What has happened in a training so far.

    Attributes:
        history: One list per metric, one value per finished epoch (NaN where it was not measured).
        best_epoch: The epoch, counted from 1, with the best monitored value; 0 before there is one.
        best_value: That value, or None.
        waited: Validations since then without improvement.
        seconds: Wall time, summed over all resumed parts.
        stopped_early: Whether patience ran out.
    """

    history: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    best_epoch: int = 0
    best_value: float | None = None
    waited: int = 0
    seconds: float = 0.0
    stopped_early: bool = False

    @property
    def epochs_run(self) -> int:
        """Finished epochs."""
        return max(map(len, self.history.values()), default=0)

    def append(self, logs: dict[str, float]) -> None:
        """Adds one epoch's values; a metric missing now or before is NaN there."""
        done = self.epochs_run
        for name in {**self.history, **logs}:
            values = self.history.setdefault(name, [float("nan")] * done)
            values.append(float(logs.get(name, float("nan"))))


def save_checkpoint(
    path: Path, model: keras.Model, record: Record, best_weights: Sequence[np.ndarray] | None
) -> None:
    """Writes the model's and its optimizer's variables, the record and the best weights.

    Args:
        path: The file, an .npz without pickled objects.
        model: A compiled model.
        record: The training so far.
        best_weights: `model.get_weights()` of the best epoch, or None to keep none.
    """
    groups = {
        "model": [_as_array(variable) for variable in _model_variables(model)],
        "optimizer": [_as_array(variable) for variable in model.optimizer.variables],
        "best": [_storable(array) for array in best_weights or ()],
    }
    arrays: dict[str, Any] = {
        f"{group}_{i}": array
        for group, members in groups.items()
        for i, array in enumerate(members)
    }
    text = json.dumps(dataclasses.asdict(record)).encode()
    with whole_file(path) as file:
        np.savez(file, allow_pickle=False, record=np.frombuffer(text, np.uint8), **arrays)


def load_checkpoint(path: Path, model: keras.Model) -> tuple[Record, list[np.ndarray] | None]:
    """Restores the model's and its optimizer's variables from `save_checkpoint`'s file.

    Args:
        path: The file.
        model: The same model, compiled with the same optimizer.

    Returns:
        The record, and the best epoch's weights (None where none were kept).

    Raises:
        ValueError: If the file was written for other variables than this model's.
    """
    stored = read_arrays(path)
    record = Record(**json.loads(stored.pop("record").tobytes()))
    with model.distribute_strategy.scope():
        model.optimizer.build(model.trainable_variables)
        _assign(path, "model", _model_variables(model), _members(stored, "model"))
        _assign(path, "optimizer", model.optimizer.variables, _members(stored, "optimizer"))
    return record, _members(stored, "best") or None


def best_weights(path: Path) -> list[np.ndarray]:
    """The best epoch's weights, for `model.set_weights`, from `save_checkpoint`'s file.

    Raises:
        ValueError: If none were kept.
    """
    stored = read_arrays(path, prefix="best_")
    if not stored:
        raise InvalidInput(f"The checkpoint {path} keeps no best weights: nothing was validated.")
    return _members(stored, "best")


def _model_variables(model: keras.Model) -> list[keras.Variable]:
    """Weights and the states of random layers, without metrics and optimizer."""
    own = {id(variable) for metric in model.metrics for variable in metric.variables}
    own |= {id(variable) for variable in model.optimizer.variables}
    return [variable for variable in model.variables if id(variable) not in own]


def _as_array(variable: keras.Variable) -> np.ndarray:
    return _storable(keras.ops.convert_to_numpy(variable))


def _storable(array: np.ndarray) -> np.ndarray:
    """Widens bfloat16, which the .npz format does not know, without loss."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _members(stored: dict[str, np.ndarray], group: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{group}_") for name in stored)
    members = [stored.get(f"{group}_{i}") for i in range(count)]
    if missing := [i for i, one in enumerate(members) if one is None]:
        raise InvalidInput(f"A checkpoint must hold {group}_{missing[0]}, which is missing.")
    return [one for one in members if one is not None]


def _assign(
    path: Path, group: str, variables: list[keras.Variable], values: list[np.ndarray]
) -> None:
    saved = [value.shape for value in values]
    expected = [tuple(variable.shape) for variable in variables]
    if saved != expected:
        raise InvalidInput(
            f"The checkpoint {path} was written for another {group}. Its variables have the shapes "
            f"{saved}, this one's {expected}. Train into another folder, or pass resume=False "
            "to start over."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
