"""uvicorn's HTTP connection, with a time for headers, a bound on connections, errors as JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tfrec_fusion.serving.local.limits import Limits


def connection_class(limits: Limits) -> type[H11Protocol]:
    """The connection that keeps to some limits; uvicorn makes one a client.

    uvicorn itself waits for ever for the first byte of a connection and for the end of headers.

    Args:
        limits: What is taken.
    """

    class Connection(H11Protocol):
        """A client that does not send its headers in time is let go."""

        _header_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.max_connections:
                self._refuse(503, "The server has too many connections. Try again later.")
                return
            self._await_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waiting = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
            if not waiting:
                self._stop_timer()
            elif self._header_timer is None:
                self._await_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, msg)

        def _await_headers(self) -> None:
            self._header_timer = self.loop.call_later(limits.client_seconds, self._too_slow)

        def _stop_timer(self) -> None:
            if self._header_timer is not None:
                self._header_timer.cancel()
                self._header_timer = None

        def _too_slow(self) -> None:
            self._header_timer = None
            seconds = f"{limits.client_seconds:g} s"
            self._refuse(408, f"The request's headers were not received within {seconds}.")

        def _refuse(self, status: int, message: str) -> None:
            if self.transport.is_closing():
                return
            body = json.dumps({"error": message}).encode("utf-8")
            head: list[Any] = [
                f"HTTP/1.1 {status} Refused",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            self.transport.write("\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body)
            self.transport.close()

    return Connection
