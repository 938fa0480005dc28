"""Receiving a REST body: not more than is taken, and not for ever."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.limits import Limits


class Bodies:
    """Reads bodies within the limits; the bytes of all that are being read are counted together.

    Args:
        limits: What is taken.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffered = 0

    async def read(self, request: Request) -> bytes:
        """The body of a request.

        Raises:
            ServingError: HTTP 413 when it is too large, 408 when it comes too slowly, 503 when
                the server is receiving too much already, 499 when the client has gone.
        """
        limit = self._limits.max_body_bytes
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared[:19]) > limit:
            raise self._too_large(f"{int(declared[:19]):,} bytes")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.client_seconds):
                async for part in request.stream():
                    size += len(part)
                    self._buffered += len(part)
                    parts.append(part)
                    if size > limit:
                        raise self._too_large("more than that")
                    if self._buffered > self._limits.max_buffered_bytes:
                        raise ServingError(
                            "RESOURCE_EXHAUSTED",
                            "The server is receiving too many large requests. Try again later.",
                        )
        except TimeoutError as error:
            raise ServingError(
                "DEADLINE_EXCEEDED",
                f"The body was not received within {self._limits.client_seconds:g} s: "
                f"{size:,} bytes came.",
                408,
            ) from error
        except ClientDisconnect as error:
            raise ServingError("CANCELLED", "The client has gone.") from error
        finally:
            self._buffered -= size
        return b"".join(parts)

    def _too_large(self, received: str) -> ServingError:
        return ServingError(
            "RESOURCE_EXHAUSTED",
            f"The body must have at most {self._limits.max_body_bytes:,} bytes. "
            f"Received: {received}.",
            413,
        )
