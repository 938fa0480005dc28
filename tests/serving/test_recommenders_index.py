"""Indices of TensorFlow Recommenders: built in a process of their own, answered by ours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from checkout import child_environment
from command_line import answer, run
from nearest_parts import KNOWN, POPULARITY, SCORES, best

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.stock_ops import ops_of
from tfrec_fusion.serving.index.kinds import PROCESS
from tfrec_fusion.serving.index.recommenders_index import RecommendersIndex
from tfrec_fusion.serving.local.servable import Servable

# Every leaf is looked through, so that ScaNN finds what the exact search finds.
EXPORT = """
import sys
from nearest_parts import PARTS, VECTORS, query_models
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.index.recommenders_index import RecommendersIndex
from tfrec_fusion.serving.export.served import ServedModels
for kind in ("brute_force", "scann"):
    index = RecommendersIndex(VECTORS, kind, num_probes=1000)
    export(ServedModels(*query_models(), index), f"{sys.argv[1]}/{kind}", **PARTS)
for vectors, kind in ((VECTORS[:10], "scann"), (VECTORS, "annoy")):
    try: RecommendersIndex(vectors, kind)
    except ValueError as error: print(error)
"""


def in_its_own_process(*arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=child_environment(**PROCESS),
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A folder with an export a kind, and what was refused."""
    folder = tmp_path_factory.mktemp("recommenders")
    return folder, in_its_own_process("-c", EXPORT, folder)


@pytest.mark.parametrize("kind", ["brute_force", "scann"])
def test_answers_are_those_of_the_exact_search(kind, told):
    folder = told[0] / kind
    served = Servable(kind, 1, folder / "1")
    users, none = np.array([b"u3", b"u4", b"nobody"], object), np.array([[b""]] * 3, object)
    found = served.predict("recommend", {"user_id": users})["item_id"].astype(str).tolist()
    assert found[:2] == [best(SCORES[user], KNOWN[user].indices) for user in (3, 4)]
    assert found[2] == best(POPULARITY, [])
    allowed = np.array([[b"i30", b"i1"]] * 3, object)
    only = {"user_id": users, "exclude_item_ids": none, "allow_item_ids": allowed}
    named = served.predict("recommend_filtered", only)["item_id"].astype(str)
    assert set(named.ravel()) <= {"i30", "i1", ""} and "i30" in named[2]


def test_a_folder_says_which_server_it_needs(told):
    for kind, image in (
        ("scann", "google/tf-serving-scann"),
        ("brute_force", "tensorflow/serving"),
    ):
        (found,) = verify_folder(told[0] / kind)
        assert found.scann == (kind == "scann")
        assert f"image: {image}:" in (told[0] / kind / "docker-compose.yaml").read_text("utf-8")
    assert any(op.startswith("Scann>") for op in ops_of(told[0] / "scann" / "1"))


def test_what_cannot_be_built_is_refused(told):
    few, unknown = told[1].splitlines()
    assert "from 16 items or more. Received: 9." in few and "export without an index" in few
    assert unknown == "`kind` must be one of scann, brute_force. Received: 'annoy'."
    with pytest.raises(ImportError, match="needs TF_USE_LEGACY_KERAS=1 from the start"):
        RecommendersIndex(np.eye(20, 4))


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "scann" else name)
    refused = run("export", "run", "--to", tmp_path / "served", "--index", "scann", code=2).stderr
    assert "needs scann, for Linux: pip install" in refused


@pytest.mark.slow
def test_the_command_starts_the_process(tmp_path):
    generate(40, 30, 600, seed=6).interactions.to_csv(tmp_path / "interactions.csv", index=False)
    small = ("--dim", 8, "--history-length", 8, "--epochs", 2)
    run("train", "two_tower", "--data", tmp_path, "--out", tmp_path / "run", *small)
    floor = ("--index", "scann", "--recall-floor", 0.5)
    run("export", tmp_path / "run", "--to", tmp_path / "served", "-k", 3, "-k", 5, *floor)
    (found,) = answer("verify", tmp_path / "served")["versions"]
    assert found["scann"] and {"recommend_3", "recommend_5"} <= set(found["signatures"])
    assert "built with ScaNN" in run("verify", tmp_path / "served").stdout
    # What is refused in the other process is refused here.
    run("export", tmp_path / "run", "--to", tmp_path / "bad name", *floor, code=2)
