"""The graphs of a SavedModel, read from its protocol buffer without running anything."""

from __future__ import annotations

from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.regular import read_regular

FILE = "saved_model.pb"
MOST_BYTES = 2**31 - 1  # of a protocol buffer


def read_saved_model(version_dir: Path) -> saved_model_pb2.SavedModel:
    """Reads `saved_model.pb`.

    Args:
        version_dir: The folder that holds it.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is no file, or no SavedModel.
    """
    path = version_dir / FILE
    content = read_regular(path, MOST_BYTES)
    try:
        return saved_model_pb2.SavedModel.FromString(content)
    except Exception as error:  # protobuf's own DecodeError differs between its implementations
        raise InvalidInput(f"{path} is not a SavedModel, or only part of one: {error}") from error
