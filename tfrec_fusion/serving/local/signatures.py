"""What a SavedModel's signatures take and give, read from its protocol buffer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.equal_rows import UNEQUAL_ROWS
from tfrec_fusion.serving.export.saved_functions import FILE, read_saved_model
from tfrec_fusion.serving.local.failures import invalid

DEFAULT_SIGNATURE = "serving_default"
SERVE_TAG = "serve"
MAX_VALUES = 2**20  # of all inputs of a request together, unless a server is told otherwise


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: Its name in the signature.
        dtype: Its type.
        shape: Its dimensions, None for one that is free; None altogether for any rank.
    """

    name: str
    dtype: tf.DType
    shape: tuple[int | None, ...] | None

    def check(self, array: np.ndarray) -> None:
        """Raises `ServingError` when an array has not this shape."""
        if self.shape is None:
            return
        fits = len(self.shape) == array.ndim and all(
            wanted is None or wanted == size
            for wanted, size in zip(self.shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if one is None else str(one) for one in self.shape)
            raise invalid(
                f"`{self.name}` must have the shape ({wanted}). "
                f"Received: ({', '.join(map(str, array.shape))})."
            )


@dataclass(frozen=True)
class Signature:
    """One question a model answers.

    Attributes:
        name: Its key.
        inputs: By name.
        outputs: By name.
        defaults: Values of inputs that may be left out over gRPC.
        method: The SignatureDef's method name, such as `tensorflow/serving/predict`.
    """

    name: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    defaults: dict[str, np.ndarray]
    method: str

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks the shapes of a request's inputs, as a stock server that batches requests.

        Raises:
            ServingError: INVALID_ARGUMENT when an input has not its shape, or inputs with a free
                first dimension differ in it.
        """
        rows = {}
        for name, spec in self.inputs.items():
            spec.check(arrays[name])
            if arrays[name].ndim and (spec.shape is None or spec.shape[0] is None):
                rows[name] = len(arrays[name])
        if len(set(rows.values())) > 1:
            named = ", ".join(f"{name} {number}" for name, number in rows.items())
            raise invalid(f"{UNEQUAL_ROWS}{named}.")


def read_signature_defs(folder: Path) -> dict[str, meta_graph_pb2.SignatureDef]:
    """The SignatureDefs of the graph that is tagged for serving.

    Args:
        folder: A version folder, which holds `saved_model.pb`.

    Raises:
        ValueError: When the file is no SavedModel or has no graph tagged `serve`.
    """
    for graph in read_saved_model(folder).meta_graphs:
        if SERVE_TAG in graph.meta_info_def.tags:
            return {name: _copy(one) for name, one in graph.signature_def.items()}
    raise InvalidInput(f"{folder / FILE} has no graph with the tag `{SERVE_TAG}`.")


def _copy(definition: meta_graph_pb2.SignatureDef) -> meta_graph_pb2.SignatureDef:
    """A copy that does not keep the whole file in memory."""
    return meta_graph_pb2.SignatureDef.FromString(definition.SerializeToString())


def signature_of(name: str, definition: meta_graph_pb2.SignatureDef) -> Signature:
    """Reads a SignatureDef."""
    return Signature(
        name=name,
        inputs={key: _spec(key, info) for key, info in sorted(definition.inputs.items())},
        outputs={key: _spec(key, info) for key, info in sorted(definition.outputs.items())},
        defaults={key: tf.make_ndarray(one) for key, one in definition.defaults.items()},
        method=definition.method_name,
    )


def _spec(name: str, info: Any) -> TensorSpec:
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(None if dim.size < 0 else int(dim.size) for dim in info.tensor_shape.dim)
    return TensorSpec(name, tf.as_dtype(info.dtype), shape)
