"""A model's folder as its server meets it: kit, labels, warm-up, and what is found amiss."""

from __future__ import annotations

import json
import os
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from flipped import aside, flipped
from google.protobuf import text_format
from served_parts import PARTS, SCORES
from serving_models import table_model
from tensorflow_serving.config import model_server_config_pb2

from tfrec_fusion.serving.export import folder_check
from tfrec_fusion.serving.export.bundle import (
    CONFIG,
    _write_config,
    labels_of,
    promote,
    versions_of,
)
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.verification import ExportMismatch
from tfrec_fusion.serving.export.version_files import CHECKSUMS, check_checksums
from tfrec_fusion.serving.export.warm_up import WARM_UP, AnsweredCall, read_warm_up, write_warm_up


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "table"
    export(ServedModels(table_model("user_id", SCORES)), folder, page_sizes=(2,), **PARTS)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "table")


def config_of(folder):
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / CONFIG).read_text("utf-8"), config)
    (one,) = config.model_config_list.config
    return one


def test_what_an_export_left_is_sound(made):
    (found,) = verify_folder(made)
    assert (found.version, found.labels) == (1, ("canary", "stable"))
    paged = ("recommend", "recommend_2", "recommend_filtered", "recommend_filtered_2")
    assert found.signatures == (*paged, "score", "serving_default")
    assert found.records > len(found.signatures) and found.max_abs_difference <= 1e-5
    one = config_of(made)
    assert (one.name, one.base_path) == ("table", "/models/table")
    assert list(one.model_version_policy.specific.versions) == [1]
    compose = (made / "docker-compose.yaml").read_text("utf-8")
    assert ".:/models/table:ro" in compose and "${TF_SERVING_TAG:-latest}" in compose


def test_the_readme_asks_a_question_that_has_an_answer(made):
    (line,) = [
        one
        for one in (made / "README.md").read_text("utf-8").splitlines()
        if "curl" in one and "predict" in one
    ]
    body = json.loads(line.split("-d ")[1].strip("'"))
    assert body == {"signature_name": "recommend", "inputs": {"user_id": ["unseen"]}}
    loaded = tf.saved_model.load(str(made / "1"))
    inputs = {name: tf.constant(rows) for name, rows in body["inputs"].items()}
    answer = loaded.signatures["recommend"](**inputs)  # of nobody: no file names a user
    assert answer["item_id"].numpy().tolist() == [[b"b", b"c"]]
    assert answer["source"].numpy().tolist() == [[b"popularity"] * 2]


def test_a_warm_up_request_has_one_row_an_input_and_row(made):
    calls = read_warm_up(made / "1")
    paged = ("recommend", "recommend_2", "recommend_filtered", "recommend_filtered_2")
    assert {call.signature for call in calls} == {*paged, "serving_default", "score"}
    for call in calls:
        assert len({len(rows) for rows in [*call.inputs.values(), *call.answer.values()]}) == 1


def test_labels_follow_versions_that_are_there(folder):
    shutil.copytree(folder / "1", folder / "2")
    shutil.copytree(folder / "1", folder / "12")
    assert promote(folder, 2) == 2
    assert labels_of(folder) == {"stable": 2, "canary": 12}
    assert list(config_of(folder).model_version_policy.specific.versions) == [2, 12]
    assert [one.labels for one in verify_folder(folder)] == [(), ("stable",), ("canary",)]
    shutil.rmtree(folder / "2")
    assert labels_of(folder) == {"canary": 12}
    with pytest.raises(ValueError, match=r"no version as `stable` that is there. Versions: 1, 12"):
        verify_folder(folder)
    assert promote(folder) == 12
    with pytest.raises(FileNotFoundError, match=r"has no version 7; it has 1, 12"):
        promote(folder, 7)


def test_a_further_export_is_canary_and_leaves_stable_where_it_is(folder):
    models = ServedModels(table_model("user_id", SCORES))
    assert export(models, folder, page_sizes=(2,), **PARTS).version == 2
    assert labels_of(folder) == {"stable": 1, "canary": 2}


def rewritten(folder, change):
    """The warm-up file with its records changed."""
    path = folder / "1" / WARM_UP
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in change(records):
            writer.write(record)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def other_answers(records):
    return [record.replace(b"Brazil", b"Brasil") for record in records]


@pytest.mark.parametrize(
    ("hurt", "error", "match"),
    [
        (lambda f: (f / "1" / WARM_UP).unlink(), FileNotFoundError, "is missing: a server would"),
        (lambda f: cut(f / "1" / WARM_UP), ValueError, "cannot be read .* would refuse to load"),
        (lambda f: rewritten(f, lambda _: []), ValueError, "1 to 1000 records.* Received: 0"),
        (lambda f: rewritten(f, lambda _: [b"\xff"]), ValueError, "record 0 cannot be read"),
        (lambda f: rewritten(f, lambda _: [b""]), ValueError, "record 0 is no PredictRequest"),
        (lambda f: rewritten(f, lambda r: r[:1] * 1001), ValueError, "Received: 1001"),
        (lambda f: rewritten(f, lambda r: r[:1]), ValueError, "no warm-up record of recommend"),
        (lambda f: rewritten(f, other_answers), ExportMismatch, "'Brazil', and was 'Brasil'"),
        (lambda f: (f / "1" / "saved_model.pb").unlink(), FileNotFoundError, "no saved_model.pb"),
        (lambda f: shutil.rmtree(f / "1" / "variables"), ExportMismatch, "exit code 1"),
        (lambda f: (f / "batching.config").unlink(), FileNotFoundError, "batching.config is miss"),
        (lambda f: (f / CONFIG).write_text("{"), ValueError, "no configuration of a server"),
        (lambda f: shutil.rmtree(f / "1"), FileNotFoundError, "holds no version. Give a model's"),
    ],
)  # fmt: skip
def test_a_hurt_folder_is_told_with_its_reason(hurt, error, match, folder):
    hurt(folder)
    with pytest.raises(error, match=match):
        verify_folder(folder)


def test_a_changed_byte_that_no_answer_shows_is_found(folder, monkeypatch):
    calls = read_warm_up(folder / "1")
    monkeypatch.setattr(
        folder_check, "call_in_clean_process", lambda *_: [call.answer for call in calls]
    )
    listed = folder / "1" / "assets.extra" / "checksums.json"
    expected = {
        *("saved_model.pb", "fingerprint.pb", str(WARM_UP)),
        *("variables/variables.index", "variables/variables.data-00000-of-00001"),
    }
    assert json.loads(listed.read_text("utf-8")).keys() == expected
    for name in sorted(expected - {"saved_model.pb", str(WARM_UP)}):  # which are read before
        path = folder / "1" / name
        changed = pytest.raises(ExportMismatch, match=rf"{name} was changed: .*or export again")
        with flipped(path, path.stat().st_size // 2), changed:
            verify_folder(folder)
        with aside(path), pytest.raises(ExportMismatch, match=f"{name} is missing"):
            verify_folder(folder)
    verify_folder(folder)
    listed.write_text("[]")
    with pytest.raises(ExportMismatch, match=r"checksums\.json cannot be read"):
        verify_folder(folder)
    listed.unlink()  # as of an earlier export
    verify_folder(folder)


def test_another_item_than_was_exported_is_found(folder, monkeypatch):
    calls = read_warm_up(folder / "1")
    monkeypatch.setattr(
        folder_check, "call_in_clean_process", lambda *_: [call.answer for call in calls]
    )
    (found,) = verify_folder(folder)
    assert found.max_abs_difference == 0
    (first, *_) = (call for call in calls if call.signature == "recommend")
    changed = {name: [list(row) for row in rows] for name, rows in first.answer.items()}
    (row,) = (at for at, user in enumerate(first.inputs["user_id"]) if user == "ann")
    assert changed["item_id"][row] == ["b", "c"]
    changed["item_id"][row][0], changed["title"][row][0] = "e", "Élisa"
    other = AnsweredCall(first.signature, first.inputs, changed)
    write_warm_up(folder / "1", "table", [other if one is first else one for one in calls])
    with pytest.raises(ExportMismatch, match=r"was '(e|Élisa)' when"):
        verify_folder(folder)


def test_a_folder_needs_both_labels_and_a_request_for_each_signature(folder):
    calls = read_warm_up(folder / "1")
    write_warm_up(folder / "1", "table", [one for one in calls if one.signature != "score"])
    with pytest.raises(ValueError, match=r"no warm-up record of score:"):
        verify_folder(folder)
    _write_config(folder, {"stable": 1})
    with pytest.raises(ValueError, match="names no version as `canary`"):
        verify_folder(folder)


def test_a_broken_request_stops_the_export(tmp_path, monkeypatch):
    from tfrec_fusion.serving.export import export as module

    monkeypatch.setattr(module, "write_warm_up", lambda folder, *_: (
        (folder / WARM_UP.parent).mkdir(), (folder / WARM_UP).write_bytes(bytes(99))
    ))  # fmt: skip
    with pytest.raises(ValueError, match="cannot be read"):
        export(
            ServedModels(table_model("user_id", np.array(SCORES))),
            tmp_path / "table",
            page_sizes=(2,),
            **PARTS,
        )
    assert list((tmp_path / "table").iterdir()) == []


@keras.saving.register_keras_serializable("tests")
class WordVectors(keras.layers.Layer):
    """A vector for each word of a file."""

    def __init__(self, path, **kwargs):
        super().__init__(**kwargs)
        key, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        words = tf.lookup.TextFileInitializer(path, tf.string, key, tf.int64, number)
        self.words = tf.lookup.StaticHashTable(words, -1)

    def call(self, text):
        return tf.one_hot(self.words.lookup(text), 3)


def test_a_missing_vocabulary_is_told_with_its_name(tmp_path, monkeypatch):
    (tmp_path / "words.txt").write_text("brazil\nalien\ncasino\n", "utf-8")
    strings = keras.Input((), dtype="string", name="text")
    vectors = keras.Input((3,), name="text")
    models = ServedModels(
        table_model("user_id", SCORES),
        encoder=keras.Model(strings, WordVectors(str(tmp_path / "words.txt"))(strings)),
        item_of_text=keras.Model({"text": vectors}, {"embedding": 1.0 * vectors}),
    )
    folder = tmp_path / "words"
    export(models, folder, page_sizes=(2,), **PARTS)
    (folder / "1" / "assets" / "words.txt").unlink()
    with pytest.raises(ExportMismatch, match=r"assets/words\.txt; No such file"):
        verify_folder(folder)

    from tfrec_fusion.serving.export import export as module

    monkeypatch.setattr(module, "check_ops", lambda at: shutil.rmtree(at / "assets"))
    with pytest.raises(ExportMismatch, match=r"assets/words\.txt; No such file"):
        export(models, folder, page_sizes=(2,), **PARTS)
    assert versions_of(folder) == [1]


@pytest.mark.parametrize(
    "said",
    [{"../../secret": 64 * "0"}, {"/etc/hostname": 64 * "0"}, {"a": 3}, ["a"], None, "pipe", "{"],
)
def test_checksums_of_a_stranger_lead_nowhere(said, tmp_path):
    listed = tmp_path / CHECKSUMS
    listed.parent.mkdir()
    if said == "pipe":
        os.mkfifo(listed)
    else:
        listed.write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises(ExportMismatch, match=r"checksums\.json cannot be read: .*export again"):
        check_checksums(tmp_path)
