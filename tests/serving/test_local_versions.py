"""Versions that come, go and fail while the server answers."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest
import serving_models
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from waiting import wait_for

from tfrec_fusion.serving.client import Client, Retries
from tfrec_fusion.serving.export.warm_up import WARM_UP
from tfrec_fusion.serving.local.failures import ServingError
from tfrec_fusion.serving.local.model import Model
from tfrec_fusion.serving.local.servable import Servable
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.serving.local.versions import Policy, read_policy, version_folders
from tfrec_fusion.serving.local.watcher import Models


class Loaded:
    """Stands for a loaded version where only loading and letting go are looked at."""

    def __init__(self, name, number, folder):
        if (folder / "broken").exists():
            raise ValueError(f"{folder} could not be loaded: broken")
        self.version, self.in_flight = number, 0


def put(folder, *versions):
    for version in versions:
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "saved_model.pb").touch()


def model_of(folder):
    return Model("m", folder, Loaded)


def told(model):
    return [(one.version, one.state, one.code) for one in model.statuses()]


def test_only_whole_visible_versions_are_found(tmp_path):
    put(tmp_path, 1, "0010", ".11-x", "12a", "-3", "²", 2**63)
    (tmp_path / "13").mkdir()  # being copied: nothing in it yet
    (tmp_path / "14").touch()
    assert set(version_folders(tmp_path)) == {1, 10}
    assert version_folders(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (Policy(), {10}),
        (Policy(latest=2), {2, 10}),
        (Policy(latest=None, specific=frozenset({1, 7})), {1}),
        (Policy(latest=None), {1, 2, 10}),
    ],
)
def test_policy(policy, wanted):
    assert policy.wanted({1, 2, 10}) == wanted
    assert policy.wanted(set()) == set()


CONFIG = """model_config_list {
  config { name: "other" }
  config {
    name: "m"
    base_path: "/models/m"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: "canary" value: 2 }
  }
}"""


@pytest.mark.parametrize("above", [False, True])
def test_models_config_gives_policy_and_labels(tmp_path, above):
    folder = tmp_path / "m"
    put(folder, 1, 2, 3)
    ((tmp_path if above else folder) / "models.config").write_text(CONFIG)
    assert read_policy("m", folder) == Policy(None, frozenset({1, 2}), {"stable": 1, "canary": 2})
    assert read_policy("unnamed", folder) == Policy()
    model = model_of(folder)
    model.refresh()
    assert (model.versions, model.labels) == ([1, 2], {"stable": 1, "canary": 2})
    with model.lease(label="stable") as first, model.lease() as latest:
        assert (first.version, latest.version) == (1, 2)


def test_a_label_of_a_version_that_does_not_answer_is_unknown(tmp_path):
    put(tmp_path, 1)
    (tmp_path / "models.config").write_text(CONFIG)
    model = model_of(tmp_path)
    model.refresh()
    assert model.labels == {"stable": 1}
    with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
        model.version_of_label("canary")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("model_config_list {", "is no ModelServerConfig"),
        (CONFIG.replace("stable", "a b"), "letters, digits and underscores. Received: 'a b'"),
    ],
)
def test_a_broken_config_is_told_and_leaves_the_former_policy(tmp_path, text, match, caplog):
    put(tmp_path, 1, 2)
    (tmp_path / "models.config").write_text(CONFIG)
    model = model_of(tmp_path)
    model.refresh()
    (tmp_path / "models.config").write_text(text)
    with pytest.raises(ValueError, match=match):
        read_policy("m", tmp_path)
    model.refresh()
    model.refresh()
    assert model.versions == [1, 2]
    assert len(caplog.records) == 1  # told once, not every second


def test_a_new_version_takes_over_and_the_old_one_ends(tmp_path):
    put(tmp_path, 1)
    model = model_of(tmp_path)
    model.refresh()
    put(tmp_path, 2)
    assert model.refresh() == [1]
    assert told(model) == [(2, "AVAILABLE", "OK"), (1, "END", "OK")]


def test_a_broken_version_replaces_nothing_and_is_tried_again_when_it_changes(tmp_path):
    put(tmp_path, 1)
    model = model_of(tmp_path)
    model.refresh()
    put(tmp_path, 2)
    (tmp_path / "2" / "broken").touch()
    for _ in range(2):
        assert model.refresh() == []
        assert told(model) == [(2, "END", "INVALID_ARGUMENT"), (1, "AVAILABLE", "OK")]
    assert "2 could not be loaded: broken" in model.statuses(2)[0].message
    (tmp_path / "2" / "broken").unlink()
    assert model.refresh() == [1]
    assert model.versions == [2]


def test_a_withdrawn_version_gives_way_to_the_one_before(tmp_path):
    put(tmp_path, 1, 2)
    model = model_of(tmp_path)
    model.refresh()
    shutil.rmtree(tmp_path / "2")
    assert model.refresh() == [2]
    assert model.versions == [1]
    shutil.rmtree(tmp_path / "1")
    assert model.refresh() == []
    assert model.versions == [1]  # the last one stays, as in the stock server


def test_a_request_keeps_the_version_it_began_with(tmp_path):
    put(tmp_path, 1)
    model = model_of(tmp_path)
    model.refresh()
    put(tmp_path, 2)
    with model.lease() as old:
        swap = threading.Thread(target=model.refresh)
        swap.start()
        wait_for(lambda: "UNLOADING" in [one.state for one in model.statuses()], "UNLOADING")
        assert (old.version, swap.is_alive()) == (1, True)
        with model.lease() as new:
            assert new.version == 2
    swap.join(10)
    assert told(model) == [(2, "AVAILABLE", "OK"), (1, "END", "OK")]


def test_models_are_found_in_a_folder_or_are_the_folder(tmp_path):
    put(tmp_path / "a", 1)
    put(tmp_path / ".hidden", 1)
    (tmp_path / "empty").mkdir()
    several = Models(tmp_path, model_of_name)
    several.refresh()
    assert list(several.by_name) == ["a"]
    put(tmp_path / "b", 3)
    several.refresh()
    assert several.find("b").versions == [3]
    one = Models(tmp_path / "a", model_of_name)
    one.refresh()
    assert one.find("a").versions == [1]
    with pytest.raises(ServingError, match=r"Latest\(\.\./a\)"):
        several.find("../a")
    with pytest.raises(FileNotFoundError, match=r"Received: .*nowhere, which is none"):
        Models(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is a version itself: give the folder above"):
        Models(tmp_path / "a" / "1")


def model_of_name(name, folder):
    return Model(name, folder, Loaded)


@pytest.mark.parametrize("content", [b"", b"no protocol buffer", None])
def test_a_file_that_is_no_saved_model_says_so(tmp_path, content, served_folder):
    whole = served_folder / "films" / "1" / "saved_model.pb"
    content = whole.read_bytes()[:-1000] if content is None else content
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ValueError, match=r"saved_model\.pb (is not a SavedModel|has no graph)"):
        Servable("m", 1, tmp_path)


def test_a_saved_model_without_its_variables_says_so(tmp_path, served_folder):
    shutil.copy(served_folder / "films" / "1" / "saved_model.pb", tmp_path)
    with pytest.raises(ValueError, match="could not be loaded: "):
        Servable("m", 1, tmp_path)


def warm_up(folder, *records):
    path = folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def logged(signature, **inputs):
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log.SerializeToString()


def test_warm_up_records_are_asked_before_a_version_answers(tmp_path, served_folder, monkeypatch):
    folder = tmp_path / "1"
    shutil.copytree(served_folder / "films" / "1", folder)
    warm_up(folder, logged("similar_items", item_id=["b"]), logged("", user_id=["ann"]))
    asked = []
    predict = Servable.predict

    def noted(self, name, *rest):
        asked.append(name)
        return predict(self, name, *rest)

    monkeypatch.setattr(Servable, "predict", noted)
    Servable("m", 1, folder)
    assert asked == ["similar_items", "serving_default"]
    for record, match in (
        (b"\xff", "warm-up failed"),
        (logged("none"), 'warm-up failed: Serving signature key "none" not found'),
        (logged("similar_items", item_id=[["b"]]), "warm-up failed: `item_id` must have the shape"),
    ):
        warm_up(folder, record)
        with pytest.raises(ValueError, match=match):
            Servable("m", 1, folder)


def test_no_request_fails_while_versions_are_swapped_and_one_is_broken(served_folder, tmp_path):
    shutil.copytree(served_folder / "films", tmp_path / "films")
    failures, answers, stop = [], [], threading.Event()
    with LocalServer(tmp_path, port=0, grpc_port=0, poll_seconds=0.05) as server:

        def ask(address):
            with Client(address, "films", timeout=20, retries=Retries(attempts=1)) as client:
                while not stop.wait(0.005):  # what exports is in this process, too
                    try:
                        answers.append(client.recommend("ann")[0].score)
                    except Exception as error:
                        failures.append(error)

        addresses = (server.url, f"grpc://{server.grpc_address}")
        threads = [threading.Thread(target=ask, args=(one,)) for one in addresses]
        for thread in threads:
            thread.start()
        model = server.models.by_name["films"]
        broken = tmp_path / "films" / "3"
        for version in (2, 4):
            serving_models.export_films(tmp_path / "films", version, offset=version)
            wait_for(lambda now=version: model.versions == [now], f"version {version}")
            wait_for(lambda now=version: 4.0 + now in answers[-20:], f"answers of {version}")
            if version == 2:
                broken.mkdir()
                (broken / "saved_model.pb").write_bytes(b"broken")
                wait_for(lambda: model.statuses()[0].code == "INVALID_ARGUMENT", "a refusal")
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert sorted(set(answers)) == [4.0, 6.0, 8.0]  # version 1, 2 and 4, never the broken 3


def test_a_versions_memory_is_given_back(served_folder, tmp_path):
    """A version that was let go leaves no variable behind."""
    import gc
    import weakref

    exported = served_folder / "films" / "1"
    shutil.copytree(exported, tmp_path / "1")
    models = Models(tmp_path)
    models.refresh()
    with models.by_name[tmp_path.name].lease() as servable:
        answer = servable.predict("similar_items", {"item_id": np.array([b"b"], object)})
        kept = weakref.ref(servable._model)
    assert answer["item_id"].tolist() == [[b"c", b"d", b"a"]]
    del servable
    shutil.copytree(exported, tmp_path / "2")
    models.refresh()
    gc.collect()
    assert kept() is None
    models.close()
