"""How much the server takes at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.local.failures import invalid
from tfrec_fusion.serving.local.signatures import MAX_VALUES, Signature


@dataclass(frozen=True)
class Limits:
    """What the server takes; more is refused with an error that says the limit.

    Attributes:
        max_batch: Rows of one request.
        max_values: Values of one request, those that one value stands for included.
        max_body_bytes: Bytes of one request.
        max_buffered_bytes: Bytes of all requests that are received or wait, and of all answers
            that clients have not read, over both fronts together.
        max_waiting: Requests that wait for a thread.
        max_connections: Open connections of each front, and gRPC calls that are being received.
            When there are more, the one that has waited longest for its client is closed.
        workers: Threads that answer requests.
        client_seconds: How long a client may take to send its headers, then its body or message,
            and then to read its answer.
        answer_seconds: How long a request may wait and run, as in the stock server.
        drain_seconds: How long requests in flight may take when the server stops.
    """

    max_batch: int = 256
    max_values: int = MAX_VALUES
    max_body_bytes: int = 16 * 2**20
    max_buffered_bytes: int = 256 * 2**20
    max_waiting: int = 256
    max_connections: int = 1024
    workers: int = field(default_factory=lambda: max(2, os.cpu_count() or 2))
    client_seconds: float = 20.0
    answer_seconds: float = 30.0
    drain_seconds: float = 30.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value <= 0:
                raise InvalidInput(f"`{one.name}` must be positive. Received: {value}.")

    def check_batch(self, arrays: Mapping[str, np.ndarray], signature: Signature) -> None:
        """Raises `ServingError` when an input has more rows than a request may have."""
        for name in signature.inputs:
            array = arrays[name]
            if array.ndim and len(array) > self.max_batch:
                raise invalid(
                    f"`{name}` must have at most {self.max_batch:,} rows in one request. "
                    f"Received: {len(array):,}. Send several requests."
                )
