"""What the local server refuses to be burdened with, and how it stops."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time

import grpc
import pytest
from raw_requests import received
from tensorflow_serving.apis import predict_pb2
from waiting import wait_for, wait_for_requests

from tfrec_fusion.serving.client import Client, ServerUnavailable
from tfrec_fusion.serving.local.desk import Desk
from tfrec_fusion.serving.local.failures import ServingError, graph_message
from tfrec_fusion.serving.local.limits import Limits
from tfrec_fusion.serving.local.server import LocalServer

STEPS = 300_000  # a second of counting, or several
SLOW = {"signature_name": "slow", "inputs": [STEPS]}


@pytest.fixture(scope="module")
def strict(served_folder):
    """A server that takes very little."""
    limits = Limits(
        max_batch=4,
        max_body_bytes=2000,
        max_buffered_bytes=3000,
        max_waiting=1,
        max_connections=6,
        workers=1,
        client_seconds=0.4,
    )
    with LocalServer(served_folder, port=0, grpc_port=0, limits=limits) as server:
        yield server


def post(server, body, path="/v1/models/wishes:predict"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def raw(server, *parts):
    """What the server says to these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


HEAD = b"POST /v1/models/films:predict HTTP/1.1\r\nhost: 127.0.0.1\r\n"


def test_large_bodies_and_batches_are_refused(strict):
    large = {"signature_name": "echo", "inputs": ["x" * 2000]}
    status, answer = post(strict, large)
    assert status == 413
    assert answer["error"].startswith("The body must have at most 2,000 bytes. Received: 2,0")
    status, answer = post(strict, {"signature_name": "echo", "inputs": ["x"] * 5})
    assert (status, answer["error"]) == (
        400,
        "`text` must have at most 4 rows in one request. Received: 5. Send several requests.",
    )


def test_a_body_without_a_length_is_cut_off_at_the_limit(strict):
    chunked = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    assert raw(strict, chunked, b"7d1\r\n" + b"x" * 2001 + b"\r\n") == (
        413,
        "The body must have at most 2,000 bytes. Received: more than that.",
    )


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((), "The request's headers were not received within 0.4 s."),
        ((HEAD,), "The request's headers were not received within 0.4 s."),
        (
            (HEAD + b'content-length: 100\r\n\r\n{"in',),
            "The body was not received within 0.4 s: 4 bytes came.",
        ),
    ],
)
def test_slow_clients_are_let_go(strict, parts, error):
    assert raw(strict, *parts) == (408, error)


def test_dripping_headers_do_not_keep_a_connection(strict):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
        connection.sendall(HEAD)
        answer = b""
        connection.settimeout(0.05)
        while not answer and time.monotonic() < began + 5:
            try:
                connection.sendall(b"x: y\r\n")
                answer = connection.recv(1000)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "nonsense",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"POST /\xff HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_http_is_refused(strict, nonsense):
    assert raw(strict, nonsense) == (400, "Invalid HTTP request received.")


def connect(server, data=b""):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(data)
    return connection


def test_the_slowest_of_too_many_connections_makes_room(served_folder):
    limits = Limits(max_connections=2, client_seconds=60)
    with LocalServer(served_folder, port=0, grpc_port=None, limits=limits) as server:
        first, second = connect(server), connect(server, HEAD)
        echo = {"signature_name": "echo", "inputs": ["x"]}
        assert post(server, echo)[0] == 200
        full = b"The server has too many connections. Try again later."
        assert full in received(first)
        assert post(server, echo)[0] == 200  # the last one has closed
        third, fourth = connect(server), connect(server)
        assert full in received(second)
        third.close()
        fourth.close()


def test_a_connection_that_answers_keeps_its_place(served_folder):
    limits = Limits(max_connections=1)
    with LocalServer(served_folder, port=0, grpc_port=None, limits=limits) as server:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(post(server, SLOW)))
        asking.start()
        wait_for(lambda: server._answering.desk.taken == 1, "the slow request")
        assert raw(server) == (503, "The server has too many connections. Try again later.")
        asking.join()
        assert answers == [(200, {"outputs": [STEPS]})]


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GET / HTTP/1.1\r\n", 200),
        (b"HEAD / HTTP/1.1\r\n", 405),
        (b"GET /monitoring/prometheus/metrics HTTP/1.1\r\n", 200),
        (b"GET /v1/models/films HTTP/1.1\r\n", 200),
        (b"GET /none HTTP/1.1\r\n", 404),
        (b"PUT /v1/models/films:predict HTTP/1.1\r\n", 400),
        (b"OPTIONS / HTTP/1.1\r\n", 405),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 1000\r\n\r\nx",
        b"transfer-encoding: chunked\r\n\r\n5\r\nx",
        b"expect: 100-continue\r\ncontent-length: 1000\r\n\r\n",
    ],
)
def test_a_body_that_nobody_reads_has_its_time(strict, start, status, body):
    answer = received(connect(strict, start + b"host: 127.0.0.1\r\n" + body))
    assert int(answer.split()[1]) in (status, 404)
    assert answer.count(b"HTTP/1.1 ") == 1


def test_dripping_a_body_that_nobody_reads_keeps_no_connection(strict):
    start = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n"
    with connect(strict, start) as connection:
        connection.settimeout(0.05)
        for _ in range(200):  # 10 s, were it not closed
            try:
                connection.sendall(b"x")
                if not connection.recv(65536):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
    raise AssertionError("still open after 200 drops")


def test_an_answer_that_is_not_read_has_its_time(served_folder):
    limits = Limits(client_seconds=0.4)
    with LocalServer(served_folder, port=0, grpc_port=None, limits=limits) as server:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        text = "x" * 2**20
        body = json.dumps({"signature_name": "echo", "inputs": [text] * 8}).encode()
        connection.sendall(
            b"POST /v1/models/wishes:predict HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body
        )
        connections = server._uvicorn.server_state.connections
        wait_for(lambda: connections, "the connection")
        wait_for(lambda: not connections, "the end of the connection")
        assert server._answering.buffers.total == 0
        answer = received(connection)
        length = int(re.search(rb"content-length: (\d+)", answer).group(1))
        assert answer.startswith(b"HTTP/1.1 200")
        assert len(answer) < length


def test_a_request_whose_client_has_gone_is_not_computed(strict):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(post(strict, SLOW)))
    asking.start()
    desk = strict._answering.desk
    wait_for(lambda: desk.taken == 1, "the first request")
    body = json.dumps(SLOW).encode()
    head = HEAD.replace(b"films", b"wishes") + b"content-length: %d\r\n\r\n" % len(body)
    gone = connect(strict, head + body)
    wait_for(lambda: desk.taken == 2, "the second request")
    gone.close()
    wait_for(lambda: desk.taken == 1, "the second request to leave the queue")
    assert not answers  # the first still runs
    asking.join()
    assert answers == [(200, {"outputs": [STEPS]})]


def test_a_busy_server_says_so_and_recovers(strict):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(strict, SLOW))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    wait_for_requests(strict.url, 2)  # one runs, one waits, two more are too many
    busy = {"error": "The server is busy: 2 requests wait or run. Try again later."}
    assert [post(strict, SLOW) for _ in range(2)] == [(503, busy)] * 2
    for thread in threads:
        thread.join()
    assert answers == [(200, {"outputs": [STEPS]})] * 2
    with Client(strict.url, "films") as client:
        assert [one.item_id for one in client.recommend("ann")] == ["b", "c", "d"]


def test_a_busy_server_says_so_over_grpc(strict):
    with grpc.insecure_channel(strict.grpc_address) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        request = predict_pb2.PredictRequest()
        request.model_spec.name = "wishes"
        request.model_spec.signature_name = "slow"
        steps = request.inputs["steps"]
        steps.dtype, steps.int_val[:] = 3, [STEPS]
        steps.tensor_shape.dim.add(size=1)
        calls = [call.future(request.SerializeToString(), timeout=30) for _ in range(4)]
        codes = sorted(one.code().name for one in calls)
    assert codes == ["OK", "OK", "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"]


def test_a_request_in_flight_is_answered_before_the_server_stops(served_folder):
    server = LocalServer(served_folder, port=0, grpc_port=0).start()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(post(server, SLOW)))
    asking.start()
    wait_for_requests(server.url, 1)
    assert not answers
    server.stop()
    asking.join()
    assert answers == [(200, {"outputs": [STEPS]})]
    with pytest.raises(ServerUnavailable), Client(server.url, "films", timeout=0.5) as client:
        client.status()


def test_an_answer_that_takes_too_long_is_given_up(served_folder):
    limits = Limits(answer_seconds=0.2)
    with LocalServer(served_folder, port=0, grpc_port=None, limits=limits) as server:
        assert post(server, SLOW) == (504, {"error": "The request was not answered within 0.2 s."})


def test_a_port_that_is_taken_is_told(served_folder, strict):
    with pytest.raises(OSError, match=r"`port` must be free on 127.0.0.1. Received: \d+: Address"):
        LocalServer(served_folder, port=strict.port, grpc_port=0).start()
    with pytest.raises(OSError, match=r"`grpc_port` must be free on 127.0.0.1. Received: \d+"):
        LocalServer(served_folder, port=0, grpc_port=strict.grpc_port).start()


def test_limits_are_checked():
    with pytest.raises(ValueError, match=r"`max_batch` must be positive. Received: 0\."):
        Limits(max_batch=0)


def test_a_desk_counts_who_waits_and_who_runs():
    desk, go = Desk(workers=1, max_waiting=1), threading.Event()
    futures = [desk.submit(go.wait) for _ in range(2)]
    with pytest.raises(ServingError, match="busy: 2 requests wait or run"):
        desk.submit(go.wait)
    go.set()
    assert [one.result(10) for one in futures] == [True, True]
    assert desk.submit(lambda: 3).result(10) == 3
    desk.close()


def test_what_a_graph_says_is_told_without_its_traces():
    text = (
        "Graph execution error:\n\nDetected at node x defined at (most recent call last):\n"
        "<stack traces unavailable>\nshape mismatch\n\t [[{{node x}}]] [Op:__inference_f_12]"
    )
    assert graph_message(text) == "shape mismatch"
