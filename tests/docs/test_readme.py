"""The README keeps its word: its tables are the measured ones, its code and commands run."""

import pandas as pd
import pytest
import readme_tables
from checkout import ROOT
from written_pages import blocks, name_of

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.synthetic import generate

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", readme_tables.PAGES, ids=name_of)
def test_tables_are_those_of_the_measurements(page):
    text = page.read_text("utf-8")
    assert readme_tables.with_tables(text) == text, "run benchmarks/readme_tables.py"


def test_every_measurement_is_shown_and_has_rows():
    shown = {
        found["name"]
        for page in readme_tables.PAGES
        for found in readme_tables.MARKED.finditer(page.read_text("utf-8"))
        if not found["rows"]
    }
    shown -= set(readme_tables.FROM_CARDS)
    assert shown == {path.stem for path in readme_tables.RESULTS.glob("*.csv")}
    for name in shown:
        assert len(pd.read_csv(readme_tables.RESULTS / f"{name}.csv")) > 1


def block_with(words):
    return next(block for block in blocks(README, "python") if words in block)


def test_prebuilt_models_answer():
    scope = {}
    exec(compile(block_with("zoo.load("), "README.md", "exec"), scope)
    best = scope["model"].recommend("1")
    assert best["title"].tolist()[0] == "Back to the Future Part II" and set(best["source"]) == {
        "model"
    }


def test_wishes_find_what_is_said_of_them():
    found = zoo.load("ease.ml_latest_small").recommend(text="world war two submarine")["title"]
    assert {"Boot, Das (Boat, The)", "Crimson Tide"} <= set(found)


def test_the_example_trains_asks_and_exports_and_its_parts_work_alone(tmp_path, monkeypatch):
    tables = generate(30, 20, 300, seed=1)
    known = {"u01": "196", "u02": "22"}
    users = tables.interactions["user_id"].replace(known)
    ratings = tables.interactions.assign(user_id=users)
    ratings = ratings.rename(columns={"user_id": "userId", "item_id": "movieId"})
    ratings = ratings.replace({"movieId": {"i04": "50"}})
    movies = tables.items[["item_id", "title"]].rename(columns={"item_id": "movieId"})
    movies["movieId"] = movies["movieId"].replace({"i04": "50"})
    movies.loc[:2, "title"] = ["Toy Story (1995)", "Matrix, The (1999)", "Alien (1979)"]
    movies["genres"] = ["Comedy", "Drama|War"] * 10
    ratings[["userId", "movieId", "rating", "timestamp"]].to_csv(tmp_path / "ratings.csv")
    movies.to_csv(tmp_path / "movies.csv")
    monkeypatch.chdir(tmp_path)
    train, made = zoo.train, []
    small = {"epochs": 1, "refit": False, "dim": 8, "text_preset": "tiny_gpt2", "text_length": 8}

    def quickly(*arguments, **keywords):
        made.append(train(*arguments, **keywords, **small, progress=False))
        return made[0]

    monkeypatch.setattr(zoo, "train", quickly, raising=False)
    scope = {}
    exec(compile(block_with("ratings.csv"), "README.md", "exec"), scope)
    dramas = scope["model"].recommend(["196", "22"], exclude=["50"], where={"genres": "Drama"})
    assert set(dramas["genres"]) == {"Drama|War"} and set(dramas["user_id"]) == {"196", "22"}
    assert "50" not in set(dramas["item_id"])
    assert (tmp_path / "runs" / "mine" / "report.html").exists()
    assert (tmp_path / "savedmodels" / "mine" / "1" / "saved_model.pb").exists()
    exec(compile(block_with("pointwise("), "README.md", "exec"), scope)
    assert scope["ncf"].built and len(scope["indexed"].train) > 100


def test_every_model_is_named():
    for name in zoo.list_models():
        assert f"`{name}`" in README


def test_a_missing_measurement_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(readme_tables, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        readme_tables.markdown("nothing")
