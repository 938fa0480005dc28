"""What REST and gRPC have in common: find the model, ask it, count it, describe it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from tfrec_fusion.serving.local import json_bodies
from tfrec_fusion.serving.local.buffers import Buffers
from tfrec_fusion.serving.local.desk import Desk
from tfrec_fusion.serving.local.drift import drift_counts, told_by
from tfrec_fusion.serving.local.failures import ServingError, invalid
from tfrec_fusion.serving.local.limits import Limits
from tfrec_fusion.serving.local.metrics import NO_MODEL, Metrics
from tfrec_fusion.serving.local.model import VersionStatus
from tfrec_fusion.serving.local.protos import arrays_from_request
from tfrec_fusion.serving.local.servable import Servable
from tfrec_fusion.serving.local.signatures import Signature
from tfrec_fusion.serving.local.watcher import Models

SIGNATURE_FIELD = "signature_def"
_ERROR_CODES = {"INVALID_ARGUMENT": 3}


@dataclass(frozen=True)
class Target:
    """Which model is asked.

    Attributes:
        model: Its name.
        version: A version of it, if one is asked for.
        label: A label, if one is asked for instead.
    """

    model: str
    version: int | None = None
    label: str | None = None


class Answering:
    """Answers requests that have been received; both fronts share it.

    Args:
        models: What is served.
        limits: What is taken.
    """

    def __init__(self, models: Models, limits: Limits) -> None:
        self.models = models
        self.limits = limits
        self.desk = Desk(limits.workers, limits.max_waiting)
        self.buffers = Buffers(limits.max_buffered_bytes)
        self.metrics = Metrics(lambda: self.desk.taken)

    @contextmanager
    def servable(self, target: Target) -> Iterator[Servable]:
        """The asked version, kept loaded inside the `with` block.

        Raises:
            ServingError: NOT_FOUND or INVALID_ARGUMENT when nothing answers to the target.
        """
        try:
            model = self.models.find(target.model)
        except ServingError as error:
            if target.version is None:
                raise
            asked = f"Specific({target.model}, {target.version})"
            raise ServingError(error.code, f"Servable not found for request: {asked}") from error
        with model.lease(target.version, target.label) as servable:
            yield servable

    def predict_json(self, target: Target, body: bytes) -> bytes:
        """A REST Predict: a JSON body to a JSON body.

        Raises:
            ServingError: When the request cannot be answered.
        """
        document = json_bodies.read_object(body, self.limits.max_values)
        with self.servable(target) as servable:
            signature = json_bodies.find_signature(document, servable.signature)
            form, arrays = json_bodies.read_arrays(document, signature)
            self.limits.check_batch(arrays, signature)
            outputs = servable.predict(signature.name, arrays)
            self._count_drift(servable, signature, arrays, outputs)
            return json_bodies.write_answer(form, outputs)

    def predict_proto(self, target: Target, request: Any) -> tuple[Servable, str, dict[str, Any]]:
        """A gRPC Predict.

        Args:
            target: The model.
            request: A `PredictRequest`.

        Returns:
            Who answered, by which signature, and the outputs.

        Raises:
            ServingError: When the request cannot be answered.
        """
        with self.servable(target) as servable:
            signature = servable.signature(request.model_spec.signature_name)
            most = (self.limits.max_values, self.limits.max_body_bytes)
            arrays = arrays_from_request(request.inputs, signature, *most)
            self.limits.check_batch(arrays, signature)
            wanted = list(request.output_filter)
            _, counted = told_by(signature)
            chosen = set(wanted)
            more = sorted(counted - chosen) if wanted and len(chosen) == len(wanted) else []
            outputs = servable.predict(signature.name, arrays, [*wanted, *more])
            self._count_drift(servable, signature, arrays, outputs)
            return servable, signature.name, {k: v for k, v in outputs.items() if k not in more}

    def _count_drift(
        self,
        servable: Servable,
        signature: Signature,
        arrays: dict[str, np.ndarray],
        outputs: dict[str, np.ndarray],
    ) -> None:
        """Counts the users and items that an answered request named, and the unknown ones."""
        inputs, told = told_by(signature)
        if inputs and told:
            read = (
                {name: of[name] for name in names}
                for of, names in ((arrays, inputs), (outputs, told))
            )
            self.metrics.named(servable.model_name, signature.name, drift_counts(*read))

    def refuse_examples(self, target: Target, signature: str, method: str) -> None:
        """Says why Classify or Regress is not answered, as the stock server does if it can.

        Args:
            target: The model.
            signature: The signature asked.
            method: `classify` or `regress`.

        Raises:
            ServingError: Always: INVALID_ARGUMENT for a signature that is not made for it, which
                those of exported recommenders are not, and UNIMPLEMENTED for one that is.
        """
        with self.servable(target) as servable:
            try:
                found = servable.signature(signature)
            except ServingError as error:
                raise invalid(f"No signature was found with the name: {signature}") from error
        wanted, kind = f"tensorflow/serving/{method}", {"classify": "classification"}
        if found.method != wanted:
            raise invalid(
                f"Expected {kind.get(method, 'regression')} signature method_name to be {wanted}. "
                f"Was: {found.method}"
            )
        raise ServingError(
            "UNIMPLEMENTED", f"The local server does not {method} tf.Examples. Ask by Predict."
        )

    def status(self, target: Target) -> get_model_status_pb2.GetModelStatusResponse:
        """What became of a model's versions.

        Raises:
            ServingError: NOT_FOUND when there is no such model or version.
        """
        response = get_model_status_pb2.GetModelStatusResponse()
        for one in self._statuses(target):
            row = response.model_version_status.add(version=one.version, state=one.state)
            row.status.error_code = _ERROR_CODES.get(one.code, 0)
            row.status.error_message = one.message
        return response

    def _statuses(self, target: Target) -> list[VersionStatus]:
        model = self.models.by_name.get(target.model)
        if model is None:
            what = "any versions" if target.version is None else f"version {target.version}"
            raise ServingError("NOT_FOUND", f"Could not find {what} of model {target.model}")
        if target.label is not None:
            return model.statuses(model.version_of_label(target.label))
        return model.statuses(target.version)

    def metadata(self, target: Target) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version.

        Raises:
            ServingError: When nothing answers to the target.
        """
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self.servable(target) as servable:
            response.model_spec.name = servable.model_name
            response.model_spec.version.value = servable.version
            definitions = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.signature_defs.items():
                definitions.signature_def[name].CopyFrom(definition)
        response.metadata[SIGNATURE_FIELD].Pack(definitions)
        return response

    def metrics_text(self) -> bytes:
        """Everything for Prometheus."""
        states: dict[str, dict[int, str]] = {}
        for name, model in self.models.by_name.items():
            states[name] = {}
            for one in model.statuses() if model.versions else []:
                failed = one.state == "END" and one.code != "OK"
                states[name][one.version] = "FAILED" if failed else one.state
        return self.metrics.text(states)

    @contextmanager
    def counted(self, model: str, api: str, entrypoint: str) -> Iterator[None]:
        """Counts what happens inside the `with` block; an error counts under its code."""
        began, code = time.perf_counter(), "OK"
        try:
            yield
        except ServingError as error:
            code = error.code
            raise
        except BaseException:
            code = "INTERNAL"
            raise
        finally:
            name = model if model in self.models.by_name else NO_MODEL
            self.metrics.answered(name, api, entrypoint, code, time.perf_counter() - began)
