"""The README keeps its word: its tables are the measured ones, its code and commands run."""

import re
from pathlib import Path

import pandas as pd
import pytest
import readme_tables

from tfrec_fusion.data.synthetic import generate
from zoo.__main__ import cli
from zoo.registry import list_models

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("page", readme_tables.PAGES, ids=lambda page: page.parent.name)
def test_tables_are_those_of_the_measurements(page):
    text = page.read_text("utf-8")
    assert readme_tables.with_tables(text) == text, "run benchmarks/readme_tables.py"


def test_every_measurement_is_shown_and_has_rows():
    shown = {
        name
        for page in readme_tables.PAGES
        for name in re.findall(r"<!-- table (\S+) -->", page.read_text("utf-8"))
    }
    shown.remove(readme_tables.CARDS)
    assert shown == {path.stem for path in readme_tables.RESULTS.glob("*.csv")}
    for name in shown:
        assert len(pd.read_csv(readme_tables.RESULTS / f"{name}.csv")) > 1


def block_with(words):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if words in block)


@pytest.mark.parametrize("wishes", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_prebuilt_models_answer(wishes):
    lines = block_with("zoo.load(").splitlines()
    scope = {}
    for line in lines:  # a wish needs MiniLM, which reads the whole catalogue first
        if wishes or "text=" not in line:
            exec(compile(line, "README.md", "exec"), scope)
    assert scope["model"].recommend("1").shape == (10, 3)


def test_the_example_trains_on_a_table_of_that_layout(tmp_path, monkeypatch):
    names = {"user_id": "userId", "item_id": "movieId"}
    frame = generate(30, 20, 300, seed=1).interactions.rename(columns=names)
    frame[["userId", "movieId", "rating", "timestamp"]].to_csv(tmp_path / "ratings.csv")
    monkeypatch.chdir(tmp_path)
    code = block_with("ratings.csv")
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["model"].built and len(scope["data"].train) > 100


def test_every_command_and_model_is_named():
    for command in set(re.findall(r"python -m zoo ([\w-]+)", README)):
        assert command in cli.commands
    for name in list_models():
        assert f"`{name}`" in README


def test_a_missing_measurement_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(readme_tables, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError):
        readme_tables.markdown("nothing")
