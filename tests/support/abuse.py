"""Requests that nobody should send, drawn from a seed, and what may be answered to them."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

NAMES = [
    "films",
    "wishes",
    "none",
    "..",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "%ff",
    "é",
    "a b",
]
NAMES += [".1", "x" * 3000, "films%0d%0ax: y", "%", "*", "films:predict", "//", "films?x=1", "#"]
VERSIONS = ["1", "2", "0", "-1", "01", "1.0", "9" * 30, "x", "%31", "²", "latest", ""]
SIGNATURES = [
    "recommend",
    "score",
    "similar_items",
    "echo",
    "numbers",
    "search",
    "no",
    "",
    "é",
    "\0",
]
INPUTS = ["user_id", "item_id", "item_ids", "exclude_item_ids", "text", "x", "n", "yes", "k", ""]
NESTED = "[" * 5000 + "]" * 5000
RAW_VALUES = ["NaN", "-Infinity", "1e999", "9" * 400, "1" * 5000, NESTED, '"\\ud800"', '"\\u0000"']
RAW_VALUES += ["{}", "[]", "[[]]", "null", "true", "-0", "1.5", '{"b64": "////"}', '{"b64": 3}']
RAW_VALUES += [
    '{"b64": "!"}',
    '["a"]',
    '[["a"], ["b", "c"]]',
    '[["a"]]',
    '[1, "a"]',
    '"x"',
    "[null]",
]
RAW_VALUES += [json.dumps([["b", "?"] * 6_000]), json.dumps([["a"]] * 300), f'["{"é" * 50_000}"]']
RAW_VALUES += [json.dumps(["x"] * 3000), json.dumps([[["x"]] * 50] * 50), '[{"user_id": "ann"}]']
HOSTS = ["127.0.0.1", "localhost:1", "[::1]", "evil.example", "127.0.0.1.evil.example", "", "a b"]
HOSTS += ["127.0.0.1\r\nhost: evil.example", "user@127.0.0.1", "127.0.0.1:99999", "é", "x" * 3000]
ORIGINS = ["", "null", "http://evil.example", "http://127.0.0.1", "file://", "http://a@b", "é"]
TARGETS = ["/", "//evil.example/", "http://evil.example/v1/models/films", "*", "/\\evil.example"]
TARGETS += ["/v1/models/films/", "/../../etc/passwd", "/playground/models", "/%0d%0alocation:%20x"]
BODIES = [b"", b"content-length: 9\r\n\r\n{", b"content-length: 2\r\n\r\n{}"]
BODIES += [b"transfer-encoding: chunked\r\n\r\n5\r\nab", b"expect: 100-continue\r\n\r\n"]
# Shapes that one value stands for; what they hold is more than anybody may ask.
SHAPES = [(1024, 4096), (2**31,), (64, 10_000), (1, 20_000), (2**20, 0), (300,), (1, 1, 1)]
GRPC_CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
OVERLOAD = {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}


class Abuse:
    """Sends abusive requests and keeps what was answered wrongly.

    Args:
        rest_port: The server's REST port on this machine.
        grpc_address: Its gRPC address.
        paths: The paths of its OpenAPI description, with their methods.
        seed: Of everything drawn.
    """

    def __init__(self, rest_port: int, grpc_address: str, paths: dict, seed: int = 0) -> None:
        self.draw = random.Random(seed)
        self.rest_port = rest_port
        self.channel = grpc.insecure_channel(grpc_address)
        self.paths = [(path, method.upper()) for path, found in paths.items() for method in found]
        self.wrong: list[str] = []
        self.answers: dict[str, int] = {}

    def send(self, number: int) -> None:
        """Sends so many requests."""
        kinds = [self.described] * 5 + [self.rpc] * 3 + [self.socket_bytes, self.foreign]
        kinds += [self.expanded, self.half_open]
        for _ in range(number):
            self.draw.choice(kinds)()

    def described(self) -> None:
        """A request to a path of the description, or nearly, with a body that is nearly one."""
        path, method = self.draw.choice(self.paths)
        model = self.draw.choice(NAMES[:3] if self.draw.random() < 0.6 else NAMES)
        version = self.draw.choice(VERSIONS)
        path = path.replace("{model}", model).replace("{version}", version)
        path = path.replace("{label}", self.draw.choice(["stable", *VERSIONS]))
        if self.draw.random() < 0.1:
            method = self.draw.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "X"])
        body = self.body()
        length = len(body)
        if body and self.draw.random() < 0.05:
            body = body[: self.draw.randrange(len(body))]  # and the connection ends
        head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
        head += f"content-length: {length}\r\n\r\n"
        self.exchange(head.encode("utf-8") + body, ends=len(body) < length, method=method)

    def body(self) -> bytes:
        if self.draw.random() < 0.1:
            return self.draw.randbytes(self.draw.randrange(200))
        key = self.draw.choice(["inputs", "instances", "inputs", "instances", "examples", "x"])
        columns = {self.draw.choice(INPUTS): "@" for _ in range(self.draw.randrange(4))}
        value = self.draw.choice([json.dumps(columns), json.dumps([columns, columns]), '"@"'])
        while '"@"' in value:
            value = value.replace('"@"', self.draw.choice(RAW_VALUES), 1)
        signature = json.dumps(self.draw.choice([*SIGNATURES, 3, None, ["a"]]))
        text = f'{{"signature_name": {signature}, "{key}": {value}}}'
        if self.draw.random() < 0.1:
            text = text[: self.draw.randrange(len(text))]
        content = bytearray(text.encode("utf-8"))
        if content and self.draw.random() < 0.1:
            content[self.draw.randrange(len(content))] = self.draw.randrange(128, 256)
        return bytes(content)

    def socket_bytes(self) -> None:
        """Bytes that are hardly HTTP."""
        start = b"POST /v1/models/films:predict HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        self.exchange(
            self.draw.choice(
                [
                    self.draw.randbytes(300),
                    start + b"content-length: -1\r\n\r\n",
                    start + b"content-length: 5\r\ncontent-length: 6\r\n\r\n{}",
                    start + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
                    start + b"transfer-encoding: gzip\r\n\r\n",
                    start + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
                    start + b"content-length: 99999999999999999999\r\n\r\n{",
                    start + b"upgrade: websocket\r\nconnection: upgrade\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                ]
            ),
            ends=True,
        )

    def foreign(self) -> None:
        """A request that a foreign page may make, with a body that may be half of one."""
        method = self.draw.choice(["GET", "POST", "HEAD", "PUT"])
        head = f"{method} {self.draw.choice(TARGETS)} HTTP/1.1\r\n"
        head += f"host: {self.draw.choice(HOSTS)}\r\nconnection: close\r\n"
        if origin := self.draw.choice(ORIGINS):
            head += f"origin: {origin}\r\n"
        body = self.draw.choice(BODIES) or b"\r\n"
        self.exchange(head.encode("utf-8") + body, ends=True, method=method)

    def expanded(self) -> None:
        """A Predict in which one value stands for many."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.draw.choice(["films", "wishes"])
        request.model_spec.signature_name = self.draw.choice(SIGNATURES)
        for name in self.draw.sample(INPUTS[:5], self.draw.randrange(1, 4)):
            value = tf.make_tensor_proto(["a"], shape=(1,))
            del value.tensor_shape.dim[:]
            for size in self.draw.choice(SHAPES):
                value.tensor_shape.dim.add(size=size)
            request.inputs[name].CopyFrom(value)
        self.call("Predict", request.SerializeToString())

    def half_open(self) -> None:
        """A call whose message is not sent; its client leaves."""
        ended = threading.Event()

        def nothing():
            ended.wait()
            return
            yield

        call = self.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
        waiting = call.future(nothing(), timeout=60)
        waiting.cancel()
        ended.set()
        self.count("left", b"")

    def exchange(self, request: bytes, ends: bool = False, method: str = "POST") -> None:
        """Sends bytes, reads the answer, and notes one that may not be."""
        with socket.create_connection(("127.0.0.1", self.rest_port), timeout=60) as connection:
            try:
                connection.sendall(request)
                if ends:
                    with contextlib.suppress(OSError):  # the server was faster
                        connection.shutdown(socket.SHUT_WR)
                response = http.client.HTTPResponse(connection, method=method)
                response.begin()
                body = response.read()
            except (ConnectionError, http.client.BadStatusLine):
                # Whoever hangs up in the middle of a request need not be answered.
                self.count("closed" if ends or len(request) > 50_000 else "unanswered", request)
                return
        status = response.status
        fine = status in (200, 400, 403, 404, 408, 413, 503, 504)
        if status != 200 and method != "HEAD":
            try:
                fine &= bool(json.loads(body)["error"].strip())
            except (ValueError, KeyError, TypeError):
                fine = False
        self.count(str(status) if fine else f"wrong {status} {body[:80]!r}", request)

    def rpc(self) -> None:
        """A Predict whose protocol buffer lies, or is broken."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.draw.choice(["films", "wishes", "no", "../films", "\0", ""])
        request.model_spec.signature_name = self.draw.choice(SIGNATURES)
        if self.draw.random() < 0.3:
            request.model_spec.version.value = self.draw.choice([1, 2, -1, 2**63 - 1])
        elif self.draw.random() < 0.2:
            request.model_spec.version_label = self.draw.choice(["stable", "é", "\0", "x" * 999])
        if self.draw.random() < 0.3:  # nothing wrong, as yet
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "films"
            request.inputs["user_id"].CopyFrom(tf.make_tensor_proto(["ann"]))
        for _ in range(self.draw.randrange(3)):
            proto = request.inputs[self.draw.choice(INPUTS)]
            values = self.draw.choice(
                [["a"], [["a"]], [1], [1.5], [True], [float("nan")], ["a"] * 3]
            )
            proto.CopyFrom(tf.make_tensor_proto(values))
            if self.draw.random() < 0.3:
                proto.tensor_shape.dim.add(size=self.draw.choice([0, -1, 2**20, 2**31, 2**62]))
            if self.draw.random() < 0.2:
                proto.dtype = self.draw.randrange(0, 30)
            if self.draw.random() < 0.2:
                proto.tensor_content = self.draw.randbytes(self.draw.randrange(20))
        if self.draw.random() < 0.2:
            request.output_filter.append(self.draw.choice(["score", "x", "é"]))
        body = bytearray(request.SerializeToString())
        if body and self.draw.random() < 0.3:
            body[self.draw.randrange(len(body))] = self.draw.randrange(256)
        if self.draw.random() < 0.1:
            body = body[: self.draw.randrange(len(body) + 1)]
        method = self.draw.choice(["Predict"] * 8 + ["Classify", "GetModelMetadata", "Nothing"])
        self.call(method, bytes(body))

    def call(self, method: str, body: bytes) -> None:
        """Calls a method with bytes, and notes an answer that may not be."""
        service = "/tensorflow.serving.PredictionService/"
        try:
            self.channel.unary_unary(service + method)(body, timeout=60)
            code, details = "OK", "-"
        except grpc.RpcError as error:
            code, details = error.code().name, error.details()
        fine = code in GRPC_CODES | OVERLOAD and details
        self.count(code if fine else f"wrong {code} {details!r:.80}", body)

    def count(self, answer: str, request: bytes) -> None:
        """Notes an answer."""
        kind = " ".join(answer.split()[:2]) if answer.startswith("wrong") else answer
        self.answers[kind] = self.answers.get(kind, 0) + 1
        if answer.startswith("wrong") or answer == "unanswered":
            self.wrong.append(f"{answer} to {request[:300]!r}")
