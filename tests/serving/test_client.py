"""One client, two transports: the same answers from the local server and from the stock one.

The suite runs against the local server always, and against `tensorflow_model_server` where it is
on PATH or in the container image that TFREC_SERVING_IMAGE names; where neither is, it says so.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.client import (
    Client,
    InvalidRequest,
    Item,
    NotServed,
    Retries,
    Score,
    ServerTimeout,
    ServerUnavailable,
    SignatureInfo,
    TensorInfo,
    VersionState,
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def stock_command(folder, rest, grpc):
    """The command that starts the stock server, None where there is none."""
    config = f"--model_config_file={folder}/stock.config"
    if found := shutil.which("tensorflow_model_server"):
        return [found, f"--rest_api_port={rest}", f"--port={grpc}", config]
    docker, image = shutil.which("docker"), os.environ.get("TFREC_SERVING_IMAGE")
    if docker and image:
        ports = ["-p", f"127.0.0.1:{rest}:8501", "-p", f"127.0.0.1:{grpc}:8500"]
        return [docker, "run", "--rm", *ports, "-v", f"{folder}:{folder}:ro", image, config]
    return None


@pytest.fixture(scope="module")
def stock_server(served_folder):
    rest, grpc = free_port(), free_port()
    command = stock_command(served_folder, rest, grpc)
    if command is None:
        pytest.skip("no tensorflow_model_server on PATH and no image in TFREC_SERVING_IMAGE")
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{served_folder}/{name}" '
        'model_platform: "tensorflow" }'
        for name in ("films", "wishes")
    )
    (served_folder / "stock.config").write_text(f"model_config_list {{ {entries} }}")
    process = subprocess.Popen(command)
    patient = Retries(attempts=60, first_delay=1.0)
    with Client(f"http://127.0.0.1:{rest}", "wishes", timeout=60, retries=patient) as client:
        client.signatures()
    yield f"http://127.0.0.1:{rest}", f"grpc://127.0.0.1:{grpc}"
    process.terminate()
    process.wait(20)


@pytest.fixture(
    scope="module",
    params=[
        *(f"local-{transport}" for transport in ("rest", "grpc")),
        *(
            pytest.param(f"stock-{transport}", marks=pytest.mark.stock_server)
            for transport in ("rest", "grpc")
        ),
    ],
)
def address(request):
    server, _, transport = request.param.partition("-")
    if server == "local":
        local = request.getfixturevalue("local_server")
        addresses = (local.url, f"grpc://{local.grpc_address}")
    else:
        addresses = request.getfixturevalue("stock_server")
    return addresses[transport == "grpc"]


@pytest.fixture(scope="module")
def films(address):
    with Client(address, "films") as client:
        yield client


@pytest.fixture(scope="module")
def wishes(address):
    with Client(address, "wishes") as client:
        yield client


@contextmanager
def warned(*sentences):
    """Expects one warning of exactly these sentences at the line that asks; none without any."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(one.message) for one in caught] == ([" ".join(sentences)] if sentences else [])
    assert all((one.category, one.filename) == (AnswerWarning, __file__) for one in caught)


NEVER_SEEN = "was never seen: these are popular items, whose scores count events"


def test_recommend(films):
    with warned():
        assert films.recommend("ann") == [
            Item("b", "Brazil", 4.0, "model"),
            Item("c", "Casino", 3.0, "model"),
            Item("d", "Élisa", 2.0, "model"),
        ]
        assert [one.item_id for one in films.recommend("ann", exclude=["b"], k=1)] == ["c"]
        assert [one.item_id for one in films.recommend("ann", allow={"d", "c"})] == ["c", "d"]


def test_an_unknown_user_is_told_apart(films):
    with warned(f"User 'new' {NEVER_SEEN} (source `popularity`)."):
        assert films.recommend("new", k=2) == [
            Item("d", "Élisa", 40.0, "popularity"),
            Item("b", "Brazil", 30.0, "popularity"),
        ]
    with warned(
        f"User 'new' {NEVER_SEEN} (source `popularity`).",
        "`exclude` or `allow` names items that films does not know: 'none', 'x'.",
    ):
        found = films.recommend("new", exclude=["d", "none"], allow=["b", "d", "x", "none"])
    assert [one.item_id for one in found] == ["b"]


def test_scores_of_pairs_say_what_they_come_from(films):
    with warned("films does not know the items 'none': no score."):
        d, a, none = films.score("bob", ["d", "a", "none"])
    assert (d, a, none.source) == (Score(4.0, "model"), Score(1.0, "model"), "")
    assert np.isnan(none.score)
    with warned(
        "User 'new' was never seen: the scores count the events of the items (source `popularity`)."
    ):
        assert films.score("new", ["d"]) == [Score(40.0, "popularity")]
    assert films.score("bob", []) == []


def test_similar_items(films):
    assert films.similar_items("b") == [
        Item("c", "Casino", 5.0, "model"),
        Item("d", "Élisa", 4.0, "model"),
        Item("a", "Alien", 3.0, "model"),
    ]
    with pytest.raises(ValueError, match=r"Item 'none' is not in the catalog of films\."):
        films.similar_items("none")


def test_signatures_to_come(wishes):
    assert [one.item_id for one in wishes.recommend("x", allow=["a", "b"])] == ["b", "a"]
    with warned():
        found = wishes.recommend_from_history(["d"], exclude=["c"])
        assert [one.item_id for one in found] == ["b", "a"]
        assert wishes.search("robots who love", k=1) == [
            Item("d", "Élisa", pytest.approx(0.4), "text")
        ]
        assert wishes.score_text("x", ["héllo"]) == [Score(0.5, "model")]
    with warned(
        "User 'new' was never seen: the scores are those of a user without a history (source "
        "`new_user`)."
    ):
        assert wishes.score_text("new", ["héllo"]) == [Score(0.5, "new_user")]
    vectors = wishes.embed_items(["abc", "é"])
    assert (vectors.tolist(), vectors.dtype) == ([[3, -3], [2, -2]], np.float32)
    assert wishes.embed_items([]).shape == (0, 2)


def test_unknown_items_of_a_history_are_told(wishes):
    with warned("Items of the history that wishes does not know are skipped: 'x', 'y'."):
        found = wishes.recommend_from_history(["x", "d", "y", "x"])
    assert [(one.item_id, one.source) for one in found] == [("c", "model"), ("b", "model")]
    with warned(
        "wishes knows no item of the history ('x'): these are popular items, whose scores count "
        "events (source `popularity`)."
    ):
        found = wishes.recommend_from_history(["x"])
    assert [(one.item_id, one.source) for one in found] == [
        ("d", "popularity"),
        ("c", "popularity"),
    ]
    with warned(
        "Items of the history that wishes does not know are skipped: 'x'.",
        "`exclude` or `allow` names items that wishes does not know: 'y'.",
    ):
        wishes.recommend_from_history(["d", "x"], exclude=["y"])


@pytest.mark.parametrize("user_id", ["7", 7, 7.0, np.int64(7), b"7", "7.0"])
def test_ids_are_read_by_the_one_rule(user_id, films):
    with warned(f"User '7' {NEVER_SEEN} (source `popularity`)."):
        films.recommend(user_id)
    with warned("films does not know the items '7': no score."):
        films.score("bob", np.array([user_id], object))


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda c: c.recommend(["ann"]), r"`user_id`: .* not a list.* call `predict` with"),
        (lambda c: c.recommend(None), r"`user_id`: An id must not be missing. Received: None"),
        (lambda c: c.recommend(float("nan")), r"`user_id`: .* missing. Received: nan"),
        (lambda c: c.recommend(True), r"`user_id`: .* Received: True, a bool"),
        (lambda c: c.recommend(" "), r"`user_id`: An id must not be blank"),
        (lambda c: c.recommend("ann", exclude="b"), r"`exclude` .* list .* write \['b'\]"),
        (lambda c: c.recommend("ann", exclude=[None]), r"`exclude`, position 0: .* missing"),
        (lambda c: c.recommend("ann", allow=5), r"`allow` .* list .* Received: 5.* write \[5\]"),
        (lambda c: c.recommend("ann", allow=[]), r"`allow` is empty, .* Leave it out to allow all"),
        (lambda c: c.recommend("ann", k=0), r"`k` must be at least 1. Received: k=0"),
        (lambda c: c.recommend("ann", k="2"), r"`k` must be a whole number, .* Received: '2'"),
        (lambda c: c.recommend("ann", k=2.0), r"`k` must be a whole number, .* Received: 2.0"),
        (lambda c: c.recommend("ann", k=True), r"`k` must be a whole number, .* Received: True"),
        (lambda c: c.recommend_from_history("15"), r"`item_ids` .* list .* write \['15'\]"),
        (lambda c: c.recommend_from_history([]), r"`item_ids` is empty. Give the id of at least"),
        (lambda c: c.recommend_from_history({"a"}), r"`item_ids` .* a set has no order"),
        (lambda c: c.recommend_from_history(["a", ""]), r"`item_ids`, position 1: .* blank"),
        (lambda c: c.similar_items(1.5), r"`item_id`: .* a number with a fraction"),
        (lambda c: c.score("ann", "ab"), r"`item_ids` .* list .* write \['ab'\]"),
        (lambda c: c.search(5), r"`query` must be one string. Received: 5, of the type int"),
        (lambda c: c.search(" "), r"`query` is empty. Give at least one word."),
        (lambda c: c.score_text("ann", "abc"), r"`texts` must be a list .* write \['abc'\]"),
        (
            lambda c: c.score_text("ann", ["a", ""]),
            r"`texts\[1\]` is empty. Give at least one word.",
        ),
        (lambda c: c.embed_items([None]), r"`texts\[0\]` must be one string. Received: None"),
        (lambda c: c.predict({"user_id": "ann"}), r"`user_id` must be a list.* write \['ann'\]"),
        (lambda c: c.predict({"user_id": ["\ud800"]}), r"`user_id` must be valid Unicode"),
    ],
)
def test_what_is_no_question_is_refused_before_it_is_sent(ask, match):
    films = {name: SignatureInfo({"user_id": TensorInfo("DT_STRING", (None,))}, {}) for name in (
        "serving_default", "recommend")}  # fmt: skip
    with Client(f"http://127.0.0.1:{free_port()}", "films") as client:
        client._known = films
        with pytest.raises(InvalidInput, match=match):
            ask(client)


def test_k_chooses_the_signature_that_answers_enough(wishes):
    assert len(wishes.recommend("x", k=1)) == 1
    assert len(wishes.recommend("x", k=2)) == 2
    assert len(wishes.recommend("x", k=3)) == 3  # recommend_4's
    with pytest.raises(
        ValueError, match=r"`k` must be at most 4, .* recommend answers. Received: k=5"
    ):
        wishes.recommend("x", k=5)
    assert [one.item_id for one in wishes.recommend("x", k=np.int64(1))] == ["d"]


def test_predict_carries_every_type_both_ways(wishes):
    numbers = wishes.predict({"x": [[0.1, 0.2]], "n": [3], "yes": [True]}, "numbers")
    assert {name: (one.tolist(), one.dtype.name) for name, one in numbers.items()} == {
        "sum": ([float(np.float32(0.1) + np.float32(0.2))], "float32"),
        "next": ([4], "int32"),
        "no": ([False], "bool"),
    }
    echoed = wishes.predict({"text": ["é", b"ok"]}, "echo")
    assert echoed["text"].tolist() == ["é", "ok"]
    assert echoed["text_bytes"].tolist() == ["é".encode(), b"ok"]


def test_predict_fills_what_nothing_is_said_of(films):
    answer = films.predict({"user_id": ["ann", "bob"]})
    assert answer["item_id"].tolist() == [["b", "c", "d"], ["d", "c", "b"]]
    asked = {"user_id": ["ann", "bob"], "allow_item_ids": [["c"], ["b"]]}
    answer = films.predict(asked, "recommend_filtered")
    assert answer["item_id"].tolist() == [["c", "", ""], ["b", "", ""]]
    assert answer["score"].tolist() == [[3, 0, 0], [2, 0, 0]]


def test_status_and_signatures(films):
    assert films.status() == [VersionState(1, "AVAILABLE", "OK", "")]
    signatures = films.signatures()
    assert list(signatures["recommend"].inputs) == ["user_id"]
    assert signatures["recommend_filtered"].inputs["exclude_item_ids"].shape == (None, None)
    assert signatures["score"].outputs["score"].dtype == "DT_FLOAT"


def test_versions_and_labels(address):
    with Client(address, "films", version=1) as client:
        assert client.score("ann", ["b"]) == [Score(4.0, "model")]
    with Client(address, "films", version=7) as client, pytest.raises(NotServed, match=r"7"):
        client.score("ann", ["b"])
    unknown = pytest.raises(InvalidRequest, match=r"Unrecognized servable version label: x")
    with Client(address, "films", label="x") as client, unknown:
        client.score("ann", ["b"])


def test_errors_are_typed_and_not_tried_again(address, films, wishes):
    with Client(address, "none") as client:
        with pytest.raises(NotServed, match=r"NOT_FOUND: .*none"):
            client.recommend("ann")
        with pytest.raises(NotServed, match=r"Could not find any versions of model none"):
            client.status()
    with pytest.raises(InvalidRequest, match=r"`signature` must be one of .*score.* 'search'"):
        films.search("robots")
    with pytest.raises(InvalidRequest, match=r"INVALID_ARGUMENT"):
        films.predict({"user_id": ["ann", "bob"], "item_id": ["a", "b", "c"]}, "score")
    with pytest.raises(InvalidRequest, match=r"`k` is no input of `score`, which takes item_id,"):
        films.predict({"k": [1]}, "score")
    with pytest.raises(InvalidRequest, match=r"INVALID_ARGUMENT: .*item_id"):
        films.predict({"user_id": ["ann"]}, "score")
    assert [item.item_id for item in films.recommend("ann", allow=["b"])] == ["b"]
    with pytest.raises(ValueError, match=r"`user_id` must hold texts .* Received: 1"):
        films.predict({"user_id": [1]})
    with pytest.raises(ValueError, match=r"`n` must be nested lists of type DT_INT32"):
        wishes.predict({"x": [[1, 2]], "n": ["one"], "yes": [True]}, "numbers")


def test_a_slow_answer_is_a_timeout(address):
    with Client(address, "wishes", timeout=0.3) as client:
        client.signatures()
        began = time.monotonic()
        with pytest.raises(ServerTimeout, match=r"DEADLINE_EXCEEDED"):
            client.predict({"steps": [400_000]}, "slow")
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_no_server_is_said_after_the_attempts(scheme):
    retries = Retries(attempts=2, first_delay=0.01)
    client = Client(f"{scheme}://127.0.0.1:{free_port()}", "films", retries=retries)
    with client, pytest.raises(ServerUnavailable, match=r"UNAVAILABLE"):
        client.recommend("ann")


def failing(times, answer="answer", error=None):
    """A sender that finds nobody so many times; its calls' time left are kept."""
    left = []

    def send(seconds):
        left.append(seconds)
        if len(left) <= times:
            raise error or ServerUnavailable("UNAVAILABLE", "nobody")
        return answer

    return send, left


def run(retries, send, timeout):
    """Runs with a clock that only waiting moves, and the longest delay drawn each time."""
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    answer = retries.run(
        send, timeout, sleep=sleep, clock=lambda: now[0], draw=lambda lowest, highest: highest
    )
    return answer, slept


def test_delays_double_up_to_the_longest():
    send, left = failing(3)
    answer, slept = run(Retries(attempts=4, first_delay=1.0, longest_delay=3.0), send, 20.0)
    assert (answer, slept) == ("answer", [1.0, 2.0, 3.0])
    assert left == [20.0, 19.0, 17.0, 14.0]


def test_attempts_and_patience_are_bounded():
    for retries, timeout, attempts in (
        (Retries(attempts=2, first_delay=1.0), 20.0, 2),
        (Retries(attempts=9, first_delay=1.0), 2.5, 2),  # the third would come after 3 s
        (Retries(attempts=1), 20.0, 1),
    ):
        send, left = failing(99)
        with pytest.raises(ServerUnavailable, match="UNAVAILABLE: nobody"):
            run(retries, send, timeout)
        assert len(left) == attempts
    send, left = failing(9, error=InvalidRequest("INVALID_ARGUMENT", "wrong"))
    with pytest.raises(InvalidRequest, match="INVALID_ARGUMENT: wrong"):
        run(Retries(), send, 20.0)
    assert len(left) == 1


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"address": "127.0.0.1:8501"}, "must begin with http://, https:// or grpc://.*'127.0.0.1"),
        ({"version": 1, "label": "x"}, "Give `version` or `label`. Received: version=1, label='x'"),
        ({"timeout": 0.0}, "`timeout` must be positive. Received: 0.0"),
    ],
)
def test_arguments_are_checked(change, match):
    with pytest.raises(ValueError, match=match):
        Client(**{"address": "http://127.0.0.1:1", "model": "films", **change})
    with pytest.raises(ValueError, match=r"`attempts` must be at least 1. Received: 0"):
        Retries(attempts=0)
    with pytest.raises(ValueError, match=r"must not be negative"):
        Retries(first_delay=-1.0)


@pytest.mark.parametrize(
    ("missing", "transport", "address"),
    [("httpx2", "rest", "http://x:1"), ("tensorflow_serving.apis", "grpc", "grpc://x:1")],
)
def test_a_missing_package_is_named_with_its_extra(missing, transport, address, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    name = f"tfrec_fusion.serving.client.{transport}_transport"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ImportError, match=rf"needs {missing}\. .* 'tfrec-fusion\[serving\]'"):
        Client(address, "films")


def test_the_rest_client_does_without_tensorflow():
    code = "import sys; from tfrec_fusion.serving.client import Client; Client('http://x:1', 'm')\n"
    code += "print([one for one in ('tensorflow', 'keras', 'grpc') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
