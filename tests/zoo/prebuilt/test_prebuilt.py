"""Prebuilt models: published from runs, loaded and asked, refused where a file is not whole."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from command_line import answer, run
from package_folder import use
from published_run import publish
from quick_training import without_graphs, without_pictures  # noqa: F401 (fixtures)

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.files.checksums import checksums, sha256
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.language_models.folders import write_pooling
from tfrec_fusion.text.language_models.packaged_files import packaged_folder
from tfrec_fusion.zoo.prebuilt.card import Card, cards
from tfrec_fusion.zoo.prebuilt.card_updates import read_texts_again
from tfrec_fusion.zoo.prebuilt.load import BrokenPackage, load
from tfrec_fusion.zoo.prebuilt.reproducing import reproduce
from tfrec_fusion.zoo.runs.run import load_run, save_info
from tfrec_fusion.zoo.runs.train import train

TABLES = generate(num_users=30, num_items=20, num_interactions=400, seed=3)
CLASSICS = ("popularity", "ease")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name in CLASSICS:
        train(name, TABLES, folder / f"{name}-0", command=f"train {name}")
    for seed in (0, 1):
        options = {"seed": seed, "epochs": 1, "progress": False}
        train("two_tower", TABLES, folder / f"two_tower-{seed}", **options)
        members = [folder / "ease-0", folder / f"two_tower-{seed}"]
        run("ensemble", *members, "--out", folder / f"ensemble-{seed}")
    return folder


@pytest.fixture(scope="module")
def publications(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    beside = [runs / "popularity-0", runs / "ease-0"]
    with pytest.MonkeyPatch.context() as patch:
        use(folder, patch)
        for name, seeds in (("ease", (0,)), ("two_tower", (0, 1)), ("ensemble", (0, 1))):
            parts = [runs / f"{name}-{seed}" for seed in seeds]
            publish(f"{name}.toy", parts, beside, text=f"{name} of a toy", limits=["A toy."])
    return folder


@pytest.fixture
def published(publications, tmp_path, monkeypatch):
    """A copy that a test may break."""
    shutil.copytree(publications, tmp_path / "package")
    use(tmp_path / "package", monkeypatch)
    return tmp_path / "package"


ANSWER = ["item_id", "title", "score", "source"]


def assert_answered(received, expected, model, tolerance=0.01):
    """The same answers, and next to each the catalog's further columns."""
    answered = received[expected.columns.tolist()]
    pd.testing.assert_frame_equal(answered, expected, rtol=tolerance, atol=tolerance)
    columns = received.columns.tolist()
    assert (
        columns == [*expected.columns, *model.run.item_columns.columns] and columns[-1] == "genres"
    )
    genres = TABLES.items.set_index("item_id")["genres"]
    assert received["genres"].tolist() == genres[received["item_id"]].tolist()


@pytest.mark.parametrize("name", ["ease", "two_tower", "ensemble"])
def test_it_answers_as_its_run_does(published, runs, name, tmp_path):
    model, trained = load(f"{name}.toy"), load_run(runs / f"{name}-0")
    for user in (model.users[0], "nobody"):
        expected = trained.recommender.recommend(user, 5)
        assert_answered(model.recommend(user, k=5), expected, model)
    history = trained.items.ids[[3, 1, 2]].tolist()
    titles = trained.titles[[3, 1, 2]].tolist()
    expected = trained.recommender.recommend_from_history(history, 5)
    for given in (history, titles, [title.upper() for title in titles]):
        assert_answered(model.recommend(history=given, k=5), expected, model)
    assert model.similar(titles[0], 3).columns.tolist() == ["item_id", "title", "score", "genres"]
    assert f"{name}.toy: {name} of a toy" in repr(model)
    assert model.keras_model.output is not None
    assert len(model.items) == len(trained.items) - 1
    assert model.card.name == f"{name}.toy" and model.model is model.run.model
    assert model.metrics["ndcg@10"] == model.card.metrics["ndcg@10"][0]
    saved = zoo.load_run(model.save(tmp_path / "saved"))
    assert type(saved) is type(model) and saved.card is None
    expected = model.recommend(history=history, k=5)[ANSWER]
    assert_answered(saved.recommend(history=titles, k=5), expected, saved, tolerance=1e-5)
    assert saved.metrics == model.metrics and saved.info["data"] == model.info["data"]
    with pytest.raises(FileExistsError, match="saved"):
        model.save(tmp_path / "saved")


def test_a_card_says_what_was_measured(published, runs):
    card = cards()["two_tower.toy"]
    seeds = [load_run(runs / f"two_tower-{seed}").info["test"]["ndcg@10"] for seed in (0, 1)]
    mean, low, high = card.metrics["ndcg@10"]
    assert mean == pytest.approx(np.mean(seeds), abs=1e-5)
    assert low < min(seeds) and max(seeds) < high
    assert set(card.beside) == set(CLASSICS)
    assert card.beside["ease"]["ndcg@10"][0] == pytest.approx(
        load_run(runs / "ease-0").info["test"]["ndcg@10"], abs=1e-5
    )
    assert "A toy." in card.limits
    assert any("as popular as" in one for one in card.limits)
    assert card.size == (published / "weights" / "toy" / "two_tower.safetensors").stat().st_size
    table = zoo.list_models(pretrained=True)
    assert table["name"].tolist() == ["ease.toy", "ensemble.toy", "two_tower.toy"]
    assert answer("list", "--pretrained", "--json")["models"][0]["name"] == "ease.toy"
    again = published / "again.json"
    card.save(again)
    assert Card.load(again) == card


def test_it_is_trained_again_and_compared(published, tmp_path, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.reproducing.read_tables", lambda *_: TABLES)
    found = reproduce("ensemble.toy", tmp_path / "again")
    assert found.agrees
    assert {one.name for one in (tmp_path / "again").iterdir()} == {
        "ease.toy-0",
        "two_tower.toy-0",
        "ensemble.toy-0",
    }
    args = ("reproduce", "two_tower.toy", "--out", tmp_path / "again")
    assert answer(*args)["metrics"]["ndcg@10"] == pytest.approx(
        load_run(tmp_path / "again" / "two_tower.toy-0").info["test"]["ndcg@10"]
    )
    path = published / "cards" / "two_tower.toy.json"
    said = json.loads(path.read_text())
    said["metrics"]["ndcg@10"] = [0.9, 0.89, 0.91]
    path.write_text(json.dumps(said))
    shown = run("reproduce", "two_tower.toy", "--out", tmp_path / "again", code=1)
    assert "OUTSIDE" in shown.stdout


def test_it_is_not_trained_again_on_other_data(published, tmp_path, monkeypatch):
    fewer = replace(TABLES, interactions=TABLES.interactions[:-1])
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.reproducing.read_tables", lambda *_: fewer)
    with pytest.raises(
        ValueError, match=r"must be the data of ease.toy, with the checksum [0-9a-f]"
    ):
        reproduce("ease.toy", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_changed_byte_and_a_missing_file_are_named(published):
    path = published / "weights" / "toy" / "two_tower.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BrokenPackage, match=r"two_tower.safetensors was .* two_tower.toy is read"):
        load("two_tower.toy")
    with pytest.raises(BrokenPackage, match=r"two_tower.safetensors was .* ensemble.toy is read"):
        load("ensemble.toy")  # one of its members
    shown = run("recommend", "two_tower.toy", "--user-id", "1", code=2)
    assert "two_tower.toy is read from it. Install tfrec-fusion" in " ".join(shown.output.split())
    path.unlink()
    with pytest.raises(BrokenPackage, match=r"two_tower.safetensors is missing\. two_tower.toy"):
        load("two_tower.toy")
    assert len(load("ease.toy").recommend("nobody"))


def test_a_wish_is_read_and_ordered_by_taste(published):
    model = load("ease.toy")
    third = model.items.iloc[2]
    found = model.recommend(text=third["text"], k=4)
    assert found["item_id"].iloc[0] == third["item_id"]
    assert found["score"].iloc[0] == pytest.approx(1, abs=1e-3)
    found, by_taste = (
        model.recommend(user, text=third["text"], k=19) for user in (None, model.users[0])
    )
    assert sorted(by_taste["item_id"]) == sorted(found["item_id"])
    assert by_taste["score"].tolist() != sorted(by_taste["score"], reverse=True)


def test_it_says_why(published):
    model = load("two_tower.toy")
    known = model.run.recommender.known.user
    user, sated = (model.users[one - 1] for one in np.bincount(known)[1:].argsort()[[0, -1]] + 1)
    best = model.recommend(user, k=1).iloc[0]
    for why in (model.explain(user), model.explain(user, best["title"])):
        assert why.item_id == best["item_id"] and len(why.history)
    with pytest.raises(ValueError, match="'nobody' is not known"):
        model.explain("nobody")
    assert model.recommend(sated).empty
    with pytest.raises(ValueError, match=r"knows every item. Name the one"):
        model.explain(sated)


def test_commands_take_a_name_for_a_run(published, runs):
    model = load("ease.toy")
    user, item = model.users[0], model.items["item_id"].iloc[0]
    for given in ("ease.toy", runs / "ease-0"):
        said = answer("recommend", given, "--history", item, "-k", 3)
        assert len(said["items"]) == 3
    assert answer("explain", "ease.toy", "--user-id", user, "--item-id", item)["history"]
    shown = run("recommend", "eases.toy", "--user-id", user, code=2)
    assert "prebuilt model of `list --pretrained`" in shown.output


def test_what_cannot_be_asked_is_said(published):
    with pytest.raises(ValueError, match=r"no prebuilt model 'two_towers\.toy'\. Did you mean"):
        load("two_towers.toy")
    model = load("ease.toy")
    for asked in ({}, {"user_id": "1", "history": ["2"]}, {"history": ["2"], "text": "robots"}):
        with pytest.raises(ValueError, match="Give `user_id`, or `history`, or `text`"):
            model.recommend(**asked)
    title = model.items["title"].iloc[0]
    with pytest.raises(ValueError, match=r"neither an id nor a title.*Did you mean"):
        model.recommend(history=[title + "ee"])


def test_a_query_is_not_read_by_another_encoder(published, tmp_path, monkeypatch):
    card = Card.load(published / "cards" / "ease.toy.json")
    encoder = TextEncoder("tiny_gpt2", max_length=32)
    assert card.reader == {
        "preset": "tiny_gpt2",
        "max_length": 32,
        "fingerprint": encoder.fingerprint,
        "files": checksums(packaged_folder("tiny_gpt2")),
        "texts": "toy/texts.safetensors",
    }
    texts = load("ease.toy").items
    found = load("ease.toy").recommend(text=texts["text"].iloc[3], k=1)
    assert found["item_id"].tolist() == [texts["item_id"].iloc[3]]
    model = load("ease.toy")
    copied = shutil.copytree(packaged_folder("tiny_gpt2"), tmp_path / "tiny_gpt2")
    write_pooling(copied, "last", 128)
    with monkeypatch.context() as patch:
        patch.setattr(
            "tfrec_fusion.text.language_models.packaged_files.packaged_folder",
            lambda preset: copied,
        )
        for ask in (lambda: load("ease.toy"), lambda: model.recommend(text="robots", k=1)):
            with pytest.raises(BrokenPackage, match=r"1_Pooling/config.json was changed: .*Insta"):
                ask()
    monkeypatch.setattr("tfrec_fusion.text.encoding.encoder.VERSION", 0)
    with pytest.raises(BrokenPackage, match=r"read by another tiny_gpt2 .*the card says .*Install"):
        model.recommend(text="robots", k=1)


def test_a_title_of_several_items_is_not_guessed(published):
    path = published / "weights" / "toy" / "catalogue.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[1, "title"] = table.loc[0, "title"]
    table.to_csv(path, index=False)
    for card in (published / "cards").glob("*.json"):
        said = json.loads(card.read_text())
        said["files"] = {}
        card.write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"title of several items: .*Give the id of one"):
        load("ease.toy").similar(table.loc[0, "title"])


def test_a_catalog_that_quotes_otherwise_is_the_same(published, runs):
    path = published / "weights" / "toy" / "catalogue.csv"
    pd.read_csv(path, dtype=str).to_csv(path, index=False)  # as it was written before
    bare = path.read_bytes()
    card = publish("ease.toy", [runs / "ease-0"], [], text="again")
    assert path.read_bytes() == bare and card.files["toy/catalogue.csv"] == sha256(path)
    path.write_text(path.read_text().replace("1", "I", 1))
    with pytest.raises(ValueError, match=r"catalogue.csv is not .*another folder .* by --folder"):
        publish("ease.toy", [runs / "ease-0"], [], text="no")


def test_runs_that_do_not_belong_together_are_refused(published, runs):
    with pytest.raises(ValueError, match=r"a dot and a tag.*Received: '../two_tower'"):
        publish("../two_tower", [runs / "two_tower-0"], [], text="no")
    with pytest.raises(ValueError, match="must have the same model"):
        publish("two_tower.toy", [runs / "two_tower-0", runs / "ease-0"], [], text="no")
    (published / "weights" / "toy" / "users.json").write_text("[]")
    with pytest.raises(ValueError, match=r"users.json is not .*ease.toy, ensemble.toy, two_tow"):
        publish("ease.toy", [runs / "ease-0"], [], text="no")


def both(runs, other, folder):
    """An ensemble of what most people took and, nearly alone, of another run."""
    run("ensemble", runs / "popularity-0", other, "--scale", "scores", "--out", folder)
    said = load_run(folder).info | {"weights": {"popularity": 0.001, "two_tower": 0.999}}
    save_info(folder, said)
    return folder


def test_members_are_prebuilt_models_by_the_names_of_their_runs(published, runs, tmp_path):
    publish("popularity.toy", [runs / "popularity-0"], [], text="what most took")
    unnamed = both(runs, runs / "two_tower-1", tmp_path / "unnamed")
    with pytest.raises(ValueError, match=r"Publish the members it was made of first"):
        publish("both.toy", [unnamed], [], text="no")  # two_tower.toy is of seed 0
    shutil.copytree(runs / "two_tower-1", tmp_path / "two_tower.toy_too-0")
    publish("two_tower.toy_too", [runs / "two_tower-1"], [], text="another seed", folder="toy")
    named = both(runs, tmp_path / "two_tower.toy_too-0", tmp_path / "named")
    card = publish("both.toy", [named], [], text="both")
    assert dict(card.members) == {"popularity.toy": 0.001, "two_tower.toy_too": 0.999}
    assert "runs/two_tower.toy_too-0 --scale scores --out runs/both.toy-0" in card.command
    assert len(load("both.toy").recommend("nobody", k=3)) == 3


def test_weights_that_lose_too_much_replace_nothing(published, runs, monkeypatch):
    folder = published / "weights" / "toy"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.publishing.TOLERANCE", -1.0)
    with pytest.raises(ValueError, match=r"must keep the NDCG@10 of .*two_tower-1 within -1.0"):
        publish("two_tower.toy", [runs / "two_tower-1"], [], text="no")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert len(load("two_tower.toy").recommend("nobody"))


def test_catalogs_are_read_anew_for_another_language_model(published, monkeypatch):
    monkeypatch.setattr("tfrec_fusion.zoo.prebuilt.query_texts.READER_LENGTH", 3)
    (path,) = read_texts_again()
    assert path.parent == published / "weights" / "toy"
    assert [one.name for one in path.parent.glob("texts*")] == [path.name]
    for name in cards():
        assert len(load(name).recommend(text="a western", k=3)) == 3


def test_a_card_of_another_version_is_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"name": "a"}')
    with pytest.raises(ValueError, match="is no card: it lacks architecture"):
        Card.load(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="is no sound JSON"):
        Card.load(path)
