"""The threads that requests are answered in, and the bounded queue before them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from tfrec_fusion.serving.local.buffers import SMALL
from tfrec_fusion.serving.local.failures import ServingError

Answer = TypeVar("Answer")


class Desk:
    """A bounded number of threads with a bounded queue before them, the smallest request first.

    One thread, where there are several, is kept for small requests: large ones that take seconds
    do not delay those of other clients. What is canceled while it waits leaves the queue.

    Args:
        workers: Threads.
        max_waiting: Requests that may wait.
    """

    def __init__(self, workers: int, max_waiting: int) -> None:
        self.places = workers + max_waiting
        self._max_large = max(1, workers - 1)
        self._large = self._taken = 0
        self._closed = False
        self._numbers = itertools.count()
        self._order: list[tuple[int, int]] = []  # size and number; canceled ones stay for a while
        self._waiting: dict[int, tuple[Callable[[], Any], Future[Any]]] = {}
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"answer-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def taken(self) -> int:
        """Requests that wait or run."""
        return self._taken

    def submit(self, work: Callable[[], Answer], size: int = 0) -> Future[Answer]:
        """Queues work.

        Args:
            work: Answers the request.
            size: Bytes of the request.

        Raises:
            ServingError: RESOURCE_EXHAUSTED when the queue is full.
        """
        future: Future[Answer] = Future()
        with self._changed:
            if self._taken >= self.places or self._closed:
                raise ServingError(
                    "RESOURCE_EXHAUSTED",
                    f"The server is busy: {self._taken} requests wait or run. Try again later.",
                )
            self._taken += 1
            number = next(self._numbers)
            self._waiting[number] = work, future
            heapq.heappush(self._order, (size, number))
            if len(self._order) > 2 * self.places:
                self._order = [one for one in self._order if one[1] in self._waiting]
                heapq.heapify(self._order)
            self._changed.notify_all()
        future.add_done_callback(lambda _: self._leave(number))
        return future

    async def answer(self, work: Callable[[], Answer], size: int, seconds: float) -> Answer:
        """What `work` returns; canceled when it takes too long.

        Args:
            work: Answers the request.
            size: Bytes of the request.
            seconds: How long it may wait and run.

        Raises:
            ServingError: RESOURCE_EXHAUSTED when the queue is full, DEADLINE_EXCEEDED.
        """
        future = asyncio.wrap_future(self.submit(work, size))
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError as error:
            raise ServingError(
                "DEADLINE_EXCEEDED", f"The request was not answered within {seconds:g} s."
            ) from error

    def _leave(self, number: int) -> None:
        """Takes work that was canceled while it waited out of the queue."""
        with self._changed:
            if self._waiting.pop(number, None) is not None:
                self._taken -= 1

    def _next(self) -> tuple[bool, Callable[[], Any], Future[Any]] | None:
        while self._order:
            size, number = self._order[0]
            if number in self._waiting and size > SMALL and self._large >= self._max_large:
                return None  # the others are as large
            heapq.heappop(self._order)
            if number in self._waiting:
                return size > SMALL, *self._waiting.pop(number)
        return None

    def _work(self) -> None:
        while True:
            with self._changed:
                while (found := self._next()) is None:
                    if self._closed:
                        return
                    self._changed.wait()
                self._large += found[0]
            self._answer(*found)
            del found  # the request is not kept until the next one

    def _answer(self, large: bool, work: Callable[[], Any], future: Future[Any]) -> None:
        answer: Any = None
        error: BaseException | None = None
        wanted = future.set_running_or_notify_cancel()
        if wanted:
            try:
                answer = work()
            except BaseException as caught:
                error = caught
        with self._changed:  # the place is free before the client knows
            self._taken -= 1
            self._large -= large
            self._changed.notify_all()
        if error is not None:
            future.set_exception(error)
        elif wanted:
            future.set_result(answer)

    def close(self) -> None:
        """Ends the threads when their work is done; what waits is dropped."""
        with self._changed:
            self._closed = True
            waiting = [future for _, future in self._waiting.values()]
            self._changed.notify_all()
        for future in waiting:
            future.cancel()
        for thread in self._threads:
            thread.join()
