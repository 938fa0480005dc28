"""Ensembles: the arithmetic by hand, weights found on validation, commands and export."""

import json
import shutil

import numpy as np
import pytest
from command_line import answer, run

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.layers.ensemble import CombinedScores
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run

SCORES = np.array([[[9.0, 1.0, 2.0, 3.0]], [[9.0, 50.0, 20.0, 10.0]]], np.float32)


def test_standard_scores_by_hand():
    one, other = SCORES[:, 0, 1:]
    expected = 0.25 * (one - one.mean()) / one.std() + 0.75 * (other - other.mean()) / other.std()
    received = CombinedScores([1, 3])(SCORES).numpy()
    np.testing.assert_allclose(received, [[0, *expected]], rtol=1e-5)


def test_reciprocal_ranks_by_hand():
    received = CombinedScores([3, 1], "ranks")(SCORES).numpy()
    best, second, third = 61 / 61, 61 / 62, 61 / 63
    expected = [0, (3 * third + best) / 4, second, (3 * best + third) / 4]
    np.testing.assert_allclose(received, [expected], rtol=1e-6)


def test_a_models_scale_does_not_matter():
    stretched = SCORES * np.array([1000.0, 0.001], np.float32)[:, None, None] + 7
    for scale in ("scores", "ranks"):
        layer = CombinedScores([1, 1], scale)
        np.testing.assert_allclose(layer(stretched), layer(SCORES), atol=1e-4)


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2], [np.nan, 1]])
def test_unsound_weights_are_refused(weights):
    with pytest.raises(ValueError, match="not all of them 0"):
        CombinedScores(weights)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one of scores, ranks"):
        CombinedScores([1, 1], "logits")
    with pytest.raises(ValueError, match=r"of 3 models. Received: 2"):
        CombinedScores([1, 1, 1])(SCORES)
    data = index_data(generate(20, 15, 200, seed=1))
    ease = zoo.build("ease").fit(data.train)
    with pytest.raises(ValueError, match=r"needs two members. Received: ease"):
        Ensemble({"ease": ease}, {"ease": 1.0})
    with pytest.raises(ValueError, match="must name the members ease, other"):
        Ensemble({"ease": ease, "other": ease}, {"ease": 1.0})


def test_members_without_histories_or_similarity_are_left_out():
    data = index_data(generate(20, 15, 200, seed=1))
    users, items = len(data.users), len(data.items)
    gmf = zoo.build("gmf", num_users=users, num_items=items)
    ease = zoo.build("ease").fit(data.train)
    both = Ensemble({"gmf": gmf, "ease": ease}, {"gmf": 0.9, "ease": 0.1})
    history = np.array([[0, 3, 5]])
    alone = np.asarray(ease.history_model()({"history": history})["scores"])[:, 1:]
    received = np.asarray(both.history_model()({"history": history})["scores"])[:, 1:]
    np.testing.assert_array_equal(np.argsort(-alone), np.argsort(-received))
    only_gmf = Ensemble({"gmf": gmf, "ease": ease}, {"gmf": 1.0, "ease": 0.0})
    assert only_gmf.history_model() is None


def write_tables(folder, seed):
    tables = generate(80, 40, 1500, seed=seed)
    folder.mkdir()
    tables.interactions.to_parquet(folder / "interactions.parquet")
    tables.items.to_parquet(folder / "items.parquet")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    top = tmp_path_factory.mktemp("runs")
    write_tables(top / "data", seed=3)
    common = ["--data", top / "data"]
    answer("train", "ease", "--out", top / "ease", *common)
    answer("train", "popularity", "--out", top / "popularity", *common)
    network = ["--dim", 8, "--history-length", 8, "--num-layers", 1, "--epochs", 4]
    answer("train", "two_tower", "--out", top / "two_tower", *network, *common)
    members = [top / name for name in ("ease", "two_tower", "popularity")]
    answer("ensemble", *members, "--out", top / "ensemble")
    return top


def test_an_ensemble_is_a_run_like_any_other(runs, tmp_path):
    made = load_run(runs / "ensemble")
    assert sum(made.info["weights"].values()) == pytest.approx(1)
    member = json.loads((runs / "two_tower" / "run.json").read_text())
    best = member["training"]["validation"]["ndcg@10"]
    assert made.info["training"]["validation"]["ndcg@10"] >= best - 1e-6
    assert answer("evaluate", runs / "ensemble")["test"] == pytest.approx(made.info["test"])
    user = made.users.ids[1]
    items = answer("recommend", runs / "ensemble", "--user-id", user)["items"]
    assert len(items) == 10
    exported = answer("export", runs / "ensemble", "--to", tmp_path / "served")
    assert exported["max_abs_difference"] < 1e-5
    rows = [row["model"] for row in made.info["rows"]]
    assert rows[-4:] == ["ease", "two_tower", "popularity", "ensemble"]


def test_an_ensemble_does_not_need_its_members_runs(runs, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(runs / "ensemble", alone)
    users = {"user_id": np.arange(5, dtype=np.int32)}
    both = [load_run(folder) for folder in (runs / "ensemble", alone)]
    np.testing.assert_array_equal(
        *(one.model.score_model(one.known_at_test)(users)["scores"] for one in both)
    )
    (alone / "members" / "ease" / "model.npz").unlink()
    with pytest.raises(BrokenRun, match=r"members/ease/model\.npz is missing"):
        load_run(alone)


def test_runs_that_do_not_fit_are_refused(runs, tmp_path):
    out = ["--out", tmp_path / "out"]
    assert "needs two runs. Received: 1" in run("ensemble", runs / "ease", *out, code=2).output
    again = ["ensemble", runs / "ease", runs / "popularity", "--out", runs / "ensemble"]
    assert "holds a finished run already" in run(*again, code=2).output
    write_tables(tmp_path / "data", seed=4)
    answer("train", "popularity", "--data", tmp_path / "data", "--out", tmp_path / "other")
    refused = run("ensemble", runs / "ease", tmp_path / "other", *out, code=2).output
    assert "same data and split" in refused and "checksum" in refused
    shutil.copytree(runs / "two_tower", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "training")
    refused = run("ensemble", runs / "ease", tmp_path / "bare", *out, code=2).output
    assert "the model before its refit" in refused
    assert not (tmp_path / "out").exists()
