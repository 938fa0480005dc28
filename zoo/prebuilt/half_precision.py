"""A trained model in one small file: its config and its weights, numbers in half precision.

The file is safetensors (https://github.com/huggingface/safetensors): a header of names, shapes and
types, then plain bytes, nothing that is executed. Floats are kept with 16 bits, whole numbers with
as few as hold them. What only training needs, the optimizer's slots, is omitted.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.zoo.registry import get_spec

_HYPERPARAMETER = "hyperparameter."
_SHAPE = ".shape"  # of a sparse matrix: small, and read as it is


def save_half(path: Path, name: str, model: Any) -> None:
    """Writes a model of the zoo.

    Args:
        path: The file to write.
        name: The model's name in the zoo.
        model: A Keras model or a fitted baseline.

    Raises:
        ValueError: When a weight has no finite value of 16 bits.
    """
    if get_spec(name).is_baseline:
        arrays = model.arrays()
        config = {
            key.removeprefix(_HYPERPARAMETER): arrays.pop(key).item()
            for key in list(arrays)
            if key.startswith(_HYPERPARAMETER)
        }
    else:
        config = keras.saving.serialize_keras_object(model)
        config.pop("compile_config", None)
        # In the order of the model: paths depend on where in a program it was built.
        arrays = {
            f"{number:04} {one.path}": keras.ops.convert_to_numpy(one)
            for number, one in enumerate(model.weights)
        }
    small = {key: np.array(_small(key, array), order="C") for key, array in arrays.items()}
    with whole_file(path) as file:
        file.write(save(small, {"model": name, "config": json.dumps(config)}))


def load_half(path: Path) -> Any:
    """Reads a model that `save_half` wrote; its numbers have their usual precision again.

    Returns:
        A Keras model or a fitted baseline; the model has not been compiled.

    Raises:
        ValueError: When the file is broken, or does not fit this version of the model.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        name, config = said["model"], json.loads(said["config"])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise InvalidInput(f"It is no file of weights of the zoo: {error}.") from error
    spec = get_spec(name)
    if spec.is_baseline:
        arrays = {key: _usual(array) for key, array in arrays.items()}
        chosen = {f"{_HYPERPARAMETER}{key}": np.asarray(value) for key, value in config.items()}
        return spec.config.from_arrays(arrays | chosen)
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:  # Keras raises what the config makes it raise
        raise InvalidInput(f"It is no file of weights of the zoo: {error}") from error
    expected = [(one.path, tuple(one.shape)) for one in model.weights]
    found = [(key, arrays[key].shape) for key in sorted(arrays)]
    for mine, its in itertools.zip_longest(expected, found, fillvalue=("nothing", ())):
        if mine[1] != its[1]:
            raise InvalidInput(
                f"Its weights are not those of this version's {name}: where {mine[0]} of shape "
                f"{mine[1]} is expected, it has {its[0]} of shape {its[1]}."
            )
    for weight, (key, _) in zip(model.weights, found, strict=True):
        weight.assign(arrays[key].astype(weight.dtype))
    return model


def _small(name: str, array: np.ndarray) -> np.ndarray:
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise InvalidInput(
                f"{name} holds {np.abs(array).max():g}, which 16 bits do not; the largest number "
                f"they hold is {np.finfo(np.float16).max:g}."
            )
        return half
    if np.issubdtype(array.dtype, np.integer) and array.size and not name.endswith(_SHAPE):
        ends = (np.min_scalar_type(end) for end in (array.min(), array.max()))
        return array.astype(np.result_type(*ends))
    return array


def _usual(array: np.ndarray) -> np.ndarray:
    if np.issubdtype(array.dtype, np.floating):
        return array.astype(np.float32)
    return array.astype(np.int64) if array.dtype.itemsize > 4 else array.astype(np.int32)
