"""Attacks against `zoo serve`: other clients are answered within 2 s, and memory is kept.

Each kind has a fast attack in the default run; the large ones run with
`pytest -m slow tests/serving/test_server_attacks.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time

import grpc
import pytest
from attacks import (
    DATA,
    PING,
    PREDICT,
    RST,
    SETTINGS,
    Raw,
    attacked_server,
    films_request,
    frame,
    message,
)
from tensorflow_serving.apis import predict_pb2

MIB = 2**20
NO_WINDOW = frame(SETTINGS, 0, 0, b"\0\4" + bytes(4))
GET = b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n"
POST = b"POST /v1/models/films:predict HTTP/1.1\r\nhost: 127.0.0.1\r\n"
LENGTH = b"content-length: 1000\r\n\r\n"
STARTS = {
    "nothing": b"",
    "half of the headers": GET % b"/",
    "GET": GET % b"/" + LENGTH,
    "metrics": GET % b"/monitoring/prometheus/metrics" + LENGTH,
    "lost": b"PUT /x HTTP/1.1\r\nhost: 127.0.0.1\r\n" + LENGTH,
    "chunks": GET % b"/v1/models/films" + b"transfer-encoding: chunked\r\n\r\n5\r\n",
    "continue": POST + b"expect: 100-continue\r\n" + LENGTH,
    "POST": POST + LENGTH + b"{",
}


@pytest.fixture(scope="module")
def server(served_folder, tmp_path_factory):
    log = tmp_path_factory.mktemp("attacked") / "log.txt"
    with attacked_server(served_folder, log=log) as server:
        yield server


@contextlib.contextmanager
def many(number, make):
    """So many connections that are open at once."""
    opened = []
    try:
        for index in range(number):
            with contextlib.suppress(OSError):  # refused, or ended while it speaks
                opened.append(make(index))
        yield opened
    finally:
        for one in opened:
            one.close()


def drip_requests(starts, number, seconds, piece=b"x"):
    """Connections that start requests and send a byte each, again and again."""
    kinds = itertools.cycle(starts)

    def attack(server):
        def make(_):
            connection = Raw(server.rest)
            connection.send(next(kinds))
            return connection

        with many(number, make) as opened:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for one in opened:
                    one.try_to_send(piece)
                time.sleep(0.2)

    return attack


def half_open(connections, calls, seconds, body=b""):
    """Calls that are opened and do not send the ends of their messages."""

    def attack(server):
        def make(_):
            connection = Raw(server.grpc, http2=True)
            for _ in range(calls):
                connection.open_call(body)
            return connection

        with many(connections, make):
            time.sleep(seconds)

    return attack


def idle(connections, seconds, http2):
    """Connections to gRPC that do nothing, before or after the handshake."""

    def attack(server):
        with many(connections, lambda _: Raw(server.grpc, http2)):
            time.sleep(seconds)

    return attack


def reset_flood(seconds):
    """Calls that are opened and reset at once, and pings, as fast as they are taken."""

    def attack(server):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(OSError), contextlib.closing(Raw(server.grpc, True)) as one:
                for _ in range(200):
                    one.send(frame(RST, 0, one.open_call(), (8).to_bytes(4, "big")))
                    one.send(frame(PING, 0, 0, bytes(8)) * 20)

    return attack


def unread_answers(connections, calls, seconds, window=NO_WINDOW):
    """Whole requests, over both fronts, whose answers are not read."""
    pipelined = GET % b"/openapi.json" + b"\r\n"

    def attack(server):
        def make(index):
            if index % 2:
                connection = Raw(server.rest, timeout=0.5)
                connection.try_to_send(pipelined * calls)
                return connection
            connection = Raw(server.grpc, True, timeout=0.5)
            connection.send(window)
            with contextlib.suppress(OSError):
                for _ in range(calls):
                    connection.open_call(message(films_request()), end=True)
            return connection

        with many(connections, make):
            time.sleep(seconds)

    return attack


def abandoned(connections):
    """Requests, halves of them and nonsense, whose clients leave in the middle."""
    parts = [
        POST + b'content-length: 21\r\n\r\n{"instances": ["ann"]}',
        POST + LENGTH + b"{",
        GET % b"/",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        GET % b"/" + LENGTH + GET % b"/",
    ]
    whole = message(films_request())

    def attack(server):
        for index in range(connections):
            with contextlib.suppress(OSError), contextlib.closing(Raw(server.rest)) as one:
                one.send(parts[index % len(parts)])
            with contextlib.suppress(OSError), contextlib.closing(Raw(server.grpc, True)) as one:
                one.open_call(whole[: index % (len(whole) + 1)], end=bool(index % 2))
                one.send(frame(DATA, 0, 99, b"x") if index % 3 == 0 else b"")

    return attack


def large_messages(clients, calls, mib, seconds):
    """Clients of gRPC that send messages of many MiB, several at the same time."""
    body = large_request(mib)

    def attack(server):
        options = [("grpc.use_local_subchannel_pool", 1)]
        with contextlib.ExitStack() as channels:
            pending = []
            for _ in range(clients):
                channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc}", options)
                predict = channels.enter_context(channel).unary_unary(PREDICT)
                pending += [predict.future(body) for _ in range(calls)]
            time.sleep(seconds)
            for one in pending:
                one.cancel()

    return attack


def large_request(mib):
    """A request of one user with a name of many MiB."""
    request = predict_pb2.PredictRequest()
    request.ParseFromString(films_request())
    request.inputs["user_id"].string_val[0] = b"x" * (mib * MIB)
    return request.SerializeToString()


def large_bodies(connections, mib, whole, seconds):
    """Bodies of many MiB over REST, whole or but for their last byte."""
    body = b'{"instances": ["%s"]}' % (b"x" * (mib * MIB))
    head = POST + b"content-length: %d\r\n\r\n" % (len(body) + (not whole))

    def attack(server):
        with many(connections, lambda _: Raw(server.rest, timeout=1.0)) as opened:
            for one in opened:
                one.try_to_send(head + body)
            time.sleep(seconds)

    return attack


FAST = {
    "two half-open calls": half_open(1, 2, 2.0),
    "half-open calls and half messages": half_open(40, 10, 2.0, message(films_request())[:20]),
    "connections without a request": idle(200, 1.0, http2=False),
    "dripped requests": drip_requests(STARTS.values(), 400, 2.0),
    "unread answers": unread_answers(8, 50, 1.5),
    "clients that leave": abandoned(100),
    "a flood of resets": reset_flood(1.0),
}


@pytest.mark.parametrize("name", FAST)
def test_other_clients_are_answered_during(server, name):
    server.suffer(FAST[name]).check()


SLOW = {
    "5,000 half-open calls": half_open(100, 50, 5.0),
    "5,000 half messages": half_open(100, 50, 5.0, message(films_request())[:20]),
    "3,000 connections to gRPC": idle(3000, 5.0, http2=False),
    "3,000 connections of HTTP/2": idle(3000, 5.0, http2=True),
    "unread answers": unread_answers(100, 100, 25.0),
    "2,000 clients that leave": abandoned(2000),
    "a flood of resets": reset_flood(10.0),
    "large messages": large_messages(4, 30, 15, 8.0),
    "large bodies": large_bodies(100, 15, True, 5.0),
    "large bodies without their ends": large_bodies(100, 15, False, 5.0),
    **{f"1,100 times {name}": drip_requests([start], 1100, 25.0) for name, start in STARTS.items()},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_other_clients_are_answered_during_a_large_attack(server, name):
    server.suffer(SLOW[name]).check()


@pytest.mark.slow
def test_every_attack_at_once(server):
    attacks = [FAST[name] for name in FAST]

    def attack(attacked):
        threads = [threading.Thread(target=one, args=(attacked,)) for one in attacks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    server.suffer(attack).check()
