"""A bound on the bytes that clients make the server keep: bodies, messages, unread answers."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tfrec_fusion.serving.local.failures import ServingError

SMALL = 64 * 2**10  # bytes of a request that is always taken


class Buffers:
    """Counts the bytes that are kept for clients, over both fronts.

    What is being received or sent can be dropped for lack of room, the largest first; what waits
    for its answer cannot. So a client that keeps much is dropped, and one that asks little is not.

    Args:
        limit: Bytes that are kept at most. Requests of at most `SMALL` bytes are taken beyond it:
            their number is bounded.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._total = 0
        self._droppable: set[Held] = set()

    @property
    def total(self) -> int:
        """Bytes that are kept now."""
        return self._total

    def hold(self, drop: Callable[[], object] | None = None) -> Held:
        """An account with no bytes yet.

        Args:
            drop: Gives the bytes up; called in any thread. None: they cannot be given up.
        """
        return Held(self, drop)

    def change(self, held: Held, number: int) -> None:
        """Adds bytes to an account, and drops the largest while there are too many.

        Raises:
            ServingError: RESOURCE_EXHAUSTED when the account itself is dropped or cannot grow.
        """
        dropped = []
        with self._lock:
            if not held.dropped:
                held.size += number
                self._total += number
            if held.drop is not None and held.size:
                self._droppable.add(held)
            while number > 0 and held.size > SMALL and self._total > self._limit:
                largest = max(self._droppable, key=_size, default=held)
                if largest.size <= SMALL:
                    largest = held
                self._give_up(largest)
                dropped.append(largest)
        for one in dropped:
            if one is not held and one.drop is not None:
                one.drop()
        if held.dropped:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                "The server is receiving too many large requests. Try again later.",
            )

    def keep(self, held: Held) -> None:
        """The account's bytes cannot be given up from now on."""
        with self._lock:
            self._droppable.discard(held)
            held.drop = None

    def _give_up(self, held: Held) -> None:
        held.dropped = True
        self._total -= held.size
        held.size = 0
        self._droppable.discard(held)

    def release(self, held: Held) -> None:
        """Takes the account's bytes off."""
        with self._lock:
            self._total -= held.size
            held.size = 0
            self._droppable.discard(held)


class Held:
    """Bytes that are kept for one client.

    Args:
        buffers: Counts them.
        drop: Gives them up.
    """

    def __init__(self, buffers: Buffers, drop: Callable[[], object] | None) -> None:
        self._buffers = buffers
        self.drop = drop
        self.size = 0
        self.dropped = False

    def add(self, number: int) -> None:
        """Adds bytes; a negative number takes them off.

        Raises:
            ServingError: RESOURCE_EXHAUSTED when there is no room for them.
        """
        self._buffers.change(self, number)

    def keep(self) -> None:
        """The bytes cannot be given up from now on: their request is complete."""
        self._buffers.keep(self)

    def release(self) -> None:
        """Takes the bytes off; more may be added later."""
        self._buffers.release(self)


def _size(held: Held) -> int:
    return held.size
