"""A gRPC call from its headers to the end of its answer: deadlines, places, and errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc.aio import EOF, ServicerContext

from tfrec_fusion.serving.local.answering import Answering
from tfrec_fusion.serving.local.door import Door, Passage
from tfrec_fusion.serving.local.failures import ServingError, invalid

_LOG = logging.getLogger(__name__)

Answerer = Callable[[bytes], bytes]
CallHandler = Callable[[Any, ServicerContext], Awaitable[bytes]]


class Calls:
    """The calls that are open.

    gRPC has no deadline for a message: a call that is only opened would stay for ever. So each
    method takes a stream of messages, whose first one must come in time.

    Args:
        answering: Answers what was received.
        door: Knows the connections of the calls.
    """

    def __init__(self, answering: Answering, door: Door) -> None:
        self._limits, self._desk = answering.limits, answering.desk
        self._buffers, self._door = answering.buffers, door
        self._receiving: dict[asyncio.Future[Any], asyncio.Future[None]] = {}

    def handler(self, answer: Answerer) -> CallHandler:
        """A method that takes a stream of one message.

        Args:
            answer: Turns the message into the answer, in a thread of the desk.
        """

        async def called(_: Any, context: ServicerContext) -> bytes:
            try:
                with self._on_passage(context) as passage:
                    return await self._answered(answer, context, passage)
            except ServingError as error:
                code, text = getattr(grpc.StatusCode, error.code), error.message
            except Exception as error:
                _LOG.exception("A call failed.")
                code = grpc.StatusCode.INTERNAL
                text = f"The server has a fault ({type(error).__name__}): see its log."
            await context.abort(code, text)
            raise AssertionError("context.abort raises")

        return called

    @contextmanager
    def _on_passage(self, context: ServicerContext) -> Iterator[Passage]:
        passage = self._door.find(context.peer())
        if passage is None:
            raise ServingError("PERMISSION_DENIED", "Calls come through the server's own port.")
        passage.calls += 1
        try:
            yield passage
        finally:
            passage.calls -= 1

    async def _answered(
        self, answer: Answerer, context: ServicerContext, passage: Passage
    ) -> bytes:
        body = await self._received(context)
        size = len(body)
        passage.took(size)
        held = self._buffers.hold()
        try:
            held.add(size)
            passage.awaited += 1
            try:
                answered = await self._desk.answer(
                    lambda: answer(body), size, self._limits.answer_seconds
                )
            finally:
                passage.awaited -= 1
        finally:
            held.release()
        self._await_reading(len(answered), context, passage)
        return answered

    async def _received(self, context: ServicerContext) -> bytes:
        """The call's message.

        Raises:
            ServingError: When it does not come in time, or too many other calls came after it.
        """
        reading = asyncio.ensure_future(context.read())
        crowded = asyncio.get_running_loop().create_future()
        self._receiving[reading] = crowded
        if len(self._receiving) > self._limits.max_connections:
            self._receiving.pop(next(iter(self._receiving))).set_result(None)
        seconds = self._limits.client_seconds
        try:  # the reading itself is not canceled: gRPC ends it with the call
            await asyncio.wait(
                {reading, crowded}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._receiving.pop(reading, None)
            reading.add_done_callback(_forget)
        if not reading.done():
            if crowded.done():
                raise ServingError(
                    "RESOURCE_EXHAUSTED", "The server has too many calls. Try again later."
                )
            raise ServingError(
                "DEADLINE_EXCEEDED", f"The message was not received within {seconds:g} s."
            )
        body = reading.result()
        if body is EOF:
            raise invalid("The call had no message.")
        return body

    def _await_reading(self, size: int, context: ServicerContext, passage: Passage) -> None:
        """Ends the connection when its client does not read the answer in time."""
        loop = asyncio.get_running_loop()
        held = self._buffers.hold(lambda: loop.call_soon_threadsafe(passage.end))
        timer = loop.call_later(self._limits.client_seconds, passage.end)

        def sent(_: Any) -> None:
            timer.cancel()
            held.release()

        context.add_done_callback(sent)
        held.add(size)


def _forget(reading: asyncio.Future[Any]) -> None:
    """Takes note of how a reading ended that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()
