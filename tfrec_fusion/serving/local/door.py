"""The door before gRPC: takes connections, passes their bytes on, and ends those that misuse it.

gRPC's own server bounds the connections by refusing newcomers and has no bound on the bytes of
all unfinished messages and unread answers together. Here the newcomer is let in and the
connection that has waited longest for its client is closed.
"""

from __future__ import annotations

import asyncio

from tfrec_fusion.serving.local.buffers import SMALL, Buffers
from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.limits import Limits

INSIDE = "127.0.0.1"


class Door:
    """Every open connection of gRPC clients.

    Args:
        limits: What is taken.
        buffers: Counts the bytes of messages that are not complete yet.
        port: Where gRPC's server listens on this machine.
    """

    def __init__(self, limits: Limits, buffers: Buffers, port: int) -> None:
        self.limits = limits
        self.buffers = buffers
        self.port = port
        self.loop = asyncio.get_running_loop()
        self._passages: dict[Passage, None] = {}  # the one that was used last is the last
        self._by_peer: dict[str, Passage] = {}

    def passage(self) -> Passage:
        """The protocol of a new connection."""
        return Passage(self)

    def find(self, peer: str) -> Passage | None:
        """The connection that gRPC knows by this name; None when it came by another way."""
        return self._by_peer.get(peer)

    def admit(self, passage: Passage) -> None:
        """Counts a connection, and closes another one when there are too many."""
        self._passages[passage] = None
        if len(self._passages) > self.limits.max_connections:
            waiting = (one for one in self._passages if not one.awaited)
            next(waiting, passage).end()

    def name(self, passage: Passage, port: int) -> None:
        """Notes the name by which gRPC knows a connection."""
        self._by_peer[f"ipv4:{INSIDE}:{port}"] = passage

    def used(self, passage: Passage) -> None:
        """Notes that a whole message has come by a connection."""
        if passage in self._passages:
            self._passages[passage] = self._passages.pop(passage)

    def leave(self, passage: Passage, port: int | None) -> None:
        """Forgets a connection."""
        self._passages.pop(passage, None)
        if port is not None:
            self._by_peer.pop(f"ipv4:{INSIDE}:{port}", None)

    def close(self) -> None:
        """Ends all connections."""
        for passage in list(self._passages):
            passage.end()


class Passage(asyncio.Protocol):
    """A client's connection and the one to gRPC's server that its bytes go to.

    Attributes:
        calls: Its calls that are open.
        awaited: Its calls whose messages have come and that are being answered.
        held: Counts its bytes that no call has taken yet.
    """

    client: asyncio.Transport
    server: asyncio.Transport | None = None

    def __init__(self, door: Door) -> None:
        self._door = door
        self._port: int | None = None
        self._ended = False
        self._stalled: asyncio.TimerHandle | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.calls = self.awaited = 0
        self.held = door.buffers.hold(lambda: door.loop.call_soon_threadsafe(self.end))

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Waits for the client's first bytes, and not for ever."""
        self.client = transport
        transport.set_write_buffer_limits(high=SMALL, low=0)
        self._await_client()
        self._door.admit(self)

    def _await_client(self) -> None:
        """Ends the connection unless the client sends its first bytes, or reads, in time."""
        seconds = self._door.limits.client_seconds
        self._stalled = self._door.loop.call_later(seconds, self.end)

    async def _connect(self, first: bytes) -> None:
        loop = self._door.loop
        try:
            self.server, _ = await loop.create_connection(
                lambda: _Inside(self), INSIDE, self._door.port
            )
        except OSError:  # too many files are open
            self.end()
            return
        if self._ended:
            self.server.abort()
            return
        self.server.set_write_buffer_limits(high=SMALL, low=0)
        self._port = self.server.get_extra_info("sockname")[1]
        self._door.name(self, self._port)
        self.server.write(first)
        self.client.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Passes the client's bytes on; the first ones open the way inside."""
        if self.calls == 0:  # what came before has been taken, or was no call
            self.held.release()
        try:
            self.held.add(len(data))
        except ServingError:
            self.end()
            return
        if self.server is not None:
            self.server.write(data)
        elif self._connecting is None:
            self._client_came()
            self.client.pause_reading()
            self._connecting = self._door.loop.create_task(self._connect(data))

    def took(self, number: int) -> None:
        """A call has taken a whole message of so many bytes."""
        self._door.used(self)
        self.held.add(-min(number, self.held.size))

    def pause_writing(self) -> None:
        """Stops the answers while the client does not read them, and not for ever."""
        if self.server is not None:
            self.server.pause_reading()
        self._await_client()

    def _client_came(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def resume_writing(self) -> None:
        """Lets the answers come again."""
        self._client_came()
        if self.server is not None and not self.server.is_closing():
            self.server.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Ends the way inside, and with it the client's calls."""
        self._ended = True
        self._client_came()
        if self.server is not None:
            self.server.abort()
        self.held.release()
        self._door.leave(self, self._port)

    def answered(self) -> None:
        """GRPC's server has closed: what it sent last is given to the client, in time."""
        self.client.close()
        if self._stalled is None and not self._ended:
            self._await_client()

    def end(self) -> None:
        """Ends both connections at once."""
        self._ended = True
        self._door.leave(self, self._port)
        self.client.abort()


class _Inside(asyncio.Protocol):
    """The connection to gRPC's server."""

    def __init__(self, passage: Passage) -> None:
        self._client = passage.client
        self._passage = passage

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def pause_writing(self) -> None:
        self._client.pause_reading()

    def resume_writing(self) -> None:
        if not self._client.is_closing():
            self._client.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._passage.answered()
