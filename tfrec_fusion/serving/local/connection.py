"""uvicorn's HTTP connection, with a time for each phase and a bound on connections."""

from __future__ import annotations

import asyncio
import json
from enum import Enum, auto
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfrec_fusion.serving.local.buffers import Buffers, Held
from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.hosts import HEADERS
from tfrec_fusion.serving.local.limits import Limits


class Phase(Enum):
    """What a connection waits for."""

    HEADERS = auto()  # the client's next request
    BODY = auto()  # the rest of its body, answered or not
    ANSWER = auto()  # the server's answer
    READER = auto()  # the client to read its answer
    CLOSING = auto()


def connection_class(limits: Limits, buffers: Buffers) -> type[H11Protocol]:
    """The connection that keeps to some limits; uvicorn makes one a client.

    uvicorn itself waits for ever for headers, for a body that no handler reads, and for a client
    that does not read its answer.

    Args:
        limits: What is taken.
        buffers: Counts the bytes of answers that clients have not read.
    """
    waiting: dict[H11Protocol, None] = {}  # for their clients, the longest first

    class Connection(H11Protocol):
        """A client that keeps the server waiting is let go; the slowest one when it is full."""

        phase = Phase.HEADERS
        _key: tuple[Phase, Any] | None = None
        _timer: asyncio.TimerHandle | None = None
        _unread: Held | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            transport.set_write_buffer_limits(high=0)  # so that what is not sent is known
            self._advance()
            if len(self.connections) > limits.max_connections:
                slowest = next(iter(waiting))
                assert isinstance(slowest, Connection)
                slowest.leave()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._advance()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._advance()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = buffers.hold(lambda: self.loop.call_soon_threadsafe(self._abort))
            try:
                self._unread.add(self.transport.get_write_buffer_size())
            except ServingError:
                self.loop.call_soon(self._abort)
            self._advance()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._release()
            self._advance()

        def connection_lost(self, exc: Exception | None) -> None:
            waiting.pop(self, None)
            self._stop_timer()
            self._release()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, msg)

        def _advance(self) -> None:
            """Notes the phase; each one that waits for the client has its time."""
            phase = self._find_phase()
            key = phase, self.cycle
            if key == self._key:
                return
            self._key, self.phase = key, phase
            self._stop_timer()
            waiting.pop(self, None)
            if phase is not Phase.ANSWER:
                waiting[self] = None
            if phase not in (Phase.ANSWER, Phase.CLOSING):
                self._timer = self.loop.call_later(limits.client_seconds, self._too_slow)

        def _find_phase(self) -> Phase:
            if self.flow.write_paused:
                return Phase.READER
            if self.transport.is_closing():
                return Phase.CLOSING
            if self.conn.their_state is h11.SEND_BODY:
                return Phase.BODY
            if self.cycle is not None and not self.cycle.response_complete:
                return Phase.ANSWER
            return Phase.HEADERS

        def _too_slow(self) -> None:
            self._timer = None
            if self.phase is Phase.READER:
                self._abort()
            elif self._is_idle():
                self.transport.close()
            elif self.phase is Phase.HEADERS:
                seconds = f"{limits.client_seconds:g} s"
                self._refuse(408, f"The request's headers were not received within {seconds}.")
            elif self.cycle.response_complete:  # else who reads the body has its own deadline
                self.transport.close()
            else:
                self._timer = self.loop.call_later(limits.client_seconds, self._too_slow)

        def leave(self) -> None:
            """Gives its place to another connection."""
            if self.phase in (Phase.READER, Phase.CLOSING):
                self._abort()
            elif self._is_idle():
                self.transport.close()
            else:
                self._refuse(503, "The server has too many connections. Try again later.")
            waiting.pop(self, None)
            self.connections.discard(self)

        def _is_idle(self) -> bool:
            """Whether it is kept for a next request, and nothing of that has come."""
            answered = self.phase is Phase.HEADERS and self.cycle is not None
            return answered and not self.conn.trailing_data[0]

        def _refuse(self, status: int, message: str) -> None:
            """Answers in the application's stead, unless it has begun to; and closes."""
            if self.transport.is_closing():
                return
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                body = json.dumps({"error": message}).encode("utf-8")
                lines = [
                    f"HTTP/1.1 {status} Refused",
                    "content-type: application/json",
                    f"content-length: {len(body)}",
                    "connection: close",
                    *(f"{name}: {value}" for name, value in HEADERS.items()),
                ]
                self.transport.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
            if self.cycle is not None:  # what it would say now is no answer any more
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.close()
            self._advance()

        def _abort(self) -> None:
            self.transport.abort()

        def _release(self) -> None:
            if self._unread is not None:
                self._unread.release()
                self._unread = None

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection
