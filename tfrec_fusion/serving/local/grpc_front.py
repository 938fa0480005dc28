"""TensorFlow Serving's gRPC interface: PredictionService and ModelService."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from tfrec_fusion.serving.local.answering import SIGNATURE_FIELD, Answering, Target
from tfrec_fusion.serving.local.failures import ServingError, invalid, shown
from tfrec_fusion.serving.local.protos import proto_of

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

Handler = Callable[[Any], Message]


def method_handlers(
    answering: Answering, call: Callable[[Callable[[bytes], bytes]], Any]
) -> tuple[grpc.GenericRpcHandler, ...]:
    """The methods of both services.

    Requests come as bytes and are parsed here, so that bytes that are no request are the
    client's mistake and not the server's.

    Args:
        answering: Answers what was received.
        call: Makes a method of a stream of one message from what answers the message.
    """
    front = _Front(answering)
    services: dict[str, dict[str, tuple[type[Message], str, Handler]]] = {
        PREDICTION_SERVICE: {
            "Predict": (predict_pb2.PredictRequest, "predict", front.predict),
            "Classify": (classification_pb2.ClassificationRequest, "classify", front.classify),
            "Regress": (regression_pb2.RegressionRequest, "regress", front.regress),
            "MultiInference": (
                inference_pb2.MultiInferenceRequest,
                "multi_inference",
                front.multi_inference,
            ),
            "GetModelMetadata": (
                get_model_metadata_pb2.GetModelMetadataRequest,
                "metadata",
                front.metadata,
            ),
        },
        MODEL_SERVICE: {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, "status", front.status)
        },
    }
    return tuple(
        grpc.method_handlers_generic_handler(
            service,
            {
                name: grpc.stream_unary_rpc_method_handler(call(front.answer(*method)))
                for name, method in methods.items()
            },
        )
        for service, methods in services.items()
    )


class _Front:
    """The methods: each takes a parsed request and returns a response."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def answer(
        self, request_type: type[Message], api: str, handler: Handler
    ) -> Callable[[bytes], bytes]:
        """Bytes to bytes: parses and counts."""

        def answered(body: bytes) -> bytes:
            request = _parse(request_type, body)
            model = request.model_spec.name if hasattr(request, "model_spec") else ""
            with self._answering.counted(model, api, "GRPC"):
                return handler(request).SerializeToString()

        return answered

    def predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """PredictionService.Predict."""
        answering, target = self._answering, _target(request)
        servable, signature, outputs = answering.predict_proto(target, request)
        response = predict_pb2.PredictResponse()
        response.model_spec.name = servable.model_name
        response.model_spec.version.value = servable.version
        response.model_spec.signature_name = signature
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(proto_of(array))
        return response

    def classify(self, request: classification_pb2.ClassificationRequest) -> Message:
        """PredictionService.Classify: refused."""
        return self._refuse(request, "classify")

    def regress(self, request: regression_pb2.RegressionRequest) -> Message:
        """PredictionService.Regress: refused."""
        return self._refuse(request, "regress")

    def multi_inference(self, request: inference_pb2.MultiInferenceRequest) -> Message:
        """PredictionService.MultiInference: refused at its first task."""
        if not request.tasks:
            raise invalid("Inference request must have at least one task.")
        task = request.tasks[0]
        method = task.method_name.removeprefix("tensorflow/serving/")
        if method not in ("classify", "regress"):
            raise ServingError(
                "UNIMPLEMENTED", f"Unsupported signature method_name: {shown(task.method_name)}"
            )
        return self._refuse(task, method)

    def metadata(self, request: get_model_metadata_pb2.GetModelMetadataRequest) -> Message:
        """PredictionService.GetModelMetadata."""
        target = _target(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURE_FIELD:
                raise invalid(f"Metadata field {name} is not supported")
        return self._answering.metadata(target)

    def status(self, request: get_model_status_pb2.GetModelStatusRequest) -> Message:
        """ModelService.GetModelStatus."""
        return self._answering.status(_target(request))

    def _refuse(self, request: Any, method: str) -> Message:
        target = _target(request)
        self._answering.refuse_examples(target, request.model_spec.signature_name, method)
        raise AssertionError("refuse_examples always refuses")


def _parse(request_type: type[Message], body: bytes) -> Any:
    try:
        return request_type.FromString(body)
    except (DecodeError, RecursionError) as error:
        name = request_type.DESCRIPTOR.full_name
        raise invalid(f"The request is no {name}: its {len(body)} bytes do not parse.") from error


def _target(request: Any) -> Target:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    spec = request.model_spec
    chosen = spec.WhichOneof("version_choice")
    if chosen == "version":
        return Target(spec.name, version=spec.version.value)
    return Target(spec.name, label=spec.version_label if chosen == "version_label" else None)
