"""Trying again: how often, how long after, and never past the caller's patience."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.client.errors import ServerTimeout, ServerUnavailable

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Retries:
    """When a request that found no server, or a busy one, is sent again.

    Before attempt `n` (from 1) the client waits a random time between 0 and
    `min(longest_delay, first_delay * 2 ** (n - 1))` seconds, so that many clients do not come
    back together. What is wrong with the request itself is never sent again.

    Attributes:
        attempts: How often a request is sent at most; 1 never repeats.
        first_delay: Seconds.
        longest_delay: Seconds.
    """

    attempts: int = 4
    first_delay: float = 0.1
    longest_delay: float = 2.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidInput(f"`attempts` must be at least 1. Received: {self.attempts}.")
        if self.first_delay < 0 or self.longest_delay < 0:
            raise InvalidInput(
                "`first_delay` and `longest_delay` must not be negative. "
                f"Received: {self.first_delay}, {self.longest_delay}."
            )

    def run(
        self,
        send: Callable[[float], Answer],
        timeout: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> Answer:
        """Sends until there is an answer.

        Args:
            send: Sends once; gets the seconds that are left.
            timeout: Seconds for everything together, the waiting too.
            sleep: Waits some seconds.
            clock: Tells the time in seconds.
            draw: Draws a number between two.

        Returns:
            What `send` returns.

        Raises:
            ServerUnavailable: When every attempt found no server or a busy one, or the next one
                would come after `timeout`.
            ServerTimeout: When there was no answer in time.
        """
        deadline = clock() + timeout
        for attempt in range(1, self.attempts + 1):
            left = deadline - clock()
            if left <= 0:
                raise ServerTimeout("DEADLINE_EXCEEDED", f"No answer within {timeout:g} s.")
            try:
                return send(left)
            except ServerUnavailable:
                longest = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
                delay = draw(0.0, longest)
                if attempt == self.attempts or clock() + delay >= deadline:
                    raise
                sleep(delay)
        raise AssertionError("the last attempt returns or raises")
