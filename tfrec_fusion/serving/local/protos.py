"""Between `TensorProto` and NumPy arrays, without trusting what a proto says of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2

from tfrec_fusion.serving.local.failures import invalid
from tfrec_fusion.serving.local.signatures import MAX_VALUES, Signature, TensorSpec

# A proto may claim any shape and carry one value, which stands for all: what is claimed is memory.
MAX_STRING_BYTES = 16 * 2**20
_MAX_RANK = 8
_FIELDS = {
    tf.string: "string_val",
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.int32: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
}


def arrays_from_request(
    inputs: Mapping[str, Any],
    signature: Signature,
    max_values: int = MAX_VALUES,
    max_string_bytes: int = MAX_STRING_BYTES,
) -> dict[str, np.ndarray]:
    """The arrays of a Predict request; inputs left out are filled with the signature's defaults.

    Args:
        inputs: `TensorProto`s by input name.
        signature: The signature asked.
        max_values: Most values of all inputs together, those that one value stands for included.
        max_string_bytes: Most bytes of all strings together, likewise.

    Raises:
        ServingError: INVALID_ARGUMENT, in the stock server's words, when inputs are missing,
            unknown, of another type than the signature's, or cannot be read; when they are more
            than the limits. Nothing of the claimed size is allocated before that is known.
    """
    sent, known = set(inputs), set(signature.inputs)
    if len(sent) > len(known) or (len(sent) < len(known) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(known)} "
            f"len({{{_set(sent)}}}) != len({{{_set(known)}}}). Sent extra: {{{_set(sent - known)}}}"
            f". Missing but required: {{{_set(known - sent)}}}."
        )
    if sent - known:
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_set(sent & known)}, "
            f"request input: {_set(sent)}"
        )
    missing = known - sent - set(signature.defaults)
    if missing:
        raise invalid(
            f"Signature input alias: {min(missing)} not found in request and no default value "
            f"provided. Inputs expected to be in the request {{{_set(sent)}}}, or default input "
            f"alias set: {_set(set(signature.defaults))}"
        )
    sizes = {name: _sizes(inputs[name], signature.inputs[name]) for name in sorted(sent)}
    _check_values(sizes, max_values)
    strings = sum(_string_bytes(inputs[name], math.prod(sizes[name])) for name in sizes)
    if strings > max_string_bytes:
        raise invalid(
            f"The strings of a request must have at most {max_string_bytes:,} bytes, repeated ones "
            f"counted each time. Received: {strings:,}. Send several requests."
        )
    return {
        name: array_of(inputs[name], spec) if name in sent else signature.defaults[name]
        for name, spec in signature.inputs.items()
    }


def _check_values(sizes: Mapping[str, list[int]], max_values: int) -> None:
    """Refuses shapes of too many values, and dimensions that are too long of empty ones."""
    total = sum(math.prod(shape) for shape in sizes.values())
    longest = max((size for shape in sizes.values() for size in shape), default=0)
    if max(total, longest) > max_values:
        shapes = ", ".join(f"{name} {shape}" for name, shape in sizes.items())
        raise invalid(
            f"A request must have at most {max_values:,} values, repeated ones counted each time. "
            f"Received: {shapes}. Send several requests."
        )


def _string_bytes(proto: Any, number: int) -> int:
    """Bytes of the strings of a tensor with `number` values: the last one given fills the rest."""
    given = proto.string_val
    if not given or not number:
        return 0
    return sum(map(len, given)) + max(0, number - len(given)) * len(given[-1])


def _set(names: set[str]) -> str:
    return ",".join(sorted(names))


def array_of(proto: Any, spec: TensorSpec) -> np.ndarray:
    """The array of a `TensorProto`.

    Raises:
        ServingError: INVALID_ARGUMENT when it is of another type than `spec`, or its values do not
            make its shape.
    """
    sizes = _sizes(proto, spec)
    try:
        if math.prod(sizes) == 0:
            return np.zeros(sizes, spec.dtype.as_numpy_dtype)
        array = tf.make_ndarray(proto)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise invalid(f"tensor parsing error: {spec.name}: {error}") from error
    if array.shape != tuple(sizes):
        raise invalid(f"tensor parsing error: {spec.name}: {array.size} values for {sizes}.")
    return array


def _sizes(proto: Any, spec: TensorSpec) -> list[int]:
    """The shape that a `TensorProto` claims, once its type is the input's and the shape is one."""
    if proto.dtype != spec.dtype.as_datatype_enum:
        raise invalid(
            f"`{spec.name}` must be of type {spec.dtype.name}. Received: {_type_name(proto.dtype)}."
        )
    if proto.tensor_shape.unknown_rank:
        raise invalid(f"tensor parsing error: {spec.name}: its shape has no known rank.")
    dims = proto.tensor_shape.dim
    sizes = [dim.size for dim in dims[: _MAX_RANK + 1]]
    if len(dims) > _MAX_RANK or any(size < 0 for size in sizes):
        raise invalid(f"tensor parsing error: {spec.name}: it cannot have the shape {sizes}.")
    return sizes


def proto_of(array: np.ndarray) -> Any:
    """The `TensorProto` of an array, its values in the typed fields as the stock server sends.

    Args:
        array: Numbers, booleans, or an object array of bytes.
    """
    dtype = tf.string if array.dtype == object else tf.as_dtype(array.dtype)
    field = _FIELDS.get(dtype)
    if field is None:
        return tf.make_tensor_proto(array)
    shape = tensor_shape_pb2.TensorShapeProto(
        dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in array.shape]
    )
    values = {field: array.ravel().tolist()}
    return tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, tensor_shape=shape, **values)


def _type_name(number: int) -> str:
    names = types_pb2.DataType.DESCRIPTOR.values_by_number
    return names[number].name if number in names else f"type {number}"
