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


def test_tables_are_those_of_the_measurements():
    assert readme_tables.with_tables(README) == README, "run benchmarks/readme_tables.py"


def test_every_marked_table_has_rows():
    for name in re.findall(r"<!-- table (\S+) -->", README):
        assert len(pd.read_csv(ROOT / "benchmarks" / "results" / f"{name}.csv")) > 1


def test_the_example_trains_on_a_table_of_that_layout(tmp_path, monkeypatch):
    names = {"user_id": "userId", "item_id": "movieId"}
    frame = generate(30, 20, 300, seed=1).interactions.rename(columns=names)
    frame[["userId", "movieId", "rating", "timestamp"]].to_csv(tmp_path / "ratings.csv")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
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
