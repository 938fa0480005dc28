"""gRPC's event loop, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import Any

import grpc.aio

from tfrec_fusion.errors import SystemRefusal
from tfrec_fusion.serving.local.answering import Answering
from tfrec_fusion.serving.local.door import INSIDE, Door
from tfrec_fusion.serving.local.grpc_calls import Calls
from tfrec_fusion.serving.local.grpc_front import method_handlers
from tfrec_fusion.serving.local.limits import Limits

START_SECONDS = 30.0
# Connections that the system holds, and that a turn of a loop takes: few enough that each is read
# before those after it could take its place.
BACKLOG, ACCEPTED = 4096, 256
KEEPALIVE_SECONDS, IDLE_SECONDS = 60.0, 600.0
PENDING = 300  # calls that came and are not looked at yet: more are refused, as is a flood
STREAMS = 8  # calls of a connection at once, enough for the threads: its client lets more wait


class GrpcThread:
    """The gRPC front: a door that clients connect to, and gRPC's server behind it.

    Args:
        answering: Answers what was received.
        listener: The socket that clients connect to.
    """

    def __init__(self, answering: Answering, listener: socket.socket) -> None:
        self._answering = answering
        self._listener = listener
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="grpc", daemon=True
        )
        self.door: Door
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Answers calls from now on."""
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise SystemRefusal("gRPC did not start: see the log.")

    def stop(self) -> None:
        """Refuses new calls from now on; `join` waits for those in flight."""
        if self._started.is_set():
            self._loop.call_soon_threadsafe(self._stopping.set)
        else:
            self._listener.close()

    def join(self) -> None:
        """Waits until calls in flight are answered, or have had their time."""
        if self._started.is_set():
            self._thread.join()

    async def _serve(self) -> None:
        limits = self._answering.limits
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        logging.getLogger("grpc._cython.cygrpc").addFilter(_concerns_us)
        self._loop.set_exception_handler(_note)
        server = grpc.aio.server(options=_options(limits))
        port = server.add_insecure_port(f"{INSIDE}:0")
        door = self.door = Door(limits, self._answering.buffers, port)
        calls = Calls(self._answering, door)
        server.add_generic_rpc_handlers(method_handlers(self._answering, calls.handler))
        await server.start()
        outside = await self._loop.create_server(
            door.passage, sock=self._listener, backlog=ACCEPTED
        )
        self._listener.listen(BACKLOG)
        self._started.set()
        await self._stopping.wait()
        outside.close()
        await server.stop(limits.drain_seconds)
        door.close()
        await asyncio.sleep(0)  # the ended connections are let go


def _options(limits: Limits) -> list[tuple[str, int]]:
    """GRPC's own bounds: on messages, handshakes, and clients that have gone without a word."""
    client_ms = max(1, round(limits.client_seconds * 1000))
    return [
        ("grpc.max_receive_message_length", limits.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING),
        ("grpc.server_handshake_timeout_ms", client_ms),
        ("grpc.keepalive_time_ms", round(KEEPALIVE_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", client_ms),
        ("grpc.max_connection_idle_ms", round(IDLE_SECONDS * 1000)),
        ("grpc.so_reuseport", 0),
    ]


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Logs what went wrong in the loop, but for what gRPC says when a process has several loops.

    Each of them is woken for every event, and all but one find nothing (grpc issue 25364).
    """
    woken = "PollerCompletionQueue" in repr(context.get("handle"))
    if not (woken and isinstance(context.get("exception"), BlockingIOError)):
        loop.default_exception_handler(context)


def _concerns_us(record: logging.LogRecord) -> bool:
    """Keeps out of the log that an answer could not be sent because its client has gone."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__name__ != "ExecuteBatchError"
