"""Calls that are opened and not finished, abandoned, or not read, over gRPC."""

from __future__ import annotations

import threading

import grpc
import pytest
from attacks import PREDICT, Raw, films_request, frame, message
from waiting import wait_for

from tfrec_fusion.serving.local.buffers import SMALL, Buffers
from tfrec_fusion.serving.local.desk import Desk
from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.limits import Limits
from tfrec_fusion.serving.local.server import LocalServer


@pytest.fixture(scope="module")
def strict(served_folder):
    limits = Limits(max_connections=4, max_waiting=2, workers=1, client_seconds=0.4)
    with LocalServer(served_folder, port=0, grpc_port=0, limits=limits) as server:
        yield server


@pytest.fixture
def methods(strict):
    """Predict as it is called, and as a client that may keep its message back."""
    with grpc.insecure_channel(strict.grpc_address) as channel:
        yield channel.unary_unary(PREDICT), channel.stream_unary(PREDICT)


def refusal(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def answers(predict):
    return b"Brazil" in predict(films_request(), timeout=20, wait_for_ready=True)


def test_a_call_without_its_message_is_ended(methods):
    predict, opened = methods
    never = threading.Event()

    def no_message():
        never.wait()
        yield b""

    late = "DEADLINE_EXCEEDED", "The message was not received within 0.4 s."
    assert refusal(lambda: opened(no_message(), timeout=20)) == late
    never.set()
    none = "INVALID_ARGUMENT", "The call had no message."
    assert refusal(lambda: opened(iter(()), timeout=20)) == none
    assert answers(predict)


def test_half_a_message_is_ended(strict, methods):
    half = message(films_request())[:20]
    connection = Raw(strict.grpc_port, http2=True)
    connection.open_call(half)
    assert b"not received within 0.4 s" in connection.until(b"0.4 s")
    connection.close()
    assert answers(methods[0])


def test_the_oldest_of_too_many_open_calls_is_ended(served_folder):
    limits = Limits(max_connections=2, client_seconds=60)
    with LocalServer(served_folder, port=0, grpc_port=0, limits=limits) as server:
        connection = Raw(server.grpc_port, http2=True)
        for _ in range(3):
            connection.open_call()
        text = connection.until(b"too many calls")
        assert text.count(b"The server has too many calls. Try again later.") == 1
        connection.close()


def test_the_oldest_of_too_many_connections_is_closed(served_folder):
    limits = Limits(max_connections=2, client_seconds=60)
    with LocalServer(served_folder, port=0, grpc_port=0, limits=limits) as server:
        opened = [Raw(server.grpc_port, http2=True) for _ in range(2)]
        with grpc.insecure_channel(server.grpc_address) as channel:
            assert answers(channel.unary_unary(PREDICT))
            assert opened[0].closed(20)
            third = Raw(server.grpc_port, http2=True)
            assert opened[1].closed(20)  # the channel's has answered since
            assert answers(channel.unary_unary(PREDICT))
        third.close()


@pytest.mark.parametrize("start", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n"])
def test_a_connection_that_speaks_no_http2_is_closed(strict, start):
    connection = Raw(strict.grpc_port)
    connection.send(start)
    assert connection.closed(20)


def test_a_client_that_reads_no_answer_is_disconnected(strict, methods):
    connection = Raw(strict.grpc_port, http2=True)
    no_window = frame(4, 0, 0, b"\0\4" + bytes(4))
    connection.send(no_window)
    connection.open_call(message(films_request()), end=True)
    assert connection.closed(20)
    assert answers(methods[0])


def test_calls_come_through_the_door(strict):
    inner = strict._grpc.door.port
    with grpc.insecure_channel(f"127.0.0.1:{inner}") as channel:
        predict = channel.unary_unary(PREDICT)
        refused = refusal(lambda: predict(films_request(), timeout=20))
    assert refused == ("PERMISSION_DENIED", "Calls come through the server's own port.")


def test_what_nobody_waits_for_is_not_computed():
    desk, go, done = Desk(workers=1, max_waiting=2), threading.Event(), []
    running = desk.submit(go.wait)
    wait_for(running.running, "the first request runs")
    abandoned = desk.submit(lambda: done.append("abandoned"))
    assert abandoned.cancel()
    assert desk.taken == 1
    last = desk.submit(lambda: done.append("last"))
    go.set()
    last.result(10)
    assert done == ["last"]
    desk.close()


def test_small_requests_go_before_large_ones():
    desk, go, order = Desk(workers=1, max_waiting=9), threading.Event(), []
    running = desk.submit(go.wait)
    wait_for(running.running, "the first request runs")
    sizes = [9 * SMALL, 3, 2 * SMALL, 1]
    futures = [desk.submit(lambda size=size: order.append(size), size) for size in sizes]
    go.set()
    for future in futures:
        future.result(10)
    assert order == [1, 3, 2 * SMALL, 9 * SMALL]
    desk.close()


def test_large_requests_leave_a_thread_to_small_ones():
    desk, go = Desk(workers=2, max_waiting=9), threading.Event()
    large = [desk.submit(go.wait, 2 * SMALL) for _ in range(3)]
    assert desk.submit(lambda: "small", 1).result(10) == "small"
    go.set()
    assert [one.result(10) for one in large] == [True] * 3
    desk.close()


def test_the_largest_is_dropped_when_too_much_is_kept():
    dropped = []
    buffers = Buffers(10 * SMALL)
    large = buffers.hold(lambda: dropped.append("large"))
    waiting = buffers.hold()
    newcomer = buffers.hold(lambda: dropped.append("newcomer"))
    large.add(5 * SMALL)
    waiting.add(4 * SMALL)
    newcomer.add(2 * SMALL)
    assert (dropped, buffers.total) == (["large"], 6 * SMALL)
    with pytest.raises(ServingError, match="too many large requests"):
        large.add(1)
    with pytest.raises(ServingError, match="too many large requests"):
        newcomer.add(5 * SMALL)  # it is the largest now, and what waits is kept
    assert buffers.total == 4 * SMALL
    small = buffers.hold()
    small.add(SMALL)
    waiting.release()
    small.release()
    assert (dropped, buffers.total) == (["large"], 0)
