"""One JSON value to one array, checked value by value, in the stock server's words."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfrec_fusion.serving.local.failures import ServingError, invalid, shown

BASE64_KEY = "b64"
MAX_RANK = 8


def array_from_json(value: Any, dtype: tf.DType) -> np.ndarray:
    """The array that nested lists make.

    Args:
        value: A value or nested lists of equal lengths; strings are text, or bytes as
            `{"b64": "..."}`.
        dtype: The type the values must have.

    Returns:
        The array; strings are an object array of bytes.

    Raises:
        ServingError: INVALID_ARGUMENT when lists differ in length, or a value is of another
            type or cannot be represented.

    Example:
    >>> array_from_json([[1, 2]], tf.int32).shape
    (1, 2)
    """
    shape = _shape(value)
    leaves = _leaves(value, shape)
    return _typed(leaves, dtype).reshape(shape)


def is_base64(value: Any) -> bool:
    """Whether a value stands for bytes."""
    return isinstance(value, dict) and set(value) == {BASE64_KEY}


def _shape(value: Any) -> tuple[int, ...]:
    sizes: list[int] = []
    while isinstance(value, list):
        sizes.append(len(value))
        if len(sizes) > MAX_RANK:
            raise invalid(f"Encountered list at unexpected level: {MAX_RANK} expected < {MAX_RANK}")
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def _leaves(value: Any, shape: tuple[int, ...]) -> list[Any]:
    """The values in order; every list on a level must be as long as the first one."""
    level = [value]
    for depth, size in enumerate(shape):
        for one in level:
            if not isinstance(one, list):
                raise invalid(
                    f"JSON Value: {shown(one)} found at incorrect level: {depth} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            if len(one) != size:
                raise invalid(
                    f"Encountered list at unexpected size: {len(one)} at level: {depth} "
                    f"expected size: {size}"
                )
        level = [part for one in level for part in one]
    deeper = next((one for one in level if isinstance(one, list)), None)
    if deeper is not None:
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return level


def _typed(leaves: list[Any], dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        array = np.empty(len(leaves), object)
        array[:] = [_bytes(one) for one in leaves]
        return array
    if dtype == tf.bool:
        for one in leaves:
            if not isinstance(one, bool):
                raise _type_error(one, dtype)
    elif dtype.is_floating:
        largest = float(np.finfo(np.float64 if dtype == tf.float64 else np.float32).max)
        for one in leaves:
            _check_float(one, dtype, largest)
    elif dtype.is_integer:
        limits = np.iinfo(dtype.as_numpy_dtype)
        for one in leaves:
            if not _is_whole(one) or not limits.min <= one <= limits.max:
                raise _type_error(one, dtype)
    else:
        raise ServingError("UNIMPLEMENTED", f"Conversion of JSON to type: {dtype.name}", 400)
    return np.array(leaves, dtype.as_numpy_dtype)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_float(value: Any, dtype: tf.DType, largest: float) -> None:
    if not isinstance(value, float) and not _is_whole(value):
        raise _type_error(value, dtype)
    exact = 2 ** (53 if dtype == tf.float64 else 24)
    if isinstance(value, int):
        lossy = abs(value) >= exact
    else:
        lossy = math.isfinite(value) and abs(value) > largest
    if lossy:
        raise invalid(
            f"Cannot convert JSON value: {shown(value)} to {dtype.name} without loss of precision."
        )


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise invalid(
                f"JSON Value: {shown(value)} holds half of a surrogate pair, which is no text."
            ) from error
    if isinstance(value, dict):
        if not is_base64(value) or not isinstance(value[BASE64_KEY], str):
            raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
        try:
            return base64.b64decode(value[BASE64_KEY].encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise invalid(f"Unable to base64 decode: {error}") from error
    raise _type_error(value, tf.string)


def _type_error(value: Any, dtype: tf.DType) -> ServingError:
    kinds = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    kind = "Null" if value is None else kinds.get(type(value), str(value))
    return invalid(f"JSON Value: {shown(value)} Type: {kind} is not of expected type: {dtype.name}")
