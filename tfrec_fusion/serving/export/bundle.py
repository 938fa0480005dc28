"""What a server needs beside the versions of a model: configuration and instructions."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.files.regular import read_regular
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.serving.export.stock_ops import needs_scann

STABLE, CANARY = "stable", "canary"
CONFIG = "models.config"
MOST_CONFIG_BYTES = 2**20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 1000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 4 }
allowed_batch_sizes: 1
allowed_batch_sizes: 8
allowed_batch_sizes: 32
allowed_batch_sizes: 64
"""

MONITORING = """\
prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }
"""

STOCK_SERVER = ("tensorflow/serving", "an unmodified TensorFlow Serving")
SCANN_SERVER = ("google/tf-serving-scann", "a TensorFlow Serving that is built with ScaNN")

COMPOSE = Template("""\
# docker compose up, in this folder. A new version is served within half a minute of its export.
services:
  serving:
    image: $image:$${TF_SERVING_TAG:-latest}
    ports:
      - "127.0.0.1:8500:8500"  # gRPC
      - "127.0.0.1:8501:8501"  # REST
    volumes:
      - .:/models/$name:ro
    command:
      - --model_config_file=/models/$name/models.config
      - --model_config_file_poll_wait_seconds=30
      - --allow_version_labels_for_unavailable_models=true
      - --enable_batching=true
      - --batching_parameters_file=/models/$name/batching.config
      - --monitoring_config_file=/models/$name/monitoring.config
""")

README = Template("""\
# $name

Written by `tfrec-zoo export`, served by $server.

    docker compose up

Ask by REST:

    curl -s http://127.0.0.1:8501/v1/models/$name/labels/stable:predict -d $body

Ask by gRPC, from Python:

    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    import grpc, tensorflow as tf

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "$name"
    request.model_spec.version_label.value = "stable"
    request.model_spec.signature_name = "$signature"
    request.inputs["$input"].CopyFrom(tf.make_tensor_proto($values))
    channel = grpc.insecure_channel("127.0.0.1:8500")
    answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, 30)
    print(tf.make_ndarray(answer.outputs["title"]))

$asked

`source` says what a score comes from: `model`, or `popularity` for a user or a history that the
model does not know and answers with popular items. Where fewer items are left, the rest have an
empty item_id, title and source, and the score 0.

What can be asked: `curl -s http://127.0.0.1:8501/v1/models/$name/metadata`. Every input has one row
a question. `${signature}_filtered` also takes `exclude_item_ids` and `allow_item_ids`, a list a
row, padded with "" to one length; ids in them that the model does not know come back as
`unknown_item_ids`. Requests that are sent at the same time and have lists of different lengths are
refused by a server that puts them together (`--enable_batching`): pad them all to one length.

| file | what it is |
|---|---|
| `1/`, `2/`, ... | versions: SavedModels, with warm-up requests and the answers they must have |
| `models.config` | which versions are served, and which are `stable` and `canary` |
| `batching.config` | how requests are put together |
| `monitoring.config` | Prometheus metrics at `/monitoring/prometheus/metrics` |

A new version is `canary`; `tfrec-zoo promote FOLDER` makes the newest `stable`.
`tfrec-zoo verify FOLDER` checks all of this again.
""")


ASKED = {
    "user_id": "The id is nobody's, and answered with popular items: put in one of your users'.",
    "item_ids": "A user is known by the history in the request alone: this version holds no users.",
}


@dataclass(frozen=True)
class Example:
    """A question with one row, for the README.

    Attributes:
        signature: Whom it asks.
        input: The name of its only input.
        values: The input's value, with its one row.
    """

    signature: str
    input: str
    values: list[Any]


def checked_name(folder: Path) -> str:
    """The name a folder's model is served by.

    Raises:
        ValueError: When it is none that fits into an address.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A model's folder must be named by letters, digits, `_`, `.` and `-`, as it is part of "
            f"an address. Received: {name!r}."
        )
    return name


def versions_of(folder: str | Path) -> list[int]:
    """The version numbers in a model's folder, in order."""
    there = Path(folder)
    names = [one.name for one in there.iterdir() if one.is_dir()] if there.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def write_kit(folder: Path, example: Example) -> None:
    """Writes what stands beside the versions; each file appears whole.

    The newest version is `canary`; `stable` stays where it is, and is the newest at first. To be
    called by the folder's `only_writer`.

    Args:
        folder: Of the model, with at least one version.
        example: What the README asks.
    """
    name, newest = checked_name(folder), versions_of(folder)[-1]
    stable = labels_of(folder).get(STABLE, newest)
    scann = any(needs_scann(folder / str(version)) for version in {stable, newest})
    image, server = SCANN_SERVER if scann else STOCK_SERVER
    write_text(folder / "batching.config", BATCHING)
    write_text(folder / "monitoring.config", MONITORING)
    write_text(folder / "docker-compose.yaml", COMPOSE.substitute(name=name, image=image))
    question = {"signature_name": example.signature, "inputs": {example.input: example.values}}
    page = README.substitute(
        name=name,
        server=server,
        signature=example.signature,
        input=example.input,
        values=json.dumps(example.values, ensure_ascii=False),
        body=shlex.quote(json.dumps(question, ensure_ascii=False)),
        asked=ASKED[example.input],
    )
    write_text(folder / "README.md", page)
    _write_config(folder, {STABLE: stable, CANARY: newest})  # last: it names the new version


def promote(folder: str | Path, version: int | None = None) -> int:
    """Makes a version `stable`.

    Args:
        folder: Of the model.
        version: The newest by default.

    Returns:
        The version.

    Raises:
        FileNotFoundError: When the folder has no such version.
    """
    there = Path(folder)
    if not versions_of(there):  # before it is locked, which makes it
        raise NotFound(f"{there} has no version {'' if version is None else version}; it has none.")
    with only_writer(there):
        versions = versions_of(there)
        if version is not None and version not in versions:
            raise NotFound(
                f"{there} has no version {version}; it has {', '.join(map(str, versions))}."
            )
        chosen = versions[-1] if version is None else version
        _write_config(there, {STABLE: chosen, CANARY: versions[-1]})
    return chosen


def labels_of(folder: Path) -> dict[str, int]:
    """The versions by their labels, of those that are there.

    Raises:
        ValueError: When `models.config` cannot be read.
    """
    path = folder / CONFIG
    if not path.exists():
        return {}
    try:
        config = read_server_config(path)
    except (OSError, InvalidInput) as error:
        raise InvalidInput(
            f"{path} is no configuration of a server: {error}. Remove it and export again."
        ) from None
    versions = set(versions_of(folder))
    return {
        label: version
        for one in config.model_config_list.config
        for label, version in one.version_labels.items()
        if version in versions
    }


def read_server_config(path: Path) -> model_server_config_pb2.ModelServerConfig:
    """Reads a `models.config`.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is no file, or no `ModelServerConfig` as text.
    """
    content = read_regular(path, MOST_CONFIG_BYTES)
    try:
        return text_format.Parse(
            content.decode("utf-8"), model_server_config_pb2.ModelServerConfig()
        )
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{path} is no ModelServerConfig: {error}") from error


def _write_config(folder: Path, labels: Mapping[str, int]) -> None:
    name = checked_name(folder)
    config = model_server_config_pb2.ModelServerConfig()
    one = config.model_config_list.config.add()
    one.name, one.base_path, one.model_platform = name, f"/models/{name}", "tensorflow"
    one.model_version_policy.specific.versions.extend(sorted(set(labels.values())))
    for label, version in labels.items():
        one.version_labels[label] = version
    write_text(folder / CONFIG, text_format.MessageToString(config))
