"""The local server over gRPC: the stock server's protocol buffers, codes and words."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


@pytest.fixture(scope="module")
def channel(local_server):
    with grpc.insecure_channel(local_server.grpc_address) as channel:
        yield channel


@pytest.fixture(scope="module")
def predictions(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request(signature="", model="films", **inputs):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = model
    made.model_spec.signature_name = signature
    for name, value in inputs.items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return made


def refusal(call, message):
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=20)
    return caught.value.code().name, caught.value.details()


def test_an_input_with_a_default_may_be_left_out(predictions):
    answer = predictions.Predict(request("ended", "wishes", text=["a"]))
    assert tf.make_ndarray(answer.outputs["text"]).tolist() == [b"a!"]
    given = predictions.Predict(request("ended", "wishes", text=["a", "b"], end=["?", ""]))
    assert tf.make_ndarray(given.outputs["text"]).tolist() == [b"a?", b"b"]
    assert refusal(predictions.Predict, request("ended", "wishes", text=["a", "b"])) == (
        "INVALID_ARGUMENT",
        "All inputs of a request must have the same number of rows. Received: end 1, text 2.",
    )


def test_a_user_alone_is_a_whole_request(predictions):
    response = predictions.Predict(request(user_id=["ann"]))
    assert response.model_spec.name == "films"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs["item_id"].string_val) == [b"b", b"c", b"d"]
    assert list(response.outputs["score"].float_val) == [4.0, 3.0, 2.0]  # where other clients look
    assert tf.make_ndarray(response.outputs["title"]).tolist() == [
        [b"Brazil", b"Casino", "Élisa".encode()]
    ]
    assert list(response.outputs["source"].string_val) == [b"model"] * 3


def test_outputs_can_be_chosen(predictions):
    asked = request(user_id=["ann"])
    asked.output_filter.append("score")
    assert list(predictions.Predict(asked).outputs) == ["score"]
    asked.output_filter.append("score")
    assert refusal(predictions.Predict, asked)[0] == "INVALID_ARGUMENT"
    del asked.output_filter[:]
    asked.output_filter.append("x")
    assert refusal(predictions.Predict, asked) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: x Outputs expected to be in the set "
        "{item_id,score,source,title}.",
    )


def test_numbers_keep_their_types(predictions):
    x, n = np.array([[1, 2]], np.float32), np.array([2**31 - 2], np.int32)
    asked = request("numbers", "wishes", x=x, n=n, yes=[True])
    outputs = {k: tf.make_ndarray(v) for k, v in predictions.Predict(asked).outputs.items()}
    assert {k: (v.tolist(), v.dtype.name) for k, v in outputs.items()} == {
        "sum": ([3.0], "float32"),
        "next": ([2**31 - 1], "int32"),
        "no": ([False], "bool"),
    }


def claimed(shape, texts=(b"ann",)):
    """A request whose `user_id` claims a shape."""
    asked = request()
    proto = asked.inputs["user_id"]
    proto.dtype = tf.string.as_datatype_enum
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    proto.string_val.extend(texts)
    return asked


def unknown_rank():
    asked = claimed([])
    asked.inputs["user_id"].tensor_shape.unknown_rank = True
    return asked


def label(name):
    asked = request(user_id=["ann"])
    asked.model_spec.version_label = name
    return asked


def version(number):
    asked = request(user_id=["ann"])
    asked.model_spec.version.value = number
    return asked


@pytest.mark.parametrize(
    ("asked", "code", "match"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (request(model="no", user_id=[""]), "NOT_FOUND", r"not found for request: Latest\(no\)"),
        (version(7), "NOT_FOUND", r"Specific\(films, 7\)"),
        (version(-1), "NOT_FOUND", r"Specific\(films, -1\)"),
        (label("x"), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        (request("x"), "FAILED_PRECONDITION", 'Serving signature key "x" not found'),
        (
            request("score", user_id=["ann"]),
            "INVALID_ARGUMENT",
            r"input size does not match signature: 1!=2 len\(\{user_id\}\) != "
            r"len\(\{item_id,user_id\}\). Sent extra: \{\}. Missing but required: \{item_id\}.",
        ),
        (request("ended", "wishes", end=["?"]), "INVALID_ARGUMENT", "alias: text not found"),
        (
            request("recommend_filtered", user_id=["ann"]),
            "INVALID_ARGUMENT",
            r"1!=3 .* Missing but required: \{allow_item_ids,exclude_item_ids\}",
        ),
        (
            request(
                "recommend_filtered",
                **{"user_id": ["a"] * 2, "exclude_item_ids": [["b"]], "allow_item_ids": [[""]] * 2},
            ),
            "INVALID_ARGUMENT",
            "same number of rows. Received: allow_item_ids 2, exclude_item_ids 1, user_id 2.",
        ),
        (
            request("score", user_id=["ann"], item_id=["a", "b"]),
            "INVALID_ARGUMENT",
            "same number of rows. Received: item_id 2, user_id 1.",
        ),
        (
            request("score", user_id=["a"], k=[1]),
            "INVALID_ARGUMENT",
            "contains invalid name.*k,user_id",
        ),
        (request(user_id=["a"], k=[1]), "INVALID_ARGUMENT", r"2!=1 .* Sent extra: \{k\}"),
        (
            request(user_id=[1]),
            "INVALID_ARGUMENT",
            "`user_id` must be of type string. Received: DT_INT32.",
        ),
        (request(user_id=[["a"]]), "INVALID_ARGUMENT", r"must have the shape \(any\)"),
        (request(user_id=["a"] * 257), "INVALID_ARGUMENT", "at most 256 rows"),
        (
            claimed([2**40]),
            "INVALID_ARGUMENT",
            r"at most 1,048,576 values.*: user_id \[1099511627776\]",
        ),
        (claimed([2**40, 2**40, 2**40]), "INVALID_ARGUMENT", "at most 1,048,576 values"),
        (claimed([1024, 4096]), "INVALID_ARGUMENT", r"Received: user_id \[1024, 4096\]"),
        (claimed([0, 2**40]), "INVALID_ARGUMENT", "at most 1,048,576 values"),
        (
            claimed([200], texts=[b"x", b"y" * 100_000]),
            "INVALID_ARGUMENT",
            r"at most 16,777,216 bytes.*Received: 19,900,001\.",
        ),
        (claimed([-1]), "INVALID_ARGUMENT", r"it cannot have the shape \[-1\]"),
        (claimed([1] * 99), "INVALID_ARGUMENT", "it cannot have the shape"),
        (claimed([1], texts=[b"a", b"b"]), "INVALID_ARGUMENT", "tensor parsing error: user_id"),
        (unknown_rank(), "INVALID_ARGUMENT", "its shape has no known rank"),
    ],
)
def test_a_wrong_request_is_refused_with_what_is_wrong(predictions, asked, code, match):
    refused = refusal(predictions.Predict, asked)
    assert refused[0] == code
    with pytest.raises(ValueError, match=match):
        raise ValueError(refused[1])


def test_one_value_may_stand_for_all_and_none_for_an_empty_batch(predictions):
    outputs = predictions.Predict(claimed([2])).outputs
    assert list(outputs["item_id"].string_val) == [b"b", b"c", b"d"] * 2
    empty = predictions.Predict(claimed([0], texts=[])).outputs["score"]
    assert [dim.size for dim in empty.tensor_shape.dim] == [0, 3]


@pytest.mark.parametrize("method", ["Predict", "Classify", "GetModelMetadata", "MultiInference"])
def test_bytes_that_are_no_request_are_the_clients_mistake(channel, method):
    call = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
    code, details = refusal(call, b"\xff\xff\xff")
    assert code == "INVALID_ARGUMENT"
    assert details.startswith("The request is no tensorflow.serving.")


def test_too_large_a_message_is_refused(predictions):
    code, details = refusal(predictions.Predict, request(user_id=["x" * (17 * 2**20)]))
    assert code == "RESOURCE_EXHAUSTED"
    assert "larger than max" in details


def test_examples_are_refused_in_the_stock_servers_words(predictions):
    classify = classification_pb2.ClassificationRequest()
    regress = regression_pb2.RegressionRequest()
    classify.model_spec.name = regress.model_spec.name = "films"
    assert refusal(predictions.Classify, classify) == (
        "INVALID_ARGUMENT",
        "Expected classification signature method_name to be tensorflow/serving/classify. "
        "Was: tensorflow/serving/predict",
    )
    regress.model_spec.signature_name = "x"
    assert refusal(predictions.Regress, regress) == (
        "INVALID_ARGUMENT",
        "No signature was found with the name: x",
    )
    several = inference_pb2.MultiInferenceRequest()
    assert refusal(predictions.MultiInference, several)[0] == "INVALID_ARGUMENT"
    several.tasks.add(method_name="tensorflow/serving/regress").model_spec.name = "films"
    assert "Expected regression signature" in refusal(predictions.MultiInference, several)[1]


def test_metadata(predictions):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "films"
    response = predictions.GetModelMetadata(asked)
    definitions = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(definitions)
    assert response.model_spec.version.value == 1
    assert sorted(definitions.signature_def) == [
        "__saved_model_init_op",  # the stock server tells it too
        "recommend",
        "recommend_3",
        "recommend_filtered",
        "recommend_filtered_3",
        "score",
        "serving_default",
        "similar_items",
        "similar_items_3",
    ]
    assert list(definitions.signature_def["serving_default"].inputs) == ["user_id"]
    asked.metadata_field[0] = "x"
    assert refusal(predictions.GetModelMetadata, asked) == (
        "INVALID_ARGUMENT",
        "Metadata field x is not supported",
    )


def test_status(channel):
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "films"
    (row,) = models.GetModelStatus(asked).model_version_status
    assert (row.version, row.State.Name(row.state), row.status.error_code) == (1, "AVAILABLE", 0)
    asked.model_spec.name = "none"
    assert refusal(models.GetModelStatus, asked) == (
        "NOT_FOUND",
        "Could not find any versions of model none",
    )
