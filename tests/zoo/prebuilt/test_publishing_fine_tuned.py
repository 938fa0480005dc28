"""A fine-tuned run that is published: its labels and its command go along; it is not retrained."""

import json
import shutil
from functools import partial

import pytest
from command_line import run
from fine_tuning_tables import BASE, MINE, NEW_ITEMS, QUICK, WHOLE, genres, read_genres
from package_folder import use, use_without_texts
from quick_training import without_graphs, without_pictures  # noqa: F401 (fixtures)

from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.zoo.prebuilt import publishing
from tfrec_fusion.zoo.prebuilt.card import Card
from tfrec_fusion.zoo.prebuilt.load import BrokenPackage, load
from tfrec_fusion.zoo.prebuilt.reproducing import reproduce
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.run import load_run, save_info
from tfrec_fusion.zoo.runs.train import train

publish = partial(publishing.publish, include_events=True)
LABELED = {"epochs": 1, "refit": False, "progress": False, "item_features": ("genres",)}
COMMAND = "tfrec-zoo fine-tune two_tower.base --data mine --out runs/mine"


def labeled(tables, name):
    """Tables whose items have one of three genres, the new items another one."""
    genre = dict(zip(WHOLE.items["item_id"], ["Drama", "War", "Drama|War"] * 8, strict=True))
    genre |= dict.fromkeys(NEW_ITEMS, "Action")
    items = tables.items.assign(genres=tables.items["item_id"].map(genre))
    return RecData(tables.interactions, items, name=name)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fine_tuned")
    base, mine = labeled(BASE, "base"), labeled(MINE, "mine")
    train("two_tower", base, folder / "base", dim=4, **LABELED)
    train("popularity", base, folder / "popularity")
    start = load_run(folder / "base")
    tuned = fine_tune(start, mine, folder / "tuned", command=COMMAND, **QUICK)
    of_popularity = fine_tune(load_run(folder / "popularity"), mine, folder / "beside")
    with pytest.MonkeyPatch.context() as patch:
        use_without_texts(folder, patch)
        publish("two_tower.base", [folder / "base"], [folder / "popularity"], text="A start.")
        publish("two_tower.mine", [tuned.folder], [of_popularity.folder], text="Fine-tuned.")
    return folder


@pytest.fixture
def in_use(published, monkeypatch):
    use(published, monkeypatch)
    return published


def test_its_labels_go_along_with_the_weights(in_use):
    start, tuned = load("two_tower.base").run, load("two_tower.mine").run
    assert start.features.labels == (("genres", "Drama"), ("genres", "War"))
    assert tuned.features.labels == (*start.features.labels, ("genres", "Action"))
    assert read_genres(tuned) == genres(labeled(MINE, "mine").items)


def test_a_published_model_with_labels_is_fine_tuned(in_use, tmp_path):
    start = load("two_tower.base").run
    tuned = fine_tune(start, labeled(MINE, "mine"), tmp_path / "again", **LABELED)
    assert read_genres(tuned) == read_genres(load("two_tower.mine").run)


def test_missing_labels_are_noticed(in_use):
    path = in_use / "weights" / "mine" / "item_columns.csv"
    kept = path.read_text("utf-8")
    path.write_text(kept.replace("Action", "Acting"), "utf-8")
    with pytest.raises(BrokenPackage, match=r"item_columns\.csv was changed: .* two_tower\.mine"):
        load("two_tower.mine")
    path.write_text(kept, "utf-8")


def test_its_card_names_the_start_and_its_command(in_use, tmp_path):
    card = Card.load(in_use / "cards" / "two_tower.mine.json")
    assert (card.start, card.command) == ("two_tower", COMMAND)
    assert Card.load(in_use / "cards" / "two_tower.base.json").start == ""
    with pytest.raises(ValueError, match="was fine-tuned from a two_tower, and `reproduce` trains"):
        reproduce("two_tower.mine", tmp_path)
    shown = run("reproduce", "two_tower.mine", "--out", tmp_path / "again", code=2)
    assert COMMAND in shown.output.replace("\n", " ")


def test_a_card_without_a_start_is_read_as_before(in_use, tmp_path):
    said = json.loads((in_use / "cards" / "two_tower.base.json").read_text("utf-8"))
    del said["start"]
    (tmp_path / "two_tower.base.json").write_text(json.dumps(said), "utf-8")
    assert Card.load(tmp_path / "two_tower.base.json").start == ""


def test_a_run_from_scratch_is_no_other_seed_of_a_fine_tuned_one(in_use, tmp_path):
    shutil.copytree(in_use / "tuned", tmp_path / "scratch")
    info = load_run(tmp_path / "scratch").info
    del info["start"]
    save_info(tmp_path / "scratch", info)
    with pytest.raises(ValueError, match="must have the same start"):
        publish("two_tower.both", [in_use / "tuned", tmp_path / "scratch"], [], text="Both.")
