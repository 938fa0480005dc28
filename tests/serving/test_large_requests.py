"""The largest requests that are allowed, of the exported models: others are answered meanwhile.

Runs with `pytest -m slow tests/serving/test_large_requests.py`, some minutes.
"""

from __future__ import annotations

import json
import shutil
import threading
import time

import grpc
import httpx2
import pytest
import tensorflow as tf
from attacks import PREDICT, attacked_server
from checkout import ROOT
from tensorflow_serving.apis import predict_pb2

from tfrec_fusion.serving.local.signatures import read_signature_defs
from tfrec_fusion.zoo.prebuilt.load import load

SAVEDMODELS = ROOT / "savedmodels"
MODELS = sorted(path.name for path in SAVEDMODELS.iterdir() if path.is_dir())
ROWS, LONG_ROWS, LONGEST = 256, 64, 10_000
SECONDS, WORKERS = 8.0, 4
SERVER_MIB = 4096


@pytest.fixture(scope="module")
def server(served_folder, tmp_path_factory):
    """All exported models, and the small ones that the other client asks."""
    folder = tmp_path_factory.mktemp("large")
    for name in MODELS:
        shutil.copytree(SAVEDMODELS / name, folder / name)
    shutil.copytree(served_folder / "films", folder / "films")
    with attacked_server(folder, log=folder / "log.txt") as running:
        yield running


def questions(name):
    """The largest inputs of each signature that the model has."""
    run = load(name).run
    users = [str(one) for one in run.users.ids[1 : ROWS + 1]]
    items = [str(one) for one in run.items.ids[1:]]
    long = [(items * 2)[row : row + LONGEST] for row in range(LONG_ROWS)]
    found = {
        "recommend": {"user_id": users},
        "recommend_filtered": {
            "user_id": users[:LONG_ROWS],
            "exclude_item_ids": [row[: LONGEST // 2] for row in long],
            "allow_item_ids": [row[LONGEST // 2 :] for row in long],
        },
        "similar_items": {"item_id": items[:ROWS]},
    }
    if "recommend_from_history" in read_signature_defs(SAVEDMODELS / name / "1"):
        found["recommend_from_history"] = {"item_ids": long}
    return found


def rest_body(signature, inputs):
    return json.dumps({"signature_name": signature, "inputs": inputs}).encode()


def grpc_message(name, signature, inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return request.SerializeToString()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_other_clients_are_answered_during_the_largest_requests(name, server):
    asked = questions(name)
    bodies = [rest_body(*one) for one in asked.items()]
    messages = [grpc_message(name, *one) for one in asked.items()]
    statuses = []

    def over_rest(until, at):
        with httpx2.Client(timeout=60) as client:
            url = f"http://127.0.0.1:{server.rest}/v1/models/{name}:predict"
            while time.monotonic() < until:
                statuses.append(client.post(url, content=bodies[at % len(bodies)]).status_code)
                at += 1

    def over_grpc(until, at):
        options = [("grpc.max_receive_message_length", -1)]
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc}", options) as channel:
            call = channel.unary_unary(PREDICT)
            while time.monotonic() < until:
                try:
                    call(messages[at % len(messages)], timeout=60)
                    statuses.append("OK")
                except grpc.RpcError as error:
                    statuses.append(error.code().name)
                at += 1

    def attack(_):
        until = time.monotonic() + SECONDS
        work = [over_rest, over_grpc] * (WORKERS // 2)
        threads = [threading.Thread(target=one, args=(until, at)) for at, one in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    outcome = server.suffer(attack)
    outcome.check()
    assert {200, "OK"} <= set(statuses)  # they are answered, not refused
    assert server.memory_mib("VmHWM") < SERVER_MIB
