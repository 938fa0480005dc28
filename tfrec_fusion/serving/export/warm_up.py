"""Requests that a server runs before it lets anybody in, and the answers they must have.

TensorFlow Serving replays `assets.extra/tf_serving_warmup_requests`, a TFRecord of `PredictionLog`,
whenever it loads a version; one record that fails makes the version fail. Ours also hold the
answers, so that a folder can be checked long after the model in memory is gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.files.regular import open_regular
from tfrec_fusion.files.whole import whole_path

WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000  # that a server takes
MAX_BYTES = 2**28  # of all records
MAX_VALUES = 2**24  # of a tensor, which a few bytes can announce
_HEADER, _FOOTER = 12, 4  # of a TFRecord: its length and a checksum, a checksum of its content


@dataclass(frozen=True)
class AnsweredCall:
    """A request and its answer.

    Attributes:
        signature: Whom it asks.
        inputs: Nested lists by name: strings or numbers, one row each.
        answer: Likewise.
    """

    signature: str
    inputs: dict[str, Any]
    answer: dict[str, Any]


def write_warm_up(version_dir: Path, model: str, calls: Iterable[AnsweredCall]) -> int:
    """Writes warm-up records beside a SavedModel.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        model: What the model is called by its server.
        calls: What is asked and answered, at least one row; the inputs of a call have as many rows
            each, for a server that puts requests together refuses others.

    Returns:
        How many records were written.

    Raises:
        ValueError: When there are more than a server takes.
    """
    logs = [_log(model, call) for call in calls]
    if len(logs) > MAX_RECORDS:
        raise InvalidInput(
            f"A server takes at most {MAX_RECORDS} warm-up records. Received: {len(logs)}."
        )
    with (
        whole_path(version_dir / WARM_UP) as part,
        tf.io.TFRecordWriter(str(part)) as writer,
    ):
        for log in logs:
            writer.write(log.SerializeToString())
    return len(logs)


def read_warm_up(version_dir: Path) -> list[AnsweredCall]:
    """The warm-up records of a version.

    Raises:
        FileNotFoundError: When there are none.
        ValueError: When the file is damaged, a record is none of a prediction, or there are more
            than a server takes.
    """
    path = version_dir / WARM_UP
    if not path.is_file():
        raise NotFound(f"{path} is missing: a server would answer its first users slowly.")
    calls = []
    try:
        for number, record in enumerate(read_records(path)):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if not log.HasField("predict_log"):
                raise InvalidInput(f"{path}: record {number} is no PredictRequest.")
            request, response = log.predict_log.request, log.predict_log.response
            inputs, answer = _lists(request.inputs), _lists(response.outputs)
            calls.append(AnsweredCall(request.model_spec.signature_name, inputs, answer))
    except (DecodeError, tf.errors.DataLossError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path}: record {len(calls)} cannot be read ({error}). A server would refuse to load "
            "this version. Export again."
        ) from None
    if not 0 < len(calls) <= MAX_RECORDS:
        raise InvalidInput(
            f"{path} must hold 1 to {MAX_RECORDS} records, as a server takes. "
            f"Received: {len(calls)}."
        )
    return calls


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, whose lengths are checked before any is read.

    Raises:
        InvalidInput: When it is no file, too large, or cut short.
        tensorflow.errors.DataLossError: When a checksum is wrong.
    """
    with open_regular(path, MAX_BYTES) as file:
        size = file.seek(0, 2)
        place, number = 0, 0
        while place < size:
            file.seek(place)
            length = int.from_bytes(file.read(_HEADER)[:8], "little")
            place += _HEADER + length + _FOOTER
            if place > size or number >= MAX_RECORDS + 1:
                break
            number += 1
    if place > size:
        raise InvalidInput(
            f"{path}: record {number} cannot be read (it is cut short). A server would refuse to "
            "load this version. Export again."
        )
    yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()


def _log(model: str, call: AnsweredCall) -> Any:
    log = prediction_log_pb2.PredictionLog()
    request, response = log.predict_log.request, log.predict_log.response
    spec = request.model_spec
    spec.name, spec.signature_name = model, call.signature
    response.model_spec.CopyFrom(spec)
    for name, nested in call.inputs.items():
        request.inputs[name].CopyFrom(_proto(nested))
    for name, nested in call.answer.items():
        response.outputs[name].CopyFrom(_proto(nested))
    return log


def _proto(nested: Any) -> Any:
    array = np.array(nested, dtype=object)
    strings = isinstance(array.flat[0], str)
    return tf.make_tensor_proto(array if strings else array.astype(np.float32))


def _lists(protos: Any) -> dict[str, Any]:
    found = {}
    for name, proto in protos.items():
        sizes = [one.size for one in proto.tensor_shape.dim]
        if math.prod(sizes) > MAX_VALUES or min(sizes, default=0) < 0:
            raise InvalidInput(
                f"`{name}` of a warm-up record must have at most {MAX_VALUES:,} values. Received: "
                f"the shape {sizes}."
            )
        array = tf.make_ndarray(proto)
        if array.dtype == object:
            array = np.vectorize(lambda one: one.decode("utf-8"), otypes=[object])(array)
        found[name] = array.tolist()
    return found
