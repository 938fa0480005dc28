"""One version of a model in memory: loaded, warmed up, asked by signature."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.effects import check_effects, effects_of
from tfrec_fusion.serving.export.reload import load_server_ops
from tfrec_fusion.serving.export.warm_up import MAX_RECORDS, WARM_UP, read_records
from tfrec_fusion.serving.local.failures import ServingError, from_tensorflow, invalid
from tfrec_fusion.serving.local.protos import arrays_from_request
from tfrec_fusion.serving.local.signatures import (
    DEFAULT_SIGNATURE,
    SERVE_TAG,
    Signature,
    read_signature_defs,
    signature_of,
)

_LOG = logging.getLogger(__name__)


class Servable:
    """A loaded version. It can be asked by several threads at once.

    Args:
        model_name: The model's name, for messages.
        version: The version's number.
        folder: The version's folder.
        allow_unsafe_ops: Also loads a model that may read, write or send files, with the rights
            of this process; by default its graph is read first, and such a one is refused.

    Raises:
        UnsafeModel: When the model would do more than compute.
        ValueError: When the folder holds no SavedModel that TensorFlow can load, or one of its
            warm-up records cannot be read or answered.

    Example:
    >>> servable = Servable("ease", 1, Path("savedmodels/ease/1"))  # doctest: +SKIP
    >>> servable.predict("similar_items", {"item_id": np.array([b"50"], object)})  # doctest: +SKIP
    """

    def __init__(
        self, model_name: str, version: int, folder: Path, *, allow_unsafe_ops: bool = False
    ) -> None:
        self.model_name = model_name
        self.version = version
        self.in_flight = 0  # requests that hold this version; guarded by its model's lock
        self.signature_defs = read_signature_defs(folder)
        if not allow_unsafe_ops:
            check_effects(folder)
        elif effects := effects_of(folder):
            _LOG.warning("%s does more than compute: %s", folder, "; ".join(effects))
        try:
            load_server_ops(tf)
            self._model = tf.saved_model.load(str(folder), tags=[SERVE_TAG])
        except tf.errors.OpError as error:
            raise InvalidInput(f"{folder} could not be loaded: {error.message}") from error
        except Exception as error:  # TensorFlow's loader raises what the file makes it raise
            raise InvalidInput(f"{folder} could not be loaded: {error}") from error
        functions = dict(self._model.signatures)
        self._functions = {name: functions[name] for name in functions}
        self.signatures = {
            name: signature_of(name, one)
            for name, one in self.signature_defs.items()
            if name in self._functions
        }
        if not self.signatures:
            raise InvalidInput(f"{folder} has no signature to serve.")
        self._warm_up(folder / WARM_UP)

    def signature(self, name: str) -> Signature:
        """A signature by its name; the empty name is `serving_default`.

        Raises:
            ServingError: FAILED_PRECONDITION when there is none.
        """
        found = self.signatures.get(name or DEFAULT_SIGNATURE)
        if found is None:
            raise ServingError(
                "FAILED_PRECONDITION",
                f'Serving signature key "{name or DEFAULT_SIGNATURE}" not '
                f"found. The model has: {', '.join(sorted(self.signatures))}.",
            )
        return found

    def predict(
        self, name: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        """Asks a signature.

        Args:
            name: The signature; empty for `serving_default`.
            inputs: Every input of the signature, strings as object arrays of bytes.
            outputs: Names of the wanted outputs; all when empty.

        Returns:
            The outputs; strings are object arrays of bytes.

        Raises:
            ServingError: INVALID_ARGUMENT when an input has not the signature's shape or another
                number of rows than the others, and what the graph itself raises.
        """
        signature = self.signature(name)
        signature.check(inputs)
        unknown = [one for one in outputs if one not in signature.outputs]
        if unknown:
            raise invalid(
                f"output tensor alias not found in signature: {unknown[0]} Outputs expected to be "
                f"in the set {{{','.join(signature.outputs)}}}."
            )
        if len(set(outputs)) != len(outputs):
            raise invalid(f"duplicate output tensor alias in: {','.join(outputs)}")
        try:
            tensors = {
                key: tf.constant(inputs[key], spec.dtype) for key, spec in signature.inputs.items()
            }
            answer = self._functions[signature.name](**tensors)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error
        return {key: answer[key].numpy() for key in (outputs or signature.outputs)}

    def _warm_up(self, path: Path) -> None:
        if not path.exists():
            return
        try:
            for number, record in enumerate(read_records(path)):
                if number == MAX_RECORDS:
                    raise InvalidInput(f"more than {MAX_RECORDS:,} records")
                log = prediction_log_pb2.PredictionLog.FromString(record)
                if log.WhichOneof("log_type") != "predict_log":
                    _LOG.warning("%s: record %d is no Predict request: left out.", path, number)
                    continue
                request = log.predict_log.request
                signature = self.signature(request.model_spec.signature_name)
                arrays = arrays_from_request(request.inputs, signature)
                self.predict(signature.name, arrays, list(request.output_filter))
        except Exception as error:  # as the stock server: one bad record and the load fails
            raise InvalidInput(f"{path}: warm-up failed: {error}") from error
