"""`tfrec-zoo serve`: what it says, and that it ends as asked."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading

import command_line
import httpx2
import pytest
from waiting import wait_for, wait_for_requests

from tfrec_fusion.serving.client import Client


def refusal(*arguments):
    return command_line.run("serve", *arguments, code=2).stderr.strip().removeprefix("Error: ")


def test_what_cannot_be_served_is_one_line(tmp_path, served_folder, local_server):
    free = ("--port", 0, "--grpc-port", 0)
    assert refusal(tmp_path / "none", *free).endswith(f"{tmp_path}/none, which is none.")
    nothing = refusal(tmp_path, *free)
    assert nothing.startswith(f"{tmp_path} holds no exported version: a folder such as")
    version = refusal(served_folder / "films" / "1", *free)
    assert version.endswith("films/1, which is a version itself: give the folder above it.")
    taken = refusal(served_folder, "--port", local_server.port, "--grpc-port", 0)
    assert taken.startswith(f"--port must be free on 127.0.0.1. Received: {local_server.port}: ")
    taken = refusal(served_folder, "--port", 0, "--grpc-port", local_server.grpc_port)
    assert taken.startswith("--grpc-port must be free on 127.0.0.1. Received: ")
    assert refusal(served_folder, *free, "--max-batch", 0) == (
        "--max-batch must be positive. Received: 0."
    )
    assert refusal(served_folder, *free, "--allow-host", "http://a.example").endswith(
        "must be a name without scheme and port, such as models.example.com or *.example.com. "
        "Received: 'http://a.example'."
    )
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "saved_model.pb").write_bytes(b"no SavedModel")
    broken = refusal(tmp_path, *free)
    assert broken.startswith("No version could be loaded. ")
    assert all("\n" not in line for line in (nothing, version, taken, broken))


def test_it_says_where_it_listens_and_ends_when_asked(served_folder):
    command = [
        sys.executable,
        "-m",
        "tfrec_fusion.zoo",
        "serve",
        str(served_folder),
        "--port",
        "0",
        "--json",
    ]
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = subprocess.Popen(
        [*command, "--grpc-port", "0", "--allow-host", "models.example.com"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, most_files)),
    )
    told = json.loads(process.stdout.readline())
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (most_files, most_files)
    for name, status in (("models.example.com", 200), ("example.com", 403)):
        found = httpx2.get(f"{told['rest']}/v1/models/films", headers={"host": name})
        assert found.status_code == status
    assert told["models"] == {"films": [1], "wishes": [1]}
    answers = []

    def ask_slowly():
        with Client(told["rest"], "wishes", timeout=30) as client:
            answers.append(client.predict({"steps": [300_000]}, "slow")["steps"].tolist())

    with Client(f"grpc://{told['grpc']}", "films") as client:
        assert client.score("ann", ["b"])[0].score == 4.0
    asking = threading.Thread(target=ask_slowly)
    asking.start()
    wait_for_requests(told["rest"], 1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    asking.join()
    assert answers == [[300_000]]  # it was in flight
    assert process.returncode == 0
    assert errors.strip().splitlines()[-1].startswith("Stopping: requests in flight")
    assert "Traceback" not in errors


@pytest.mark.slow
def test_it_can_wait_for_the_first_model(tmp_path, served_folder):
    command = [
        sys.executable,
        "-m",
        "tfrec_fusion.zoo",
        "serve",
        str(tmp_path),
        "--port",
        "0",
        "--no-grpc",
    ]
    process = subprocess.Popen([*command, "--wait"], stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().split()[-1]
    assert process.stdout.readline() == "No models yet: they are served as they are exported.\n"
    os.symlink(served_folder / "films", tmp_path / "films")
    with Client(url, "films") as client:

        def served():
            try:
                return client.status()[0].state == "AVAILABLE"
            except LookupError:  # not seen yet
                return False

        wait_for(served, "the first model")
        assert [one.item_id for one in client.recommend("ann")] == ["b", "c", "d"]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
