"""A harness of attacks: `zoo serve` in its own process, attacked while another client asks it.

    with attacked_server(folder) as server:
        outcome = server.suffer(attack)      # attack(server) runs in this process
    outcome.check()                          # answered within 2 s, memory kept, still alive

`Raw` is a connection that says what no client says, over HTTP/1.1 or HTTP/2.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tensorflow_serving.apis import predict_pb2

HERE = Path(__file__).parent
MAX_SECONDS, MAX_MIB = 2.0, 300.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING = 0, 1, 3, 4, 6
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def films_request(user: str = "ann") -> bytes:
    """A `PredictRequest` that `films` answers with Brazil, Casino and Élisa."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "films"
    users = request.inputs["user_id"]
    users.dtype, users.string_val[:] = 7, [user.encode()]
    users.tensor_shape.dim.add(size=1)
    return request.SerializeToString()


@dataclass(frozen=True)
class Outcome:
    """An attack's effects on the server and on another client.

    Attributes:
        slowest: Seconds of the other client's slowest answer, by front.
        refusals: The first refusals that the other client met, by front.
        answers: Its answers, by front.
        grown_mib: Resident memory after the attack minus before.
        peak_mib: Resident memory's peak minus before.
        alive: Whether the server runs and answers.
        log: The server's standard error since it started.
    """

    slowest: dict[str, float]
    refusals: dict[str, list[str]]
    answers: dict[str, int]
    grown_mib: float
    peak_mib: float
    alive: bool
    log: str = field(repr=False)

    def check(self, seconds: float = MAX_SECONDS, mib: float = MAX_MIB) -> None:
        """Raises `AssertionError` unless the server held."""
        assert self.alive, self
        assert max(self.slowest.values()) <= seconds, self
        assert self.grown_mib <= mib, self
        assert min(self.answers.values()) > 0, self
        assert "Traceback" not in self.log, self.log[-3000:]
        assert "never retrieved" not in self.log, self.log[-3000:]


class AttackedServer:
    """A running `zoo serve`.

    Args:
        process: It.
        announced: The JSON that it printed.
        log: The file of its standard error.
    """

    def __init__(self, process: subprocess.Popen, announced: dict, log: Path) -> None:
        self.process, self._log = process, log
        self.rest = int(announced["rest"].rpartition(":")[2])
        address = announced["grpc"]
        self.grpc = None if address is None else int(address.rpartition(":")[2])

    @property
    def log(self) -> str:
        """Its standard error so far."""
        return self._log.read_text("utf-8", "replace")

    def memory_mib(self, name: str = "VmRSS") -> float:
        """Resident memory now, or its peak (`VmHWM`)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) / 1024

    def suffer(
        self,
        attack: Callable[[AttackedServer], object],
        *,
        request: bytes | None = None,
        expected: str = "Brazil",
    ) -> Outcome:
        """Runs `attack(server)` while another client asks; the client goes on for 1 s after it.

        Args:
            attack: Returns when the attack is over; what it leaves open should be closed by then.
            request: A `PredictRequest` of the other client.
            expected: Text that each answer must contain.
        """
        task = {"rest": self.rest, "grpc": self.grpc, "expected": expected}
        task["request"] = (request or films_request()).hex()
        client = subprocess.Popen(
            [sys.executable, str(HERE / "bystander.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            client.stdin.write(json.dumps(task) + "\n")
            client.stdin.flush()
            assert client.stdout.readline() == "ready\n"
            before = self.memory_mib()
            try:
                attack(self)
            finally:
                found = json.loads(client.communicate(timeout=60)[0])
        finally:
            client.kill()
        peak = self.memory_mib("VmHWM") - before if self.process.poll() is None else 0.0
        return Outcome(
            slowest={front: one["slowest"] for front, one in found.items()},
            refusals={front: one["refusals"] for front, one in found.items()},
            answers={front: one["answers"] for front, one in found.items()},
            grown_mib=self._settled_mib() - before,
            peak_mib=peak,
            alive=self.process.poll() is None and self._answers(),
            log=self.log,
        )

    def _settled_mib(self) -> float:
        """Resident memory once it no longer falls, 10 s at most."""
        if self.process.poll() is not None:
            return 0.0
        last, deadline = self.memory_mib(), time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.memory_mib()
            if now >= last - 1:
                break
            last = now
        return self.memory_mib()

    def _answers(self) -> bool:
        from bystander import rest_ask

        try:
            rest_ask(self.rest, b"Brazil")
        except OSError:
            return False
        return True


@contextlib.contextmanager
def attacked_server(folder: Path, *options: str, log: Path) -> Iterator[AttackedServer]:
    """Starts `zoo serve` over a folder; ends it, and checks that it ended as asked.

    Args:
        folder: Models, `films` among them (see serving_models).
        options: More options of `serve`.
        log: A file for its standard error.
    """
    command = [sys.executable, "-m", "tfrec_fusion.zoo", "serve", str(folder), "--json", *options]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--port", "0", "--grpc-port", "0"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=HERE.parent,
        )
        try:
            yield AttackedServer(process, json.loads(process.stdout.readline()), log)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


class Raw:
    """A connection that sends any bytes; HTTP/2 with `http2`.

    Args:
        port: On this machine.
        http2: Sends the preface and empty settings first.
        timeout: Of each receive, in seconds.
    """

    def __init__(self, port: int, http2: bool = False, timeout: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._next_stream = 1
        if http2:
            self.send(PREFACE + frame(SETTINGS, 0, 0, b""))

    def send(self, data: bytes) -> None:
        """Sends; raises `OSError` when the server has closed."""
        self.socket.sendall(data)

    def try_to_send(self, data: bytes) -> bool:
        """Sends; False when the server has closed or does not read."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def open_call(self, body: bytes = b"", end: bool = False, path: str = PREDICT) -> int:
        """Sends HEADERS of a gRPC call and the start of its body; the stream's number."""
        stream = self._next_stream
        self._next_stream += 2
        self.send(call_frames(stream, path, body, end))
        return stream

    def received(self) -> bytes:
        """Everything until the server closes, or nothing came in time."""
        parts = []
        with contextlib.suppress(OSError):
            while part := self.socket.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def until(self, expected: bytes) -> bytes:
        """What is received until some bytes are among it, or the server closes."""
        found = b""
        while expected not in found and (part := self.socket.recv(65536)):
            found += part
        return found

    def closed(self, seconds: float) -> bool:
        """Whether the server closes the connection within some seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    def close(self) -> None:
        """Closes at once."""
        self.socket.close()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def call_frames(stream: int, path: str, body: bytes = b"", end: bool = False) -> bytes:
    """HEADERS of a gRPC call, and DATA when there is a body."""
    block = b"\x83\x86"  # :method POST, :scheme http
    for name, value in ((b"\x04", path), (b"\x01", "127.0.0.1"), (b"\x0f\x10", "application/grpc")):
        block += name + bytes([len(value)]) + value.encode()
    block += b"\x00\x02te\x08trailers"
    frames = frame(HEADERS, 4, stream, block)
    for at in range(0, len(body), 16384):
        last = end and at + 16384 >= len(body)
        frames += frame(DATA, 1 if last else 0, stream, body[at : at + 16384])
    return frames


def message(body: bytes) -> bytes:
    """A gRPC message: its length, and it."""
    return b"\0" + len(body).to_bytes(4, "big") + body
