"""How much the server takes at once, and the threads that TensorFlow is called in."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.local.failures import ServingError, invalid
from tfrec_fusion.serving.local.signatures import MAX_VALUES, Signature

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Limits:
    """What the server takes; more is refused with an error that says the limit.

    Attributes:
        max_batch: Rows of one request. Two requests of so many keep two cores busy for a second.
        max_values: Values of one request, those that one value stands for included.
        max_body_bytes: Bytes of one request.
        max_buffered_bytes: Bytes of all REST bodies being received together.
        max_waiting: Requests that wait for a thread.
        max_connections: Open REST connections.
        workers: Threads that answer requests.
        client_seconds: How long a client may take to send its headers, and then its body.
        answer_seconds: How long a REST request may wait and run, as in the stock server.
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


class Desk:
    """A bounded number of threads with a bounded queue before them.

    Args:
        workers: Threads.
        max_waiting: Requests that may wait.
    """

    def __init__(self, workers: int, max_waiting: int) -> None:
        self.threads = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self.places = workers + max_waiting
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Requests that wait or run."""
        return self._taken

    def submit(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Queues work.

        Raises:
            ServingError: RESOURCE_EXHAUSTED when the queue is full.
        """
        with self._lock:
            if self._taken >= self.places:
                raise ServingError(
                    "RESOURCE_EXHAUSTED",
                    f"The server is busy: {self._taken} requests wait or run. Try again later.",
                )
            self._taken += 1
        future = self.threads.submit(work)
        future.add_done_callback(self._leave)
        return future

    def _leave(self, _: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1

    def close(self) -> None:
        """Ends the threads when their work is done; what waits is dropped."""
        self.threads.shutdown(wait=True, cancel_futures=True)
