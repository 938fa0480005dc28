"""The export: what a SavedModel answers, and that a broken one is never left behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from served_parts import (
    ITEMS,
    KNOWN,
    PARTS,
    POPULARITY,
    SCORES,
    SIMILAR,
    SMALL,
    TITLES,
    USERS,
    ask,
    last_item_model,
)
from serving_models import table_model

from tfrec_fusion.files.whole import staging
from tfrec_fusion.serving.export import export as export_module
from tfrec_fusion.serving.export import reload, verification
from tfrec_fusion.serving.export.bundle import labels_of, versions_of
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.folder_check import KIT
from tfrec_fusion.serving.export.questions import questions_of
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.verification import ExportMismatch, verify_answers
from tfrec_fusion.text.encoding.tokens import TextTokens
from tfrec_fusion.text.language_models.tower import TextTower


def text_models() -> dict[str, keras.Model]:
    """A small BERT with its tokenizer, and what reads its vectors."""
    keras.utils.set_random_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "alien", "brazil", "das", "boot", "a"]
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 8}
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(words), **sizes)
    for weight in backbone.weights:
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.3))
    tokens = TextTokens(keras_hub.models.BertTokenizer(words, lowercase=True), max_length=6)
    strings = keras.Input((), dtype="string", name="text")
    found = tokens(strings)
    text, user = keras.Input((4,), name="text"), keras.Input((), dtype="int32", name="user_id")
    table = keras.layers.Dense(6, use_bias=False)
    search = keras.Model({"text": text}, {"scores": table(text)})
    score = keras.ops.sum(text, axis=-1) * keras.ops.cast(user + 1, "float32")
    vectors = TextTower(backbone)(found["token_ids"], found["num_tokens"])
    return {
        "encoder": keras.Model(strings, vectors),
        "search": search,
        "item_of_text": keras.Model({"text": text}, {"embedding": text[:, :2]}),
        "score_of_text": keras.Model({"user_id": user, "text": text}, {"score": score}),
    }


@pytest.fixture(scope="module")
def models() -> ServedModels:
    return ServedModels(
        table_model("user_id", SCORES),
        history=last_item_model(),
        similarity=table_model("item_id", SIMILAR),
        **text_models(),
    )


@pytest.fixture(scope="module")
def report(models, tmp_path_factory) -> export_module.ExportReport:
    """One verified export; its folder is then moved, as a deployment would."""
    first = tmp_path_factory.mktemp("here") / "table"
    written = export(models, first, page_sizes=(3, 2), **PARTS)
    moved = tmp_path_factory.mktemp("there") / "moved"
    shutil.move(first, moved)
    assert written.path == first / "1"
    return export_module.ExportReport(**{**vars(written), "path": moved / "1"})


@pytest.fixture(scope="module")
def loaded(report):
    return tf.saved_model.load(str(report.path))


@pytest.fixture(scope="module")
def scores_only() -> ServedModels:
    return ServedModels(table_model("user_id", SCORES))


def test_report(report):
    assert report.version == 1
    filtered = ("recommend", "recommend_from_history", "search")
    pages = (*filtered, *(f"{name}_filtered" for name in filtered), "similar_items")
    paged = {name + end for name in pages for end in ("", "_3", "_2")}
    assert set(report.signatures) == {
        *paged,
        *("serving_default", "score", "score_text", "embed_items"),
    }
    assert report.max_abs_difference <= 1e-5
    assert report.size_bytes == sum(f.stat().st_size for f in report.path.rglob("*") if f.is_file())
    assert report.seconds > 0


def test_each_weight_is_written_once(report, models):
    stored = tf.train.load_checkpoint(str(report.path / "variables" / "variables"))
    sizes = [np.prod(shape) for shape in stored.get_variable_to_shape_map().values()]
    weights = sum(np.prod(one.shape) for layer in models.layers() for one in layer.weights)
    constants = 2 * len(ITEMS) + len(POPULARITY) + KNOWN.nnz + len(USERS) + 1
    assert weights < sum(sizes) <= weights + constants + 10  # and some words of bookkeeping


def test_recommend_masks_known_items_and_breaks_ties_by_index(loaded):
    assert ask(loaded, "recommend", user_id=["ann", "bob"]) == {
        "item_id": [["b", "c", "d"], ["b", "c", "d"]],
        "title": [["Brazil", "Casino", "Das Boot"]] * 2,
        "score": [[4, 3, 2], [2, 2, 2]],
        "source": [["model"] * 3] * 2,
    }


def test_recommend_respects_exclusions_row_by_row(loaded):
    answer = ask(
        loaded,
        "recommend_filtered",
        user_id=["ann", "bob"],
        exclude_item_ids=[["b", "c"], ["nothing known by this id", "d"]],
    )
    assert answer["item_id"] == [["d", "e", ""], ["b", "c", "a"]]
    assert answer["score"][0] == [2, 1, 0]
    assert answer["source"] == [["model", "model", ""], ["model"] * 3]
    assert answer["unknown_item_ids"] == [["", "", ""], ["nothing known by this id", "", ""]]


def test_too_few_items_are_padded_with_empty_cells_and_zeros(loaded):
    assert ask(loaded, "recommend", user_id=["zoë"]) == {
        "item_id": [["e", "", ""]],
        "title": [["Élisa", "", ""]],
        "score": [[4, 0, 0]],
        "source": [["model", "", ""]],
    }
    answer = ask(loaded, "recommend_filtered", user_id=["zoë"], exclude_item_ids=[["e"]])
    assert answer == {
        **{name: [["", "", ""]] for name in ("item_id", "title", "source")},
        "score": [[0, 0, 0]],
        "unknown_item_ids": [["", ""]],
    }


def test_unseen_user_gets_popular_items_and_is_told_so(loaded):
    answer = ask(loaded, "serving_default", user_id=["new", "ann", ""])
    assert answer["item_id"] == [["b", "c", "d"]] * 3
    assert answer["score"] == [[30, 20, 10], [4, 3, 2], [30, 20, 10]]
    assert answer["source"] == [["popularity"] * 3, ["model"] * 3, ["popularity"] * 3]
    answer = ask(loaded, "recommend_filtered", user_id=["new"], exclude_item_ids=[["c"]])
    assert (answer["item_id"], answer["score"]) == ([["b", "d", "e"]], [[30, 10, 5]])


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [
        ("recommend", {"user_id": ()}),
        ("recommend_filtered", {"user_id": (), "exclude_item_ids": (1,), "allow_item_ids": (1,)}),
        ("recommend_from_history", {"item_ids": (2,)}),
    ],
)
def test_empty_request(signature, inputs, loaded):
    asked = {name: tf.zeros((0, *rest), tf.string) for name, rest in inputs.items()}
    answer = loaded.signatures[signature](**asked)
    for name in ("item_id", "title", "score", "source"):
        assert tuple(answer[name].shape) == (0, 3)


@pytest.mark.parametrize(
    ("signature", "inputs", "received"),
    [
        (
            "recommend_filtered",
            {"user_id": ["ann", "bob"], "exclude_item_ids": [["b"]], "allow_item_ids": [[""]] * 2},
            "user_id 2, exclude_item_ids 1, allow_item_ids 2",
        ),
        (
            "recommend_from_history_filtered_2",
            {"item_ids": [["a"]], "exclude_item_ids": [[""]], "allow_item_ids": [["b"]] * 3},
            "item_ids 1, exclude_item_ids 1, allow_item_ids 3",
        ),
        (
            "search_filtered",
            {"query": ["a"] * 2, "exclude_item_ids": [[""]], "allow_item_ids": [[""]]},
            "query 2, exclude_item_ids 1, allow_item_ids 1",
        ),
        ("score", {"user_id": ["ann"], "item_id": ["a", "b"]}, "user_id 1, item_id 2"),
        ("score_text", {"user_id": ["ann", "bob"], "text": ["a"]}, "user_id 2, text 1"),
    ],
)
def test_inputs_with_different_numbers_of_rows_are_refused(signature, inputs, received, loaded):
    expected = f"All inputs of a request must have the same number of rows. Received: {received}."
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(expected)):
        ask(loaded, signature, **inputs)


def test_no_exclusion_columns(loaded):
    none = np.zeros((1, 0), str)
    answer = ask(loaded, "recommend_filtered", user_id=["ann"], exclude_item_ids=none)
    assert answer["item_id"] == [["b", "c", "d"]]
    direct = loaded.recommend(tf.constant(["ann", "bob"]))
    assert direct["item_id"].numpy().tolist() == [[b"b", b"c", b"d"]] * 2


def test_only_allowed_items_are_answered_row_by_row(loaded):
    answer = ask(
        loaded,
        "recommend_filtered",
        user_id=["ann", "ann", "new", "ann"],
        allow_item_ids=[["e", "c", "a"], ["", "", ""], ["d", "", "nothing"], ["nothing", "", ""]],
        exclude_item_ids=[["c"], [""], [""], [""]],
    )
    assert answer["item_id"] == [["e", "", ""], ["b", "c", "d"], ["d", "", ""], ["", "", ""]]
    assert answer["score"] == [[1, 0, 0], [4, 3, 2], [10, 0, 0], [0, 0, 0]]
    assert answer["unknown_item_ids"][2:] == [["", "", "", "nothing"], ["", "nothing", "", ""]]


def test_each_page_size_has_its_signature(loaded):
    assert ask(loaded, "recommend_2", user_id=["ann"])["item_id"] == [["b", "c"]]
    assert ask(loaded, "recommend_3", user_id=["ann"])["item_id"] == [["b", "c", "d"]]
    assert len(ask(loaded, "search_filtered_2", query=["a boot"])["item_id"][0]) == 2


def test_histories_are_read_oldest_first_whatever_gaps_they_have(loaded):
    rows = [["a", "b"], ["b", ""], ["", "b"], ["b", "nothing"], ["", "nothing"]]
    answer = ask(loaded, "recommend_from_history", item_ids=rows)
    assert answer["item_id"][0] == ["c", "d", "e"]  # without a, which was taken
    assert answer["item_id"][1:4] == [["c", "d", "a"]] * 3
    assert answer["score"][1] == [5, 5, 3]
    assert answer["item_id"][4] == ["b", "c", "d"]  # nothing known: what is popular
    assert answer["source"] == [["model"] * 3] * 4 + [["popularity"] * 3]
    assert answer["unknown_item_ids"] == [["", ""]] * 3 + [["", "nothing"]] * 2
    none = ask(loaded, "recommend_from_history", item_ids=np.zeros((1, 0), str))
    assert none["item_id"] == [["b", "c", "d"]]
    assert none["unknown_item_ids"] == [[]]
    lists = {"exclude_item_ids": [["c"]], "allow_item_ids": [["c", "e", "y"]]}
    answer = ask(loaded, "recommend_from_history_filtered", item_ids=[["b", "x"]], **lists)
    assert answer["item_id"] == [["e", "", ""]]
    assert answer["unknown_item_ids"] == [["", "x", "", "", "", "y"]]


def test_texts_find_items_and_are_scored(loaded, models):
    texts = ["Das Boot", " \t", "alien"]
    vectors = np.array(models.encoder(tf.constant(texts)))
    scores = np.array(models.search({"text": vectors})["scores"])
    answer = ask(loaded, "search_filtered", query=texts, exclude_item_ids=[["a"]] * 3)
    best = 2 + np.argsort(-scores[0, 2:], kind="stable")[:3]
    assert answer["item_id"][0] == [ITEMS[item] for item in best]
    assert (answer["item_id"][1], answer["score"][1]) == (["", "", ""], [0, 0, 0])
    assert answer["source"][:2] == [["text"] * 3, ["", "", ""]]
    assert ask(loaded, "search", query=["alien"])["source"] == [["text"] * 3]
    found = ask(loaded, "score_text", user_id=["bob", "bob", "new"], text=texts)
    sums = vectors.sum(1)
    assert found["score"] == pytest.approx([3 * sums[0], 0, sums[2]], rel=1e-4)
    assert found["source"] == ["model", "", "new_user"]
    embedding = loaded.signatures["embed_items"](text=tf.constant(texts))["embedding"].numpy()
    np.testing.assert_allclose(embedding[[0, 2]], vectors[[0, 2], :2], atol=1e-5)
    np.testing.assert_array_equal(embedding[1], 0)


def test_score_of_pairs(loaded):
    users, items = ["ann", "new", "ann", "zoë", "new"], ["a", "b", "new", "d", "new"]
    assert ask(loaded, "score", user_id=users, item_id=items) == {
        "score": [5, 30, 0, 8, 0],
        "source": ["model", "popularity", "", "model", ""],
    }


def test_similar_items_leave_the_item_itself_out(loaded):
    answer = ask(loaded, "similar_items", item_id=["b", "new"])
    assert answer["item_id"] == [["c", "d", "a"], ["", "", ""]]
    assert answer["title"] == [["Casino", "Das Boot", "Alien (1979)"], ["", "", ""]]
    assert answer["score"] == [[5, 5, 3], [0, 0, 0]]
    assert answer["source"] == [["model"] * 3, [""] * 3]


@pytest.mark.slow
def test_saved_model_cli_asks_with_a_user_alone(scores_only, tmp_path):
    report = export(scores_only, tmp_path / "table", page_sizes=(3,), **PARTS)
    cli = Path(sys.executable).with_name("saved_model_cli")
    command = f"{cli} run --tag_set serve --signature_def serving_default --dir".split()
    command += [str(report.path), "--input_exprs", 'user_id=["ann","new"]']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "[[b'b' b'c' b'd']\n [b'b' b'c' b'd']]" in done.stdout
    assert "Brazil" in done.stdout


def test_recommend_in_clean_process(report):
    answer = reload.recommend_in_clean_process(report.path, ["zoë", "new"])
    assert answer[0] == {
        "user_id": "zoë",
        "items": [{"item_id": "e", "title": "Élisa", "score": 4.0, "source": "model"}],
    }
    assert [one["item_id"] for one in answer[1]["items"]] == ["b", "c", "d"]
    assert {one["source"] for one in answer[1]["items"]} == {"popularity"}


def test_script_answers_users_given_as_arguments(report, capsys):
    reload.main([str(report.path), "bob"])
    answer = json.loads(capsys.readouterr().out)
    assert [one["item_id"] for one in answer[0]["items"]] == ["b", "c", "d"]


def test_clean_process_names_a_missing_saved_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no saved_model.pb. Give the version"):
        reload.recommend_in_clean_process(tmp_path, ["ann"])


def test_clean_process_forbids_the_project_and_keras(tmp_path):
    forbidden = "import runpy, sys; sys.argv = ['reload.py', '--help']\n" + (
        f"try:\n    runpy.run_path({reload.__file__!r}, run_name='__main__')\n"
        "except SystemExit:\n    pass\n"
        "for name in ('keras', 'tfrec_fusion', 'zoo'):\n"
        "    try:\n        __import__(name)\n"
        "    except ImportError:\n        print('no', name)\n"
    )
    done = subprocess.run([sys.executable, "-c", forbidden], capture_output=True, text=True)
    assert done.stdout.splitlines()[-3:] == ["no keras", "no tfrec_fusion", "no zoo"]


def test_versions_count_up_and_are_never_overwritten(scores_only, tmp_path):
    (tmp_path / "7").mkdir()
    assert versions_of(tmp_path) == [7]
    assert versions_of(tmp_path / "nowhere") == []
    second = export(scores_only, tmp_path, page_sizes=(2,), **PARTS)
    assert second.version == 8
    paged = ("recommend", "recommend_2", "recommend_filtered", "recommend_filtered_2")
    assert second.signatures == ("serving_default", *paged, "score")
    with pytest.raises(FileExistsError, match=r"8 exists already.*Leave `version` out"):
        export(scores_only, tmp_path, page_sizes=(2,), version=8, **PARTS)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["7", "8", *KIT])


def test_what_a_killed_export_left_goes_with_the_next(scores_only, tmp_path):
    left = tmp_path / ".1.0123456789abcdef.part"
    (left / "1").mkdir(parents=True)
    with staging(tmp_path / "2") as living:  # of another process
        living.mkdir()
        assert export(scores_only, tmp_path, **SMALL).version == 1
        assert not left.exists() and living.exists()


def test_a_second_export_takes_the_next_number_and_keeps_the_labels(
    scores_only, tmp_path, monkeypatch
):
    """As if another process exported while this one asked its SavedModel."""
    inner = []

    def meanwhile(version_dir):
        if not inner:
            inner.append(version_dir)
            assert export(scores_only, tmp_path, **SMALL).version == 1

    monkeypatch.setattr(export_module, "check_version", meanwhile)
    second = export(scores_only, tmp_path, **SMALL)
    assert second.version == 2 and second.path == tmp_path / "2"
    assert labels_of(tmp_path) == {"stable": 1, "canary": 2}
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(["1", "2", *KIT])


def wrong(answers, change):
    """A clean process that answers `answers` after `change`."""

    def call(version_dir, calls):
        got = json.loads(json.dumps(answers))
        change(got)
        return got

    return call


@pytest.fixture(scope="module")
def questions(models):
    return questions_of(export_module.Catalog.checked(**PARTS), models, (3, 2))


@pytest.fixture(scope="module")
def answers(loaded, questions):
    """The answers to the verification's own questions."""
    return [reload._call(loaded.signatures[one.signature], one.inputs) for one in questions]


def show_hidden(answer, row):
    """A known item in a cell that has none."""
    answer["item_id"][row][1], answer["title"][row][1] = "a", "Alien (1979)"


def swap_items(answer):
    for name in ("item_id", "title"):
        answer[name][1][:2] = answer[name][1][1::-1]


@pytest.mark.parametrize(
    ("signature", "change", "match"),
    [
        ("recommend", lambda one: one["score"][1].__setitem__(0, 4.1), r" \(1, 0\): 4.1, expect"),
        ("recommend", swap_items, "`recommend: order of items` of the SavedModel differs"),
        ("recommend", lambda one: one["title"][1].__setitem__(0, "?"), "titles that do not belong"),
        ("recommend", lambda one: one["item_id"][1].__setitem__(0, "?"), "ids that are not in"),
        (
            "serving_default",
            lambda one: one["item_id"][2].__setitem__(slice(None), ["b"] * 3),
            "an item twice",
        ),
        ("recommend_2", lambda one: one.update(item_id=[["a"]]), "must answer 4 rows of 2 items"),
        ("score", lambda one: one["score"].__setitem__(1, float("nan")), "`score` .* nan, expect"),
        ("similar_items", lambda one: one["score"][1].__setitem__(0, 1e9), "`similar_items` of"),
        ("search", swap_items, "`search: order of items` of the SavedModel differs"),
        ("embed_items", lambda one: one["embedding"].pop(), "`embed_items` must have the shape"),
        ("score_text", lambda one: one["score"].__setitem__(1, 0.5), "`score_text` of"),
        ("recommend", lambda one: one["source"][0].__setitem__(0, "model"), "other sources than"),
        ("score", lambda one: one["source"].__setitem__(0, "model"), "other sources than"),
        (
            "recommend_filtered",
            lambda one: one["unknown_item_ids"][1].__setitem__(0, "b"),
            "other unknown ids than",
        ),
        ("recommend", lambda one: show_hidden(one, 3), "answered items that are no answer"),
    ],
)
def test_a_wrong_answer_is_a_mismatch(
    signature, change, match, answers, questions, report, monkeypatch
):
    (first, *_) = (row for row, one in enumerate(questions) if one.signature == signature)
    lying = wrong(answers, lambda got: change(got[first]))
    monkeypatch.setattr(verification, "call_in_clean_process", lying)
    with pytest.raises(ExportMismatch, match=match):
        verify_answers(report.path, questions)


def test_an_export_that_answers_wrongly_leaves_nothing(scores_only, tmp_path, monkeypatch):
    monkeypatch.setattr(
        verification, "call_in_clean_process", lambda _, calls: [{"item_id": []}] * len(calls)
    )
    with pytest.raises(ExportMismatch, match="must answer 4 rows of 3 items"):
        export(scores_only, tmp_path, page_sizes=(3,), **PARTS)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_process_is_a_mismatch(scores_only, tmp_path, monkeypatch):
    dying = types.SimpleNamespace(returncode=3, stderr="Op type not registered 'X'", stdout="")
    monkeypatch.setattr(reload.subprocess, "run", lambda *_, **__: dying)
    with pytest.raises(ExportMismatch, match=r"only TensorFlow \(exit code 3\).*\n.*registered"):
        export(scores_only, tmp_path, page_sizes=(3,), **PARTS)
    assert list(tmp_path.iterdir()) == []


def test_scores_that_are_not_finite_are_refused(tmp_path):
    scores = np.array(SCORES, np.float32)
    scores[2, 3] = np.nan
    with pytest.raises(ExportMismatch, match=r"must be finite.*user_id index 2"):
        export(ServedModels(table_model("user_id", scores)), tmp_path, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_ops_that_a_server_lacks_are_refused(scores_only, tmp_path, monkeypatch):
    index = keras.Input((), dtype="int32", name="user_id")
    called = tf.numpy_function  # calls back into this very process

    @keras.saving.register_keras_serializable("tests")
    class Python(keras.layers.Layer):
        def call(self, x):
            found = called(lambda one: np.eye(6, dtype=np.float32)[one], [x], tf.float32)
            return tf.ensure_shape(found, (None, 6))

    model = ServedModels(keras.Model({"user_id": index}, {"scores": Python()(index)}))
    with pytest.raises(ValueError, match=r"TensorFlow Text.* Received: PyFunc.*Move them out"):
        export(model, tmp_path, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_models_with_wrong_outputs_are_refused(tmp_path):
    index = keras.Input((), dtype="int32", name="user_id")
    dense = keras.layers.Embedding(4, 6)(index)
    for outputs, received in (({"logits": dense}, r"\['logits'\]"), (dense, ".*Tensor")):
        model = ServedModels(keras.Model({"user_id": index}, outputs))
        with pytest.raises(ValueError, match=f"dict with 'scores'. Received: {received}"):
            export(model, tmp_path, **SMALL)
    narrow = ServedModels(table_model("user_id", [[1.0, 2.0]] * 4))
    with pytest.raises(ValueError, match=r"\(batch, 6\).* Received: \(None, 2\)"):
        export(narrow, tmp_path, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_texts_need_an_encoder_and_an_encoder_a_reader(models):
    with pytest.raises(ValueError, match=r"`encoder` and a model that reads .* reading: search"):
        ServedModels(models.score, search=models.search)
    with pytest.raises(ValueError, match="reading: none"):
        ServedModels(models.score, encoder=models.encoder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"page_sizes": (3, 6)}, r"`page_sizes` must be .* Received: \[3, 6\], 5 items"),
        ({"page_sizes": (0,)}, r"from 1 to .* Received: \[0\]"),
        ({"page_sizes": (2, 2)}, r"different numbers.* Received: \[2, 2\]"),
        ({"page_sizes": ()}, r"one or more .* Received: \[\]"),
        ({"version": 0}, r"`version` must be a positive whole number. Received: 0"),
        ({"version": True}, r"Received: True"),
        ({"user_ids": USERS[1:]}, r"`user_ids` must begin with ''.*Vocabulary.ids"),
        ({"item_ids": [""]}, r"`item_ids` must begin with ''.*at least one"),
        ({"item_ids": ["", *"aabcd"]}, r"`item_ids` must be distinct. Received: 'a'"),
        ({"titles": TITLES[1:]}, r"`titles` must have one entry.* 5 titles for 6 item ids"),
        ({"known": KNOWN[:, 1:]}, r"Received: \(4, 5\), expected \(4, 6\)"),
        ({"popularity": POPULARITY[1:]}, r"one value per item id.* shape \(5,\) for 6"),
        ({"popularity": POPULARITY * np.nan}, r"`popularity` must be finite. Received: nan at it"),
    ],
)
def test_arguments_that_do_not_fit(change, match, scores_only, tmp_path):
    arguments = {**SMALL, **change}
    with pytest.raises(ValueError, match=match):
        export(scores_only, tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_a_name_that_is_no_part_of_an_address_is_refused(scores_only, tmp_path):
    with pytest.raises(ValueError, match=r"named by letters, digits.* Received: 'my model'"):
        export(scores_only, tmp_path / "my model", **SMALL)
    assert list(tmp_path.iterdir()) == []
