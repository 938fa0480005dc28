"""Requests over TensorFlow Serving's gRPC interface."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from tfrec_fusion.serving.client.answers import (
    SignatureInfo,
    TensorInfo,
    VersionState,
    is_bytes,
    numpy_dtype,
)
from tfrec_fusion.serving.client.errors import error_of_code

try:
    import grpc
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )
except ImportError as error:  # pragma: no cover - shown by a test in a process without it
    raise ImportError(
        f"The gRPC client needs {error.name}. Install it with: pip install 'tfrec-fusion[serving]'"
    ) from error

Answer = TypeVar("Answer")


class GrpcTransport:
    """One model behind a gRPC address.

    Args:
        address: Such as `127.0.0.1:8500`.
        model: The model's name.
        version: A version of it.
        label: A label, instead.
    """

    def __init__(self, address: str, model: str, version: int | None, label: str | None) -> None:
        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, [*unlimited, ("grpc.enable_retries", 0)])
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._spec = model_pb2.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        elif label is not None:
            self._spec.version_label = label

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, TensorInfo],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """Asks a signature."""
        request = predict_pb2.PredictRequest(model_spec=self._spec)
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array, shape=array.shape))
        response = _asked(self._predictions.Predict, request, timeout)
        return {name: _array(name, response.outputs[name], info) for name, info in outputs.items()}

    def signatures(self, timeout: float) -> dict[str, SignatureInfo]:
        """The model's signatures."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec, metadata_field=["signature_def"]
        )
        response = _asked(self._predictions.GetModelMetadata, request, timeout)
        definitions = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(definitions)
        return {
            name: SignatureInfo(_infos(one.inputs), _infos(one.outputs))
            for name, one in definitions.signature_def.items()
        }

    def status(self, timeout: float) -> list[VersionState]:
        """What became of the model's versions."""
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec)
        response = _asked(self._models.GetModelStatus, request, timeout)
        rows = response.model_version_status
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            VersionState(
                row.version,
                states.Name(row.state),
                _code_name(row.status),
                row.status.error_message,
            )
            for row in rows
        ]

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()


def _asked(method: Callable[..., Answer], request: Any, timeout: float) -> Answer:
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise error_of_code(error.code().name, error.details() or "no details") from error


def _infos(tensors: Mapping[str, Any]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(types_pb2.DataType.Name(one.dtype), _shape(one.tensor_shape))
        for name, one in tensors.items()
    }


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    if shape.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)


def _code_name(status: Any) -> str:
    field = status.DESCRIPTOR.fields_by_name["error_code"]
    return field.enum_type.values_by_number[status.error_code].name


def _array(name: str, proto: Any, info: TensorInfo) -> np.ndarray:
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if math.prod(sizes) == 0:
        return np.zeros(sizes, numpy_dtype(info.dtype))
    array = tf.make_ndarray(proto)
    if array.dtype != object or is_bytes(name):
        return array
    texts = np.empty(array.size, object)
    texts[:] = [one.decode("utf-8", "replace") for one in array.ravel()]
    return texts.reshape(array.shape)
