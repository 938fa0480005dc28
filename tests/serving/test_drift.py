"""Unknown users and items are counted, by hand, over REST and gRPC."""

from __future__ import annotations

import re

import grpc
import httpx2
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfrec_fusion.serving.local.drift import drift_counts, told_by
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.serving.local.signatures import Signature, TensorSpec

_SAMPLE = re.compile(r'tfrec_fusion_(\w+)_total\{model_name="(\w+)",signature="(\w+)"\} (\S+)')


@pytest.fixture
def server(served_folder):
    """One of its own: its counters begin at 0."""
    with LocalServer(served_folder, port=0, grpc_port=0) as server:
        yield server


def counted(server, model, signature):
    text = httpx2.get(f"{server.url}/monitoring/prometheus/metrics").text
    return {
        name: float(value)
        for name, of, by, value in _SAMPLE.findall(text)
        if (of, by) == (model, signature)
    }


def ask(server, model, signature, inputs, transport, wanted=()):
    if transport == "REST":
        body = {"signature_name": signature, "inputs": inputs}
        answer = httpx2.post(f"{server.url}/v1/models/{model}:predict", json=body)
        assert answer.status_code == 200
        return set(answer.json()["outputs"])
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    request.output_filter.extend(wanted)
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
    with grpc.insecure_channel(server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return set(stub.Predict(request, 30).outputs)


ASKED = [  # model, signature, inputs, counts
    (
        "films",  # ann and bob are known; the empty id names nobody
        "recommend",
        {"user_id": ["ann", "nobody", "", "bob", "else"]},
        {"users_asked": 4, "unknown_users": 2},
    ),
    (
        "films",  # what is excluded and allowed counts as items; "" is padding
        "recommend_filtered",
        {
            "user_id": ["ann", "nobody"],
            "exclude_item_ids": [["a", "zzz"], ["", ""]],
            "allow_item_ids": [[""], ["yyy"]],
        },
        # nobody is allowed nothing that is known: no answer tells whether the user is
        {"users_asked": 1, "unknown_users": 0, "items_asked": 3, "unknown_items": 2},
    ),
    (
        "films",
        "score",
        {"user_id": ["ann", "nobody", "ann"], "item_id": ["a", "b", "zzz"]},
        {"users_asked": 2, "unknown_users": 1, "items_asked": 3, "unknown_items": 1},
    ),
    (
        "films",
        "similar_items",
        {"item_id": ["a", "zzz", ""]},
        {"items_asked": 2, "unknown_items": 1},
    ),
    (
        "wishes",  # known, partly known, empty, unknown: an empty history is not an unknown one
        "recommend_from_history",
        {"item_ids": [["a", "b"], ["zzz", "c"], ["", ""], ["yyy", "zzz"]]},
        {
            **{"histories_asked": 4, "empty_histories": 1, "unknown_histories": 1},
            **{"items_asked": 6, "unknown_items": 3},
        },
    ),
    (
        "wishes",
        "score_text",
        {"user_id": ["x", "y"], "text": ["robots", "robots"]},
        {"users_asked": 2, "unknown_users": 1},
    ),
    ("wishes", "search", {"query": ["robots"]}, {}),
    ("wishes", "echo", {"text": ["robots"]}, {}),
]


@pytest.mark.parametrize("transport", ["REST", "GRPC"])
def test_each_signature_counts_what_its_requests_name(transport, server):
    for model, signature, inputs, expected in ASKED:
        ask(server, model, signature, inputs, transport)
        assert counted(server, model, signature) == expected, signature
    ask(server, "films", "recommend", {"user_id": ["else", "ann"]}, transport)
    assert counted(server, "films", "recommend") == {"users_asked": 6, "unknown_users": 3}
    text = httpx2.get(f"{server.url}/monitoring/prometheus/metrics").text
    assert not {"nobody", "else", "zzz", "yyy"} & set(re.findall(r"\w+", text))


def test_an_output_that_is_not_wanted_is_counted_by_all_the_same(server):
    inputs = {"user_id": ["ann", "nobody"]}
    assert ask(server, "films", "recommend", inputs, "GRPC", ["score"]) == {"score"}
    assert counted(server, "films", "recommend") == {"users_asked": 2, "unknown_users": 1}
    history = {"item_ids": [["a", "zzz"]]}
    wanted = ["item_id", "source"]
    assert ask(server, "wishes", "recommend_from_history", history, "GRPC", wanted) == set(wanted)
    assert counted(server, "wishes", "recommend_from_history")["unknown_items"] == 1


def test_what_is_refused_is_not_counted(server):
    body = {"signature_name": "recommend", "inputs": {"user_id": [["ann"]]}}
    assert httpx2.post(f"{server.url}/v1/models/films:predict", json=body).status_code == 400
    assert counted(server, "films", "recommend") == {}


def test_signatures_of_other_models_are_not_counted_by():
    text, number = tf.string, tf.int64
    given = {
        "user_id": TensorSpec("user_id", number, (None,)),
        "item_ids": TensorSpec("item_ids", text, (None,)),
        "item_id": TensorSpec("item_id", text, None),
        "query": TensorSpec("query", text, (None,)),
    }
    answered = {
        "source": TensorSpec("source", number, (None, 2)),
        "unknown_item_ids": TensorSpec("unknown_item_ids", text, (None,)),
        "user_id": TensorSpec("user_id", text, (None,)),
    }
    assert told_by(Signature("odd", given, answered, {}, "")) == (set(), set())
    three, two = np.array([b"a"] * 3, object), np.array([b"model"] * 2, object)
    assert drift_counts({"user_id": three}, {"source": two}) == {}
    nothing = np.zeros((0, 3), object)
    assert drift_counts({"user_id": three[:0]}, {"source": nothing}) == {
        "users_asked": 0,
        "unknown_users": 0,
    }
