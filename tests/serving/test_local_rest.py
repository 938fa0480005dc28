"""The local server over REST: the stock server's bodies, statuses and words."""

from __future__ import annotations

import http.client
import json

import httpx2
import pytest


@pytest.fixture(scope="module")
def rest(local_server):
    with httpx2.Client(base_url=local_server.url, timeout=20) as client:
        yield client


def ask(rest, model="films", **body):
    return rest.post(f"/v1/models/{model}:predict", json=body)


BOB = {"user_id": "bob", "exclude_item_ids": ["d"], "allow_item_ids": [""]}
ONE = json.dumps({"inputs": {"user_id": ["a"]}})
TWO = {"user_id": ["ann", "bob"]}
FILTERED = {"signature_name": "recommend_filtered"}


def test_columns_are_answered_by_columns(rest):
    columns = {"user_id": ["ann", "new"], "exclude_item_ids": [["b"], ["x"]]}
    columns["allow_item_ids"] = [[""], [""]]
    assert ask(rest, **FILTERED, inputs=columns).json() == {
        "outputs": {
            "item_id": [["c", "d", ""], ["d", "b", "c"]],
            "title": [["Casino", "Élisa", ""], ["Élisa", "Brazil", "Casino"]],
            "score": [[3.0, 2.0, 0.0], [40.0, 30.0, 20.0]],
            "source": [["model", "model", ""], ["popularity"] * 3],
            "unknown_item_ids": [["", ""], ["x", ""]],
        }
    }


def test_a_user_alone_is_a_whole_request(rest):
    answer = {
        "item_id": ["d", "c", "b"],
        "title": ["Élisa", "Casino", "Brazil"],
        "score": [4.0, 3.0, 2.0],
        "source": ["model"] * 3,
    }
    assert ask(rest, instances=["bob"]).json() == {"predictions": [answer]}
    by_column = ask(rest, inputs={"user_id": ["bob"]}).json()
    assert by_column == {"outputs": {name: [row] for name, row in answer.items()}}


def test_rows_are_answered_by_rows(rest):
    assert ask(rest, **FILTERED, instances=[BOB]).json() == {
        "predictions": [
            {
                "item_id": ["c", "b", "a"],
                "title": ["Casino", "Brazil", "Alien"],
                "score": [3.0, 2.0, 1.0],
                "source": ["model"] * 3,
                "unknown_item_ids": ["", ""],
            }
        ]
    }


def test_a_signature_with_one_output_answers_without_its_name(rest):
    texts = {"signature_name": "embed_items", "inputs": {"text": ["abc"]}}
    assert ask(rest, "wishes", **texts).json() == {"outputs": [[3.0, -3.0]]}
    rows = {"signature_name": "embed_items", "instances": [{"text": "abc"}]}
    assert ask(rest, "wishes", **rows).json() == {"predictions": [[3.0, -3.0]]}


def test_pairs_are_answered_with_what_their_scores_come_from(rest):
    pairs = {"user_id": ["ann", "new", "ann"], "item_id": ["b", "b", "none"]}
    assert ask(rest, signature_name="score", inputs=pairs).json() == {
        "outputs": {"score": [4.0, 30.0, 0.0], "source": ["model", "popularity", ""]}
    }


def test_a_signature_with_one_input_takes_it_without_its_name(rest):
    by_row = ask(rest, signature_name="similar_items", instances=["b", "d"]).json()["predictions"]
    assert [row["item_id"] for row in by_row] == [["c", "d", "a"], ["c", "b", "a"]]
    by_column = ask(rest, signature_name="similar_items", inputs=["b"]).json()["outputs"]
    assert by_column["score"] == [[5.0, 4.0, 3.0]]


def test_bytes_travel_as_base64(rest):
    body = {"signature_name": "echo", "inputs": [{"b64": "b2s="}, "é"]}
    answer = ask(rest, "wishes", **body).json()["outputs"]
    assert answer == {"text": ["ok", "é"], "text_bytes": [{"b64": "b2s="}, {"b64": "w6k="}]}
    refused = ask(rest, "wishes", signature_name="echo", inputs=[{"b64": "/w=="}])
    assert refused.status_code == 400
    assert "`text` holds bytes that are not UTF-8" in refused.json()["error"]


def test_numbers_keep_their_type_and_shortest_form(rest):
    body = '{"signature_name": "numbers", "inputs": {"x": [[0.1, 0], [NaN, 1], [-5, 2]], '
    body += '"n": [1, -3, 0], "yes": [true, false, true]}}'
    answer = rest.post("/v1/models/wishes:predict", content=body)
    assert answer.text == (
        '{"outputs": {"next": [2, -2, 1], "no": [false, true, false], "sum": [0.1, NaN, -3.0]}}'
    )


NUMBERS = {"x": [[1, 2]], "n": [1], "yes": [True]}
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("model", "body", "match"),
    [
        ("films", "", "JSON Parse error: The document is empty"),
        ("films", "{", "JSON Parse error: .* at offset: 1"),
        ("films", b'{"inputs": "\xff"}', "Invalid encoding in string at offset: 12"),
        ("films", '{"inputs": ' + DEEP, "nested too deeply"),
        ("films", '{"inputs": ' + "9" * 5000 + "}", "JSON Parse error: .*digits"),
        ("films", "[1]", r"JSON Value: \[1\] Is not object"),
        ("films", {}, "Missing 'inputs' or 'instances' key"),
        ("films", {"inputs": {}, "instances": []}, "expecting only one of 'inputs' or 'instances'"),
        ("films", {"instances": {}}, "Excepting 'instances' to be an list/array"),
        ("films", {"instances": []}, "No values in 'instances' array"),
        ("films", {**FILTERED, "instances": ["a"]}, "plain list, but expecting list of objects"),
        ("films", {**FILTERED, "instances": [BOB, "a"]}, "Expecting object but got 'a' at item 1"),
        (
            "films",
            {**FILTERED, "instances": [{**BOB, "k": 1}]},
            "keys must be equal to: allow_item_ids,exc",
        ),
        (
            "films",
            {**FILTERED, "instances": [{"user_id": "a"}]},
            "element: 0 .* keys must be equal to",
        ),
        (
            "films",
            {**FILTERED, "instances": [BOB, {**BOB, "exclude_item_ids": []}]},
            "unexpected size: 0",
        ),
        ("films", {**FILTERED, "inputs": ["a"]}, "plain value/list, but expecting an object"),
        (
            "films",
            {**FILTERED, "inputs": {"user_id": ["a"]}},
            "Missing named input: allow_item_ids",
        ),
        ("films", {**FILTERED, "inputs": {**BOB, "k": 1}}, "Unknown named input: 'k'"),
        ("films", {"inputs": BOB}, "Unknown named input: 'allow_item_ids' .* takes: user_id"),
        (
            "films",
            {**FILTERED, "inputs": {**TWO, "exclude_item_ids": [["b"]], "allow_item_ids": [[""]]}},
            "^All inputs of a request must have the same number of rows. Received: "
            "allow_item_ids 1, exclude_item_ids 1, user_id 2.$",
        ),
        ("films", {"signature_name": 1}, "'signature_name' key must be a string"),
        ("films", {"signature_name": "no", "inputs": []}, '"no" not found in signature def'),
        (
            "films",
            {"inputs": {"user_id": [["a"]]}},
            r"`user_id` must have the shape \(any\). Received: \(1, 1\)",
        ),
        (
            "films",
            {"inputs": {"user_id": [1]}},
            "`user_id`: JSON Value: 1 Type: Number is not of expected type: string",
        ),
        (
            "films",
            {"inputs": {"user_id": ["a", None]}},
            "Type: Null is not of expected type",
        ),
        (
            "films",
            ONE.replace('"a"', '"\\ud800"'),
            "half of a surrogate pair",
        ),
        (
            "films",
            {"inputs": {"user_id": ["a"] * 2000}},
            "at most 256 rows in one request. Received: 2,000",
        ),
        (
            "films",
            {"signature_name": "score", "inputs": {"user_id": ["a"], "item_id": ["b", "c"]}},
            "same number of rows. Received: item_id 2, user_id 1.",
        ),
        ("films", {"signature_name": "similar_items", "inputs": [["a"], "b"]}, "incorrect level"),
        ("wishes", {"signature_name": "echo", "inputs": [{"b64": "%"}]}, "base64 decode"),
        ("wishes", {"signature_name": "echo", "inputs": [{"b65": ""}]}, "not formatted correctly"),
        (
            "wishes",
            {"signature_name": "numbers", "inputs": {**NUMBERS, "x": [[1e39, 0]]}},
            "Cannot convert JSON value: 1e.39 to float32 without loss of precision",
        ),
        (
            "wishes",
            {"signature_name": "numbers", "inputs": {**NUMBERS, "x": [[2**24, 0]]}},
            "without loss",
        ),
        (
            "wishes",
            {"signature_name": "numbers", "inputs": {**NUMBERS, "n": [1.0]}},
            "`n`: JSON Value: 1.0 Type: Number is not of expected type: int32",
        ),
        ("wishes", {"signature_name": "numbers", "inputs": {**NUMBERS, "n": [2**31]}}, "int32"),
        ("wishes", {"signature_name": "numbers", "inputs": {**NUMBERS, "yes": [1]}}, "bool"),
        (
            "wishes",
            {"signature_name": "numbers", "inputs": {**NUMBERS, "x": [[1]]}},
            r"`x` must have the shape \(any, 2\). Received: \(1, 1\)",
        ),
    ],
)
def test_a_wrong_body_is_refused_with_what_is_wrong(rest, model, body, match):
    content = json.dumps(body) if isinstance(body, dict) else body
    refused = rest.post(f"/v1/models/{model}:predict", content=content)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/json"
    with pytest.raises(ValueError, match=match):
        raise ValueError(refused.json()["error"])


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/models/none:predict", 404, "Servable not found for request: Latest(none)"),
        (
            "/v1/models/none/versions/7:predict",
            404,
            "Servable not found for request: Specific(none, 7)",
        ),
        (
            "/v1/models/films/versions/7:predict",
            404,
            "Servable not found for request: Specific(films, 7)",
        ),
        (
            "/v1/models/films/versions/99999999999999999999:predict",
            400,
            "Failed to convert version: 99999999999999999999 to numeric.",
        ),
        ("/v1/models/films/labels/x:predict", 400, "Unrecognized servable version label: x"),
        (
            "/v1/models/films/versions/x:predict",
            400,
            "Malformed request: POST /v1/models/films/versions/x:predict",
        ),
        ("/v1/models/films:ask", 400, "Malformed request: POST /v1/models/films:ask"),
        ("/models", 404, "Not found: POST /models"),
        ("/v1/models/..%2f..%2fetc:predict", 400, None),
        ("/v1/models/../../etc/1:predict", 400, None),
        (
            "/v1/models/..%00:predict",
            404,
            "Servable not found for request: Latest(..\0)",
        ),
        ("/v1/models/.:predict", 404, "Servable not found for request: Latest(.)"),
        (
            "/v1/models/films/versions/1/../../x:predict",
            400,
            None,
        ),
    ],
)
def test_an_unknown_target_is_refused(local_server, path, status, error):
    connection = http.client.HTTPConnection("127.0.0.1", local_server.port, timeout=20)
    connection.request("POST", path, ONE)
    refused = connection.getresponse()  # this client sends a path as it is, dots and all
    assert refused.status == status
    told = json.loads(refused.read())["error"]
    connection.close()
    assert told == error if error else told.startswith("Malformed request: POST /v1/models")


def test_status(rest):
    version = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert rest.get("/v1/models/films").json() == {"model_version_status": [version]}
    assert rest.get("/v1/models/films/versions/1").json() == {"model_version_status": [version]}
    for path, error in (
        ("/v1/models/none", "Could not find any versions of model none"),
        ("/v1/models/films/versions/2", "Could not find version 2 of model films"),
    ):
        missing = rest.get(path)
        assert (missing.status_code, missing.json()) == (404, {"error": error})


def test_metadata(rest):
    answer = rest.get("/v1/models/films/metadata").json()
    assert answer["model_spec"] == {"name": "films", "signature_name": "", "version": "1"}
    score = answer["metadata"]["signature_def"]["signature_def"]["score"]
    batch = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert score["inputs"]["user_id"]["dtype"] == "DT_STRING"
    assert score["inputs"]["user_id"]["tensor_shape"] == batch
    assert sorted(score["outputs"]) == ["score", "source"]
    assert score["method_name"] == "tensorflow/serving/predict"
    assert rest.get("/v1/models/films/versions/1/metadata").json() == answer


def test_classify_is_refused_in_the_stock_servers_words(rest):
    refused = rest.post("/v1/models/films:classify", json={"examples": [{"x": 1}]})
    assert (refused.status_code, refused.json()) == (
        400,
        {
            "error": "Expected classification signature method_name to be "
            "tensorflow/serving/classify. Was: tensorflow/serving/predict"
        },
    )


def test_metrics_have_the_stock_servers_names(rest):
    def count(status):
        text = rest.get("/monitoring/prometheus/metrics").text
        name = f':tensorflow:serving:request_count{{model_name="films",status="{status}"}} '
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return float(lines[0].removeprefix(name)) if lines else 0.0

    answered, refused = count("OK"), count("INVALID_ARGUMENT")
    ask(rest, instances=["bob"])
    ask(rest, instances=[])
    assert (count("OK"), count("INVALID_ARGUMENT")) == (answered + 1, refused + 1)
    text = rest.get("/monitoring/prometheus/metrics").text
    assert ":tensorflow:serving:request_latency_bucket{" in text
    assert 'tfrec_fusion_loaded_version{model_name="films",version="1"} 1.0' in text
    ask(rest, "invented-name", instances=[BOB])
    assert "invented-name" not in rest.get("/monitoring/prometheus/metrics").text


def test_the_description_names_every_path(rest):
    paths = rest.get("/openapi.json").json()["paths"]
    assert {path: sorted(methods) for path, methods in paths.items()} == {
        f"/v1/models/{{model}}{target}{verb}": [method]
        for target in ("", "/versions/{version}", "/labels/{label}")
        for verb, method in (
            *((f":{verb}", "post") for verb in ("predict", "classify", "regress")),
            ("/metadata", "get"),
            ("", "get"),
        )
    }
