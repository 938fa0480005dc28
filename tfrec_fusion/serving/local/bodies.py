"""Receiving a REST body: not more than is taken, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from tfrec_fusion.serving.local.buffers import Buffers, Held
from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.limits import Limits


class Bodies:
    """Reads bodies within the limits.

    Args:
        limits: What is taken.
        buffers: Counts the bytes of all bodies until their requests are answered.
    """

    def __init__(self, limits: Limits, buffers: Buffers) -> None:
        self._limits = limits
        self._buffers = buffers

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[bytes]:
        """The body of a request; its bytes count until the `with` block ends.

        Raises:
            ServingError: HTTP 413 when it is too large, 408 when it comes too slowly, 503 when
                the server is receiving too much already, 499 when the client has gone.
        """
        loop = asyncio.get_running_loop()
        deadline = asyncio.timeout(self._limits.client_seconds)
        held = self._buffers.hold(
            lambda: loop.call_soon_threadsafe(deadline.reschedule, loop.time())
        )
        try:
            body = await self._read(request, held, deadline)
            held.keep()
            yield body
        finally:
            held.release()

    async def _read(self, request: Request, held: Held, deadline: asyncio.Timeout) -> bytes:
        limit = self._limits.max_body_bytes
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared[:19]) > limit:
            raise self._too_large(f"{int(declared[:19]):,} bytes")
        body = bytearray()
        try:
            async with deadline:
                async for part in request.stream():
                    body += part
                    if len(body) > limit:
                        raise self._too_large("more than that")
                    held.add(len(part))
        except TimeoutError as error:
            held.add(0)  # raises when the body was dropped for lack of room
            raise ServingError(
                "DEADLINE_EXCEEDED",
                f"The body was not received within {self._limits.client_seconds:g} s: "
                f"{len(body):,} bytes came.",
                408,
            ) from error
        except ClientDisconnect as error:
            raise ServingError("CANCELLED", "The client has gone.") from error
        return bytes(body)

    def _too_large(self, received: str) -> ServingError:
        return ServingError(
            "RESOURCE_EXHAUSTED",
            f"The body must have at most {self._limits.max_body_bytes:,} bytes. "
            f"Received: {received}.",
            413,
        )
