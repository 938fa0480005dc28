"""Thousands of requests that nobody should send: no crash, no 5xx but overload, every error told.

A few hundred in the default run; all with `pytest -m slow tests/serving/test_server_abuse.py -s`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx2
import pytest
from abuse import Abuse

from tfrec_fusion.serving.client import Client


def abused(rest_url, grpc_address, number):
    paths = httpx2.get(f"{rest_url}/openapi.json").json()["paths"]
    abuse = Abuse(httpx2.URL(rest_url).port, grpc_address, paths)
    abuse.send(number)
    abuse.channel.close()
    for address in (rest_url, f"grpc://{grpc_address}"):
        with Client(address, "films", timeout=60) as client:
            assert [one.item_id for one in client.recommend("ann")] == ["b", "c", "d"]
    return abuse


def test_some_hundred_abusive_requests(local_server):
    abuse = abused(local_server.url, local_server.grpc_address, 400)
    assert not abuse.wrong
    assert sum(abuse.answers.values()) == 400
    assert {"200", "400", "403", "404", "OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(abuse.answers)


@pytest.mark.slow
def test_ten_thousand_abusive_requests(served_folder, capsys):
    command = [sys.executable, "-m", "tfrec_fusion.zoo", "serve", str(served_folder), "--json"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = json.loads(process.stdout.readline())
    try:
        abuse = abused(told["rest"], told["grpc"], 10_000)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    with capsys.disabled():
        print("\n10,000 abusive requests:", dict(sorted(abuse.answers.items())))
    assert not abuse.wrong
    assert process.returncode == 0
    assert "Traceback" not in log
