"""Exports that hold nothing of a single person, byte by byte; and what they still answer."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import subprocess
import zlib
from unittest import mock

import command_line
import httpx2
import keras
import numpy as np
import pytest
import tensorflow as tf
from browser import CHROMIUM, needs_browser, paragraph, shown, texts
from built_models import CASES, SIZES, built
from named_people import DATA, KNOWN
from served_parts import ITEMS, PARTS, POPULARITY, SCORES, TITLES, last_item_model
from serving_models import call_here, table_model
from tensorflow.core.protobuf import saved_model_pb2

from tfrec_fusion import zoo
from tfrec_fusion.serving.client import Client
from tfrec_fusion.serving.export import verification
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.exports.export_run import export_recommender, export_run
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import load_run, save_run

MARK = np.float32(1234.5678)  # what the users' vectors are made of


def baseline(name, **choices):
    return zoo.build(name, **choices).fit(KNOWN, DATA.item_texts())


def network(name, **choices):
    rng = np.random.default_rng(0)
    sizes = {"num_users": len(DATA.users), "num_items": len(DATA.items)}
    if name == "gpt2_hybrid":
        text, words = (rng.normal(size=(n, 12)) for n in (sizes["num_items"], sizes["num_users"]))
        choices |= {"item_text": text, "user_text": words, "text_components": 6}
    model = zoo.build(name, **sizes, dim=8, history_length=6, **choices)
    for layer in model.layers:
        if layer.name in ("users", "user_text"):
            table = layer.embeddings if layer.name == "users" else layer.vectors
            rows = keras.ops.convert_to_numpy(table).copy()
            rows[1:] = MARK
            table.assign(rows)
    return model


MODELS = {
    "ease": lambda: baseline("ease"),
    "ease, fading": lambda: baseline("ease", half_life=3.0, kept=4),
    "item_knn": lambda: baseline("item_knn", k=4),
    "two_tower": lambda: network("two_tower", num_layers=1),
    "gpt2_hybrid": lambda: network("gpt2_hybrid", num_layers=1, query="user_id+history"),
    "ensemble": lambda: Ensemble(
        {"ease": baseline("ease"), "user_knn": baseline("user_knn", k=5)},
        {"ease": 0.5, "user_knn": 0.5},
    ),
}


def recommender_of(model):
    names = (DATA.users, DATA.items, DATA.item_column("title"))
    return CatalogAnswers(model, *names, KNOWN, DATA.item_texts(), None, None)


def exported(model, folder, **choices):
    with mock.patch.object(verification, "call_in_clean_process", call_here):
        return export_recommender(recommender_of(model), folder, page_sizes=(3,), **choices)


def contents(folder):
    """Every file's bytes, and what is compressed in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, data
            for start in (at.start() for at in re.finditer(b"\x1f\x8b\x08", data)):
                yield path.name, gzip.decompress(data[start:])
            for start in (at.start() for at in re.finditer(b"\x78[\x01\x9c\xda]", data)):
                try:
                    yield path.name, zlib.decompressobj().decompress(data[start:])
                except zlib.error:
                    continue


def tensors(version):
    """Every tensor of a SavedModel: its variables, and the constants of its graphs."""
    checkpoint = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    for name in checkpoint.get_variable_to_shape_map():
        yield name, np.asarray(checkpoint.get_tensor(name))
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    for node in itertools.chain(graph.node, *(one.node_def for one in graph.library.function)):
        if node.op == "Const":
            yield node.name, tf.make_ndarray(node.attr["value"].tensor)


def traces(folder, version):
    """What in an export tells of single people."""
    found = []
    for name, data in contents(folder):
        found += [f"an id in {name}" for _ in re.findall(rb"person-..-unmistakable", data)]
        if MARK.tobytes() * 2 in data or np.float16(MARK).tobytes() * 4 in data:
            found.append(f"a user's vector in {name}")
    num_users, cells = len(DATA.users), KNOWN.matrix().nnz
    sizes = {num_users - 1, num_users, num_users + 1, len(DATA.items) + num_users, cells}
    for name, tensor in tensors(version):
        if tensor.dtype == object:
            found += [f"an id in {name}" for one in tensor.flat if b"unmistakable" in bytes(one)]
        if sizes & set(tensor.shape):
            found.append(f"rows of users in {name} {tensor.shape}")
        if tensor.dtype.kind == "f" and (np.abs(tensor - MARK) < 1).any():
            found.append(f"a user's vector in {name}")
    return found


SLOW = {"ease, fading", "item_knn", "two_tower"}


@pytest.mark.parametrize(
    "named", [pytest.param(one, marks=pytest.mark.slow if one in SLOW else ()) for one in MODELS]
)
def test_no_byte_of_an_export_without_users_tells_of_one(named, tmp_path):
    model, said = MODELS[named](), []
    folder = tmp_path / "served"
    report = exported(model, folder, without_users=True, say=said.append)
    assert traces(folder, report.path) == []
    assert {one.removesuffix("_3") for one in report.signatures} == {
        *("serving_default", "recommend_from_history", "recommend_from_history_filtered"),
        *(["similar_items"] if named != "ensemble" else []),
    }
    assert bool(said) == (named == "ensemble")
    history = DATA.items.ids[[3, 7]].tolist()
    expected = recommender_of(model).recommend_from_history(history, 3)
    for name in ("serving_default", "recommend_from_history_3"):
        (answer,) = call_here(report.path, [{"signature": name, "inputs": {"item_ids": [history]}}])
        assert answer["item_id"] == [expected["item_id"].tolist()]
        np.testing.assert_allclose(answer["score"], [expected["score"]], rtol=1e-5)
    (nobody,) = call_here(
        report.path, [{"signature": "serving_default", "inputs": {"item_ids": [["none"]]}}]
    )
    best = 1 + np.argsort(-KNOWN.item_counts[1:], kind="stable")[:3]
    assert nobody["item_id"] == [DATA.items.ids[best].tolist()]
    assert nobody["source"] == [["popularity"] * 3]


def test_the_search_finds_what_an_export_with_users_holds(tmp_path):
    model = MODELS["gpt2_hybrid"]()
    report = exported(model, tmp_path / "served")
    found = {re.sub(r" in .*", "", one) for one in traces(tmp_path / "served", report.path)}
    assert found == {"an id", "a user's vector", "rows of users"}
    for name in ("README.md", "docker-compose.yaml", "models.config"):
        assert "unmistakable" not in (tmp_path / "served" / name).read_text("utf-8")


@pytest.mark.parametrize("named", ["hybrid user", "evidence"])
def test_a_model_of_histories_holds_no_user_but_the_unknown_one(named):
    model = built(CASES[named])
    given = {"history": np.array([[0, 3, 5], [0, 0, 0]])}
    alone, asked = model.history_model(), model.history_model(asks_user=True)
    np.testing.assert_allclose(
        np.asarray(alone(given)["scores"]),
        np.asarray(asked({**given, "user_id": np.array([0, 0])})["scores"]),
        rtol=1e-5,
        atol=1e-6,
    )
    sizes = {SIZES["num_users"], SIZES["num_items"] + SIZES["num_users"]}
    assert any(sizes & set(one.shape) for one in asked.weights)
    assert not any(sizes & set(one.shape) for one in alone.weights)


@pytest.mark.slow
@pytest.mark.parametrize("named", CASES)
def test_no_model_of_histories_has_a_row_a_user(named):
    graph = built(CASES[named]).history_model()
    sizes = {SIZES["num_users"], SIZES["num_items"] + SIZES["num_users"]}
    assert graph is None or not any(sizes & set(one.shape) for one in graph.weights)


@pytest.mark.parametrize("name", ["popularity", "user_knn", "tfidf", "neumf"])
def test_a_model_that_reads_no_history_keeps_its_users(name, tmp_path):
    if name == "neumf":
        model = zoo.build(name, num_users=len(DATA.users), num_items=len(DATA.items))
    else:
        model = baseline(name)
    with pytest.raises(ValueError, match=r"answers users by their ids alone.*such as ease, item_"):
        export_recommender(recommender_of(model), tmp_path / "served", without_users=True)
    assert not (tmp_path / "served").exists()


# What serves such an export


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A verified export without users; every answer can be worked by hand."""
    folder = tmp_path_factory.mktemp("served") / "films"
    models = ServedModels(
        None, history=last_item_model(), similarity=table_model("item_id", [[9.0] * 6] * 6)
    )
    parts = {"item_ids": ITEMS, "titles": TITLES, "popularity": POPULARITY}
    export(models, folder, user_ids=None, known=None, page_sizes=(2,), **parts)
    return folder


def test_the_local_server_the_client_and_the_page_ask_what_is_there(films):
    with LocalServer(films, port=0, grpc_port=None) as server:
        with Client(server.url, "films") as client:
            found = client.recommend_from_history(["b", "a"])
            assert [(one.item_id, one.score, one.source) for one in found] == [
                ("c", 2.0, "model"),
                ("d", 1.0, "model"),
            ]
            with pytest.raises(ValueError, match=r"one of.* recommend_from_history,.*'recommend'"):
                client.recommend("ann")
        plain = {"inputs": {"item_ids": [["b", "a"]]}}
        answer = httpx2.post(f"{server.url}/v1/models/films:predict", json=plain).json()
        assert answer["outputs"]["item_id"] == [["c", "d"]]
        (listed,) = httpx2.get(f"{server.url}/playground/models").json()
        # The page shows a form for each of these; see test_playground.
        assert not {"recommend", "score", "search"} & set(listed["signatures"])
        assert {"recommend_from_history", "similar_items"} <= set(listed["signatures"])


@needs_browser
def test_the_page_has_no_form_for_users_and_answers_likes(films, tmp_path):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000"]
    with LocalServer(films, port=0, grpc_port=None) as server:
        address = f"{server.url}/#model=films&user=ann&like=b,a"
        done = subprocess.run(
            [*command, address], capture_output=True, text=True, timeout=120, check=True
        )
    html = re.sub(r"(?s)<(script|style)>.*?</\1>", "", done.stdout)
    assert not shown(html, "ask-user") and not shown(html, "ask-wish")
    assert shown(html, "ask-likes") and not paragraph(html, "wrong")
    assert texts(html, "title") == ["Casino", "Das Boot"]
    assert texts(html, "score") == ["score 2.00", "score 1.00"]


def test_its_folder_verifies_and_its_readme_asks_by_history(films):
    (found,) = verify_folder(films)
    assert "recommend" not in found.signatures and "serving_default" in found.signatures
    page = (films / "README.md").read_text("utf-8")
    assert "user_id" not in page and "this version holds no users" in page
    (line,) = [one for one in page.splitlines() if "curl" in one and "predict" in one]
    assert json.loads(line.split("-d ")[1].strip("'")) == {
        "signature_name": "recommend_from_history",
        "inputs": {"item_ids": [["b"]]},  # the most popular one
    }


def test_users_and_their_scores_are_left_out_together(tmp_path):
    of_users = ServedModels(table_model("user_id", SCORES))
    without = {**PARTS, "user_ids": None, "known": None}
    with pytest.raises(ValueError, match=r"go together\. Received: no user_ids"):
        export(of_users, tmp_path / "a", **without)
    with pytest.raises(ValueError, match=r"go together\. Received: no models.score"):
        export(ServedModels(None, history=last_item_model()), tmp_path / "a", **PARTS)
    with pytest.raises(ValueError, match=r"left out together\. Received: no known"):
        export(of_users, tmp_path / "a", **{**PARTS, "known": None})
    with pytest.raises(ValueError, match=r"`history` must be there"):
        ServedModels(None)


def test_the_command_leaves_them_out_and_names_the_versions_that_may_hold_some(
    tmp_path, monkeypatch
):
    run = tmp_path / "run"
    save_run(run, baseline("ease"), DATA, {"model": "ease"})
    monkeypatch.setattr(verification, "call_in_clean_process", call_here)
    command_line.run("export", run, "--to", tmp_path / "ease", "-k", 3)
    done = command_line.run("export", run, "--to", tmp_path / "ease", "-k", 3, "--without-users")
    assert "also holds version 1, which may hold users: remove" in done.stderr
    assert not traces(tmp_path / "ease" / "2", tmp_path / "ease" / "2")
    said = []
    export_run(
        load_run(run), tmp_path / "new", page_sizes=(3,), without_users=True, say=said.append
    )
    assert not said and not traces(tmp_path / "new", tmp_path / "new" / "1")
