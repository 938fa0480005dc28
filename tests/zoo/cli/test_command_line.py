"""The commands as a user runs them, on small tables of their own."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from command_line import answer, run
from older_run import without_checksums
from quick_training import without_graphs  # noqa: F401 (fixture)
from reference_run import assert_measured
from serving_models import call_here

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.serving.export import verification
from tfrec_fusion.training.fit import fit
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run

SMALL = {
    "gmf": ["--gmf-dim", "8", "--epochs", "2"],
    "neumf": ["--mlp-units", "16,8", "--epochs", "2"],  # trains gmf and mlp too
    "two_tower": ["--dim", "8", "--history-length", "8", "--epochs", "2", "--item-features=genres"],
}


@pytest.fixture(scope="module")
def tables():
    return generate(40, 30, 600, seed=6)


@pytest.fixture(scope="module")
def folder(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tables.interactions.to_csv(folder / "interactions.csv.gz", index=False)
    tables.items.to_parquet(folder / "items.parquet")
    return folder


@pytest.fixture(scope="module")
def ease_run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ease"
    run("train", "ease", "--data", folder, "--out", out, "--l2", 50)
    return out


def test_list_names_every_model():
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == zoo.list_models()
    assert "popularity       most popular items" in lines
    rows = answer("list")["models"]
    assert [row["name"] for row in rows] == zoo.list_models()
    assert {row["name"]: row for row in rows}["ease"]["parameters"]["l2"] == 200.0


@pytest.mark.parametrize("command", ["train", "evaluate", "recommend", "similar", "export", "demo"])
def test_every_command_has_help(command):
    assert "Usage: " in run(command, "--help").output


@pytest.mark.parametrize("name", ["popularity", "user_knn", "item_knn", "tfidf"])
def test_baselines_train_through_the_same_command(name, folder, tables, tmp_path):
    trained = answer("train", name, "--data", folder, "--out", tmp_path / "run")
    assert_measured(trained["test"], tmp_path / "run", tables.interactions)
    assert trained["rows"][-1]["model"] == name
    assert trained["rows"][-1]["metrics"] == trained["test"]
    again = answer("evaluate", tmp_path / "run")
    assert_measured(again["test"], tmp_path / "run", tables.interactions)


@pytest.mark.slow
def test_parts_may_train_longer_than_what_starts_from_them(folder, tmp_path):
    epochs = ["--epochs", 1, "--part-epochs", 2, "--no-refit"]
    out = tmp_path / "run"
    run("train", "neumf", "--data", folder, "--out", out, "--mlp-units", "16,8", *epochs)
    logs = (out / "training").glob("*/training.csv")
    trained = {log.parent.name: len(log.read_text().splitlines()) - 1 for log in logs}
    parts = {"choose_epochs-gmf": 2, "choose_epochs-mlp": 2}
    assert trained == {**parts, "choose_epochs-neumf": 1}


@pytest.mark.parametrize("name", [pytest.param("neumf", marks=pytest.mark.slow), "two_tower"])
def test_networks_train_answer_and_export(name, folder, tables, tmp_path, monkeypatch):
    out = tmp_path / "run"
    trained = answer("train", name, "--data", folder, "--out", out, *SMALL[name])
    history = trained["training"]["history"]
    assert len(history["loss"]) == 2
    validated = {n: one for n, one in enumerate(history["val_ndcg@10"], 1) if one is not None}
    assert trained["training"]["best_epoch"] == max(validated, key=validated.get)
    for said in (trained, answer("evaluate", out)):
        assert_measured(said["test"], out, tables.interactions)
    user = tables.interactions["user_id"].iloc[0]
    items = answer("recommend", out, "--user-id", user, "-k", 5)["items"]
    known = tables.interactions.query("user_id == @user")["item_id"]
    assert len(items) == min(5, 30 - len(known))
    assert not {item["item_id"] for item in items} & set(known)
    assert [item["score"] for item in items] == sorted((i["score"] for i in items), reverse=True)
    exported = answer("export", out, "--to", tmp_path / "served", "-k", 3)
    assert exported["version"] == 1 and exported["max_abs_difference"] <= 1e-5
    assert "similar_items" in exported["signatures"]
    (verified,) = answer("verify", tmp_path / "served")["versions"]
    assert set(verified["signatures"]) == set(exported["signatures"])
    assert verified["labels"] == ["canary", "stable"] and verified["max_abs_difference"] <= 1e-5
    assert "version 1 is stable" in run("promote", tmp_path / "served").stdout
    monkeypatch.setattr(verification, "call_in_clean_process", call_here)
    floor = ("--index", "bfloat16", "--recall-floor", 0.5)
    indexed = ("export", out, "--to", tmp_path / "served", "-k", 3, *floor)
    if name == "neumf":
        assert "NCF has no item vectors" in run(*indexed, code=2).stderr
    else:
        indexed = run(*indexed)
        assert "1 of 1 lists are looked through; recall@10" in indexed.stderr
        assert f"on the test part instead of {trained['test']['ndcg@10']:.4f}" in indexed.stderr
        assert "served/2: serving_default" in indexed.stdout
    refused = run("verify", tmp_path, code=2).stderr
    assert refused.startswith("Error: ") and "holds no version" in refused


@pytest.fixture(scope="module")
def killed_gmf(folder, tmp_path_factory):
    """The folder of a training that was killed before its run was written, then gone on with."""
    out = tmp_path_factory.mktemp("runs") / "gmf"
    arguments = ["train", "gmf", "--data", folder, "--out", out, *SMALL["gmf"]]

    def killed(*arguments, **settings):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfrec_fusion.zoo.runs.train.save_run", killed)
        told = run(*arguments, code=130).stderr
    assert told.endswith(
        "\nInterrupted. The same command resumes after the last epoch that was finished.\n"
    )
    assert not (out / "run.json").exists()
    logged = (out / "training" / "refit-gmf" / "training.csv").read_text()
    run(*arguments)
    return out, logged


def test_training_again_after_a_kill_goes_on(killed_gmf, tables):
    out, logged = killed_gmf
    assert len(logged.splitlines()) == 1 + 2
    assert (out / "training" / "refit-gmf" / "training.csv").read_text() == logged
    said = json.loads((out / "run.json").read_text())
    assert_measured(said["test"], out, tables.interactions)


def test_a_mirrored_strategy_trains_through_the_same_command(
    killed_gmf, folder, tables, tmp_path, monkeypatch
):
    monkeypatch.setattr("tfrec_fusion.zoo.runs.network_trainer.fit", fit)  # replicas need graphs
    arguments = ["--data", folder, "--strategy", "mirrored", *SMALL["gmf"]]
    trained = answer("train", "gmf", "--out", tmp_path / "mirrored", *arguments)
    alone = json.loads((killed_gmf[0] / "run.json").read_text())
    assert trained["options"]["strategy"] == "mirrored"
    assert_measured(trained["test"], tmp_path / "mirrored", tables.interactions)
    losses = (one["training"]["history"]["loss"] for one in (trained, alone))
    first, second = map(np.array, losses)  # of other draws of negatives; an epoch takes off 4e-3
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_a_catalog_of_fewer_items_than_a_list_is_trained_on(tmp_path):
    generate(9, 8, 50, seed=1).interactions.to_csv(tmp_path / "interactions.csv", index=False)
    for name, more in (("ease", ()), ("gmf", ("--epochs", 1, "--gmf-dim", 4))):
        found = answer("train", name, "--data", tmp_path, "--out", tmp_path / name, *more)
        assert set(found["test"]) == {"ndcg@10", "mrr@10"}
        assert found["notes"][0].startswith("The catalog has 8 items, so a list of 10 holds all")


def test_a_folder_begun_with_another_plan_is_refused(folder, tmp_path):
    out = tmp_path / "run"
    run("train", "ease", "--data", folder, "--out", out)
    (out / "run.json").unlink()
    refused = run("train", "ease", "--data", folder, "--out", out, "--l2", 7, code=2).stderr
    assert "hyperparameters: --l2 was 200.0, is now 7.0." in refused
    refused = run("train", "ease", "--data", folder, "--out", out, "--seed", 3, code=2).stderr
    assert (
        "beginning of another training" in refused and "options: --seed was 0, is now 3." in refused
    )
    other = tmp_path / "other"
    other.mkdir()
    generate(40, 30, 500, seed=6).interactions.to_csv(other / "interactions.csv", index=False)
    refused = run("train", "ease", "--data", other, "--out", out, code=2).stderr
    assert "the data changed (checksum " in refused and "`" not in refused
    run("train", "ease", "--data", folder, "--out", out)


def test_a_folder_whose_training_was_refused_is_free_for_another(folder, tmp_path):
    out = tmp_path / "run"
    for arguments, message in (
        (["ease", "--l2", 0], "--l2 must be above 0"),
        (["multi_task", "--sources=id"], "has none: 434 events, no column `text`"),
        (
            ["multi_task", "--sources=id", "--tasks=stars"],
            "'stars' is not one of 'rating', 'sentiment', ",
        ),
    ):
        refused = run("train", *arguments, "--data", folder, "--out", out, code=2)
        assert message in refused.stderr and not out.exists()
    run("train", "ease", "--data", folder, "--out", out)


def test_a_run_folder_says_how_it_came_about(ease_run):
    info = json.loads((ease_run / "run.json").read_text())
    assert info["model"] == "ease" and info["hyperparameters"]["l2"] == 50
    assert len(info["data"]["checksum"]) == 64 and "by time per user" in info["data"]["split"]
    assert {"python", "tensorflow", "keras"} <= set(info["versions"])
    assert "<svg" in (ease_run / "report.html").read_text()
    table = pd.read_csv(ease_run / "metrics.csv")
    assert table["model"].tolist() == ["popularity (classic)", "ease (classic)", "ease"]


def test_recommend_and_similar_print_titles(ease_run, tables):
    user, item = tables.interactions[["user_id", "item_id"]].iloc[0]
    titles = tables.items.set_index("item_id")["title"]
    recommender = load_run(ease_run).recommender
    for arguments, expected in (
        (("recommend", ease_run, "--user-id", user), recommender.recommend(user, 2)),
        (("similar", ease_run, "--item-id", item), recommender.similar(item, 2)),
    ):
        assert item not in set(expected["item_id"])
        shown = run(*arguments, "-k", 2).stdout.splitlines()
        lines = enumerate(zip(expected["item_id"], expected["score"], strict=True), 1)
        assert shown == [f"{n:3}. {titles[one]}  [{one}]  {score:.3f}" for n, (one, score) in lines]


def test_a_new_user_is_offered_what_is_popular(ease_run, tables):
    result = run("recommend", ease_run, "--user-id", "nobody", "-k", 1)
    assert "User 'nobody' was never seen" in result.stderr
    counts = tables.interactions["item_id"].value_counts()
    most = sorted(counts[counts == counts.max()].index)
    assert result.stdout.strip().split("[")[1].startswith(most[0])


def test_data_without_timestamps_says_how_it_is_split(tables, tmp_path):
    tables.interactions.drop(columns="timestamp").to_csv(tmp_path / "interactions.csv", index=False)
    result = run("train", "popularity", "--data", tmp_path, "--out", tmp_path / "run")
    assert "at random per user (no timestamps; seed 0)" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "magic"], "Received: 'magic'."),
        (["train", "ease", "--data", "nowhere", "--out", "x"], "which is neither"),
        (["train", "ease", "--out", "x"], "Missing option '--data'"),
        (["train", "ease", "--data", "d", "--out", "x", "--l2", "big"], "not a valid float"),
        (["train", "mlp", "--data", "d", "--out", "x", "--mlp-units", "a"], "such as 64,32,16"),
        (["train", "multi_task", "--loss-weight", "rating=abc"], "such as rating=0.1"),
        (["train", "multi_task", "--balance", "magic"], "'magic' is not one of 'fixed'"),
        (["recommend", "nowhere", "--user-id", "1"], "There is no run folder nowhere"),
        (["serve", "savedmodels", "--port", "-1"], "-1 is not in the range 0<=x<=65535"),
        (["serve", "savedmodels", "--grpc-port", "99999"], "99999 is not in the range"),
        (["sing"], "No such command 'sing'"),
    ],
)
def test_bad_usage_exits_with_two_and_one_clear_message(arguments, message):
    result = run(*arguments, code=2)
    assert message in result.stderr and "Traceback" not in result.stderr


def test_refusals_name_what_is_wrong(ease_run, folder, tmp_path):
    refused = run("recommend", ease_run, "--user-id", "u1", "-k", 31, code=2).stderr
    assert "Received: k=31, 30 items" in refused
    refused = run("similar", ease_run, "--item-id", "nothing", code=2).stderr
    assert "'nothing' is neither an id nor a title of the catalog" in refused
    refused = run("train", "ease", "--data", folder, "--out", ease_run, code=2).stderr
    assert "holds a finished run already" in refused
    refused = run("export", ease_run, "--to", tmp_path / "m", "-k", 99, code=2).stderr
    assert "each from 1 to the number of items. Received: [99], 30 items" in refused
    refused = run("train", "ease", "--data", folder, "--out", tmp_path / "r", "--l2", 0, code=2)
    assert "--l2 must be above 0" in refused.stderr
    popularity = tmp_path / "popularity"
    run("train", "popularity", "--data", folder, "--out", popularity)
    refused = run("similar", popularity, "--item-id", "i01", code=2).stderr
    assert "no notion of similar items" in refused


@pytest.mark.parametrize("name", ["users.json", "catalogue.csv", "events.npz", "model.npz"])
def test_a_run_with_a_missing_file_names_it(name, ease_run, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(ease_run, broken)
    (broken / name).unlink()
    with pytest.raises(BrokenRun, match=rf"{name} is missing \(present: .*train again with"):
        load_run(broken)
    (broken / name).write_bytes(b"\x00 not what it should be")
    with pytest.raises(BrokenRun, match=rf"{name} was changed: .*train again with --out"):
        load_run(broken)
    without_checksums(broken)
    with pytest.raises(BrokenRun, match=f"{name} cannot be read"):
        load_run(broken)


def test_an_unfinished_run_is_no_run(ease_run, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(ease_run, broken)
    (broken / "run.json").unlink()
    assert "not a finished run: run.json is missing" in run("evaluate", broken, code=2).stderr


def test_demo_compares_exports_and_asks(tables, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.cli.demonstration.DEMO_MODELS", ("popularity", "ease"))
    monkeypatch.setattr(verification, "call_in_clean_process", call_here)
    user = tables.interactions["user_id"].iloc[0]
    result = run("demo", "--out", tmp_path, "--data", folder, "--user-id", user)
    assert f"What should user {user} watch? " in result.output and "  1. " in result.output
    assert (tmp_path / "report.html").exists()
    again = run("demo", "--out", tmp_path, "--data", folder, "--user-id", user, "--json")
    assert "ease: trained already" in again.stderr
    shown = json.loads(again.stdout)
    assert [row["model"] for row in shown["rows"]] == ["popularity", "ease"]
    best = max(shown["rows"], key=lambda row: row["metrics"]["ndcg@10"])["model"]
    assert shown["best"] == best and shown["export"].endswith(f"/{best}/2")
    expected = load_run(tmp_path / best).recommender.recommend(user, 10)
    assert [item["item_id"] for item in shown["items"]] == expected["item_id"].tolist()
    scores = [item["score"] for item in shown["items"]]
    assert scores == pytest.approx(expected["score"].tolist(), rel=1e-5)
    assert {item["source"] for item in shown["items"]} == {"model"}
    new = run("demo", "--out", tmp_path, "--data", folder, "--user-id", "nobody")
    assert "User nobody was never seen: these are popular items" in new.stderr + new.stdout


def test_recommender_keeps_the_unseen_index_out(ease_run):
    recommender = load_run(ease_run).recommender
    user = recommender.users.ids[1]
    everything = recommender.recommend(user, 30)
    known = recommender.known.matrix()[1].nnz
    assert len(everything) == 30 - known and "" not in set(everything["item_id"])
    assert isinstance(recommender.users, Vocabulary)
    taken = recommender.known.item[recommender.known.user == 1]
    scores = np.sum([recommender.model.similar(int(one)) for one in taken], axis=0)
    rows = recommender.items.index(everything["item_id"])
    np.testing.assert_allclose(everything["score"], scores[rows], rtol=1e-5, atol=1e-6)
