"""What a server answers, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class Item:
    """One item of a ranking.

    Attributes:
        item_id: Its id.
        title: Its title; empty when the signature answers none.
        score: Its score; higher is better. The unit is the source's.
        source: What the score comes from: `model`; `popularity`, the number of the item's events,
            where the user or the history is unknown; `text`, the cosine of two texts; empty when
            the signature does not say.
    """

    item_id: str
    title: str
    score: float
    source: str = ""


@dataclass(frozen=True)
class Score:
    """The score of a pair.

    Attributes:
        score: Higher is better; NaN for an item that the model does not know.
        source: What the score comes from: `model`; `popularity`, the number of the item's events,
            where the user is unknown; `new_user`, the model's score for a user without a history;
            empty where there is none.
    """

    score: float
    source: str


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes:
        dtype: TensorFlow's name of the type, such as DT_STRING.
        shape: Its dimensions, None for a free one; None altogether for any rank.
    """

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class SignatureInfo:
    """What a signature takes and gives.

    Attributes:
        inputs: By name.
        outputs: By name.
    """

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


@dataclass(frozen=True)
class VersionState:
    """What became of a version.

    Attributes:
        version: Its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        error_code: OK, or the code of what went wrong.
        error_message: What went wrong, if something did.
    """

    version: int
    state: str
    error_code: str
    error_message: str


_DTYPES = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_HALF": np.float16,
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT16": np.uint16,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
    "DT_BOOL": np.bool_,
    "DT_STRING": np.object_,
}


def numpy_dtype(dtype: str) -> type[np.generic]:
    """NumPy's type of one of TensorFlow's; text is `object`.

    Raises:
        ValueError: When NumPy has none, as for DT_RESOURCE.
    """
    if dtype not in _DTYPES:
        raise InvalidInput(f"The client cannot carry tensors of type {dtype}.")
    return _DTYPES[dtype]


def is_bytes(name: str) -> bool:
    """Whether an output holds bytes and not text, as its name says in TensorFlow Serving."""
    return name.endswith("_bytes")
