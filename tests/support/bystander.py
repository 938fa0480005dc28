"""Another client of a server under attack, in a process of its own: asks, and keeps the delays.

Reads one JSON object from standard input: `rest` (port), `grpc` (port, or null), `request`
(a `PredictRequest` in hex) and `expected` (text that every answer must contain). It prints
`ready` after the first answers, asks every 0.2 s on a new connection until standard input
ends, and prints one JSON object: by front, the slowest answer in seconds, the number of answers,
and the refusals that were met before an answer came.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable

import grpc

PERIOD, PATIENCE = 0.2, 20.0


def rest_ask(port: int, expected: bytes) -> None:
    """Asks over REST; raises when the answer is not the expected one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/v1/models/films:predict", b'{"instances": ["ann"]}')
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200 or expected not in body:
        raise ConnectionError(f"{response.status} {body[:200]!r}")


def grpc_ask(port: int, request: bytes, expected: bytes) -> None:
    """Asks over gRPC; raises when the answer is not the expected one."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        answer = call(request, timeout=PATIENCE, wait_for_ready=True)
    if expected not in answer:
        raise ConnectionError(repr(answer[:200]))


class Asker(threading.Thread):
    """Asks again and again; a refused question is asked again until it is answered."""

    def __init__(self, ask: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.ask, self.stop = ask, stop
        self.slowest, self.answers = 0.0, 0
        self.refusals: list[str] = []
        self.answered = threading.Event()

    def run(self) -> None:
        while not self.stop.is_set():
            began = time.monotonic()
            while not self._answered() and not self.stop.is_set():
                self.stop.wait(0.02)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.stop.wait(PERIOD)

    def _answered(self) -> bool:
        try:
            self.ask()
        except Exception as error:
            text = error.details() if isinstance(error, grpc.RpcError) else repr(error)
            self.refusals.append(str(text)[:200])
            return False
        self.answers += 1
        self.answered.set()
        return True


def main() -> None:
    """Asks until standard input ends."""
    task = json.loads(sys.stdin.readline())
    expected, request = task["expected"].encode(), bytes.fromhex(task["request"])
    stop = threading.Event()
    askers = {"REST": Asker(lambda: rest_ask(task["rest"], expected), stop)}
    if task["grpc"] is not None:
        askers["gRPC"] = Asker(lambda: grpc_ask(task["grpc"], request, expected), stop)
    for asker in askers.values():
        asker.start()
    for asker in askers.values():
        asker.answered.wait(PATIENCE)
        asker.slowest = 0.0
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for asker in askers.values():
        asker.join(PATIENCE)
    found = {
        front: {
            "slowest": one.slowest,
            "answers": one.answers,
            "refusals": one.refusals[:5],
            "refused": len(one.refusals),
        }
        for front, one in askers.items()
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
