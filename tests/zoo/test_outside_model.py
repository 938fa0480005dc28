"""A model from a file outside of the package is taken by every command."""

import importlib
import json
import re
import sys

import pandas as pd
import pytest
from checkout import ROOT
from command_line import answer, run
from quick_training import without_graphs  # noqa: F401 (fixture)

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.testing import check_model
from tfrec_fusion.training.fit import fit
from tfrec_fusion.zoo import registry

PLUGIN = ("--plugin", ROOT / "tests" / "support" / "sasrec.py")
SMALL = ("--embedding-dim", 8, "--num-blocks", 1, "--history-length", 8, "--epochs", 2)


@pytest.fixture(scope="module", autouse=True)
def sasrec():
    """The module, registered as long as these tests run."""
    module = importlib.import_module("sasrec")
    yield module
    registry._models._added.pop("sasrec", None)
    sys.modules.pop("sasrec", None)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    made = generate(30, 24, 420, seed=1)
    made.interactions.to_csv(folder / "interactions.csv", index=False)
    made.items.to_csv(folder / "items.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def runs(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    given = ("--data", tables, "--out")
    run(*PLUGIN, "train", "sasrec", *given, folder / "sasrec", *SMALL)
    run(*PLUGIN, "train", "ease", *given, folder / "ease")
    return folder


def test_the_report_shows_it_next_to_the_baselines(runs):
    rows = json.loads((runs / "sasrec" / "run.json").read_text("utf-8"))["rows"]
    assert [row["model"] for row in rows][-1] == "sasrec" and len(rows) == 3
    page = (runs / "sasrec" / "report.html").read_text("utf-8")
    assert "sasrec" in page and "NDCG@10" in page.upper()


def test_it_recommends_unseen_items_and_says_why(runs):
    model = zoo.load_run(runs / "sasrec")
    found = answer(*PLUGIN, "recommend", runs / "sasrec", "--user-id", "u01", "-k", 3)["items"]
    assert [one["item_id"] for one in found] == model.recommend("u01", 3)["item_id"].tolist()
    why = answer(*PLUGIN, "explain", runs / "sasrec", "--user-id", "u01", "-k", 8)
    assert why["item_id"] == found[0]["item_id"]
    effects = {one["item_id"]: one["effect"] for one in why["history"]}
    seen = model.answers.known.histories(8)[1]
    assert set(effects) == set(model.run.items.id_of(seen[seen > 0]))


def test_it_is_a_member_of_an_ensemble(runs, tmp_path):
    members = (runs / "sasrec", runs / "ease")
    run(*PLUGIN, "ensemble", *members, "--out", tmp_path / "both")
    info = json.loads((tmp_path / "both" / "run.json").read_text("utf-8"))
    assert set(info["members"]) == {"sasrec", "ease"}
    assert sum(info["weights"].values()) == pytest.approx(1)
    assert {"sasrec", "ease", "ensemble"} <= {row["model"] for row in info["rows"]}


def test_it_learns_a_new_user_and_is_exported(runs, tables, tmp_path):
    events = pd.read_csv(tables / "interactions.csv")
    mine = events[events["user_id"] == "u01"].assign(user_id="me").head(6)
    mine["timestamp"] += 1
    (tmp_path / "mine").mkdir()
    mine.to_csv(tmp_path / "mine" / "interactions.csv", index=False)
    grown = tmp_path / "grown"
    given = ("--data", tmp_path / "mine", "--out", grown, "--epochs", 1)
    run(*PLUGIN, "fine-tune", runs / "sasrec", *given)
    assert zoo.load_run(grown).users == [*zoo.load_run(runs / "sasrec").users, "me"]
    done = run(*PLUGIN, "export", grown, "--to", tmp_path / "served" / "sasrec")
    assert (tmp_path / "served" / "sasrec" / "1" / "saved_model.pb").exists(), done.output


def test_without_the_file_the_name_and_the_remedy_are_said(runs, tmp_path):
    record = (runs / "sasrec" / "run.json").read_text("utf-8")
    (tmp_path / "run.json").write_text(re.sub(r'"model": "sasrec"', '"model": "sasrek"', record))
    done = run("evaluate", tmp_path, code=2)
    assert "'sasrek'" in done.stderr and "--plugin" in done.stderr


def test_it_keeps_the_contract(sasrec, tmp_path, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", fit)  # as for its author
    small = {"embedding_dim": 8, "num_blocks": 1, "history_length": 8, "dropout": 0.0}
    run = check_model(sasrec.SPEC, tmp_path, **small)
    assert run.model.candidate_vectors().shape == (len(run.items), 9)
    assert "sasrec" in zoo.list_models() and not sasrec.__name__.startswith("tfrec_fusion")


def test_the_page_shows_the_file_that_is_tested(sasrec):
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    shown = re.search(r"<!-- sasrec -->\n```python\n(.*?)```", page, re.DOTALL)[1]
    assert shown == (ROOT / "tests" / "support" / "sasrec.py").read_text("utf-8")
    assert len(shown.splitlines()) <= 65 and sasrec.SPEC is zoo.get_spec("sasrec")
