"""Requests under names that are not the server's, and from pages that are not its own."""

from __future__ import annotations

import json
import socket

import pytest
from raw_requests import received

from tfrec_fusion.serving.local.hosts import HEADERS, Hosts
from tfrec_fusion.serving.local.server import LocalServer


@pytest.fixture(scope="module")
def allowing(served_folder):
    names = ["models.example.com", "*.proxy.example.org"]
    with LocalServer(served_folder, port=0, grpc_port=None, allow_hosts=names) as server:
        yield server


def ask(server, *headers, target="/v1/models/films", method="GET"):
    """Status, headers, and error of an answer."""
    lines = [f"{method} {target} HTTP/1.1", *headers, "connection: close", "", ""]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        head, _, body = received(connection).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), found, json.loads(body).get("error") if body else None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8501",
        "localhost:9000",
        "LOCALHOST",
        "localhost.",
        "[::1]:1",
        "[0:0:0:0:0:0:0:1]",
        "models.example.com",
        "Models.Example.COM:443",
        "a.proxy.example.org",
        "a.b.proxy.example.org",
    ],
)
def test_the_servers_names_are_answered(allowing, host):
    assert ask(allowing, f"host: {host}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "notmodels.example.com",
        "proxy.example.org",
        "evilproxy.example.org",
        "10.0.0.1",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::]",
        "[::ffff:7f00:1]",
    ],
)
@pytest.mark.parametrize("target", ["/", "/v1/models/films", "/none", "/v1/models/films/"])
def test_other_names_are_refused(allowing, host, target):
    status, headers, error = ask(allowing, f"host: {host}", target=target)
    assert status == 403
    assert error.startswith("The server does not answer to this Host. Received: ")
    assert "--allow-host " in error
    assert "location" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        ("host: ",),
        ("host: localhost:",),
        ("host: localhost:0",),
        ("host: localhost:99999",),
        ("host: localhost:80:80",),
        ("host: localhost@evil.example",),
        ("host: evil.example/localhost",),
        ("host: evil.example, localhost",),
        ("host: ::1",),
        ("host: [::1",),
        ("host: [localhost]",),
        ("host: l\u00f6calhost",),
        ("host: localhost evil",),
        ("host: localhost", "host: localhost"),
        ("host: localhost", "host: evil.example"),
        (),
    ],
)
def test_what_is_no_host_is_refused(allowing, headers):
    assert ask(allowing, *headers)[0] == 400


def test_an_old_request_without_a_host_is_refused(allowing):
    with socket.create_connection(("127.0.0.1", allowing.port), timeout=10) as connection:
        connection.sendall(b"GET /v1/models/films HTTP/1.0\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("target", ["http://evil.example/", "http://localhost/", "*", "x"])
def test_a_target_is_a_path(allowing, target):
    status, _, error = ask(allowing, "host: localhost", target=target, method="OPTIONS")
    assert status == 400
    assert error == "The request's target must be a path, such as /v1/models/NAME."


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:{port}", 200),
        ("http://LOCALHOST:{port}", 200),
        ("https://models.example.com", 200),
        ("https://x.proxy.example.org:8443", 200),
        ("http://evil.example", 403),
        ("http://localhost", 403),  # another program's page
        ("http://localhost:3000", 403),
        ("http://127.0.0.1:{port}", 403),  # it is asked as localhost
        ("null", 403),
        ("file://", 403),
        ("", 403),
        ("ftp://localhost:{port}", 403),
        ("http://localhost:{port}/x", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_others_are_refused(allowing, origin, status, method):
    origin = origin.format(port=allowing.port)
    host = f"host: localhost:{allowing.port}"
    found, headers, error = ask(allowing, host, f"origin: {origin}", method=method)
    if status == 403:
        assert found == 403
        assert error.startswith("The server does not answer to this Origin. Received: ")
        assert "--allow-host" in error
    else:
        assert found in (200, 400, 404, 405)
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "target", ["/", "/v1/models/films", "/v1/models/none", "/none", "/openapi.json", "//", "/%0d"]
)
def test_every_answer_has_the_headers_that_browsers_heed(allowing, target):
    _, headers, _ = ask(allowing, "host: localhost", target=target, method="HEAD")
    for name, value in HEADERS.items():
        if name != "content-security-policy":
            assert headers[name] == value
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def test_a_slash_too_many_is_no_redirect(allowing):
    status, headers, _ = ask(allowing, "host: localhost", target="/v1/models/films/metadata/")
    assert status == 400
    assert "location" not in headers


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_on_all_addresses_every_address_is_accepted_and_no_name(bound):
    hosts = Hosts(bound)
    accepted = ["10.0.0.1", "fe80::1", "127.0.0.1", "localhost", "evil.example", "server"]
    assert [hosts.accepts(one) for one in accepted] == [True] * 4 + [False] * 2


def test_a_bound_name_is_accepted_with_its_addresses():
    hosts = Hosts("Models.local")
    asked = ["models.local", "10.0.0.1", "evil.example"]
    assert [hosts.accepts(one) for one in asked] == [True, True, False]


@pytest.mark.parametrize("name", ["", "*", "*.", "http://a.example", "a.example:80", "a b", "a.*"])
def test_an_allowed_name_must_be_one(name):
    with pytest.raises(ValueError, match="must be a name without scheme and port, such as"):
        Hosts("127.0.0.1", [name])
