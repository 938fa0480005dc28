"""`--data`: a data set by name, one that a program or another package describes, or a folder."""

import dataclasses

import pandas as pd
import pytest

from tfrec_fusion.data.sources import reading, registry
from tfrec_fusion.data.sources.layouts import Layout, Tables
from tfrec_fusion.data.sources.registry import (
    DataSource,
    get_source,
    register_source,
    source_names,
)
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.errors import WrongType


def test_a_public_data_set_is_read_from_the_local_copy(monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(reading, "load", lambda name, data_dir: read.append((name, data_dir)))
    reading.read_tables("movielens-100k", tmp_path)
    reading.read_tables("movielens-100k")
    assert read == [("movielens-100k", tmp_path), ("movielens-100k", None)]


def read_loans(files):
    rows = [line.split(";") for line in files["loans.txt"].decode().splitlines()]
    events = pd.DataFrame(rows, columns=["user_id", "item_id"])
    return Tables(events, pd.DataFrame({"item_id": ["b1", "b2"], "title": ["Emma", "Dune"]}))


LOANS = DataSource(
    name="town-library",
    summary="Loans of a town's library",
    license="CC BY 4.0",
    citation="The library",
    layouts=lambda: (Layout(("loans.txt",), read_loans),),
    local_copy="ask the library for loans.txt, and give its folder as --data-dir (`data_dir`)",
)


@pytest.fixture
def loans(monkeypatch):
    monkeypatch.setattr(registry._registry, "_added", {})
    register_source(LOANS)


def test_a_data_set_of_ones_own_is_read_by_its_name(loans, tmp_path):
    (tmp_path / "loans.txt").write_text("ann;b2\nbob;b1\n")
    data = reading.read_tables("town-library", tmp_path)
    assert data.interactions[["user_id", "item_id"]].to_numpy().tolist() == [
        ["ann", "b2"],
        ["bob", "b1"],
    ]
    assert (data.name, data.license, data.citation) == ("town-library", "CC BY 4.0", "The library")
    assert "town-library" in source_names()
    with pytest.raises(RuntimeError, match=r"What to do:\n  - ask the library for loans\.txt"):
        reading.read_tables("town-library")
    longer = dataclasses.replace(LOANS, summary="More loans")
    assert register_source(longer) is get_source("town-library") is longer  # a cell run again


def test_a_name_that_is_taken_is_refused():
    other = dataclasses.replace(LOANS, name="synthetic")
    with pytest.raises(ValueError, match=r"is a data source 'synthetic' already\. Choose another"):
        register_source(other)
    with pytest.raises(WrongType, match=r"`data_source` must be of DataSource\. Describe .*'loa"):
        register_source("loans")
    assert get_source("synthetic").make is not None


def test_what_is_neither_a_name_nor_a_folder_is_refused_with_the_names(tmp_path):
    with pytest.raises(ValueError, match=r"one of movielens-100k, .*, womens-clothing, or a fol"):
        reading.read_tables(str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"neither\. Did you mean 'womens-clothing'\?"):
        reading.read_tables("women-clothing")


def test_a_folder_that_is_called_like_a_data_set_is_not_confused(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthetic").mkdir()
    mine = generate(20, 10, 90)
    mine.interactions.to_csv("synthetic/interactions.csv", index=False)
    assert len(reading.read_tables("synthetic").interactions) == 20_000
    assert "read as the data set of that name. For your folder, write ./synthetic." in caplog.text
    assert len(reading.read_tables("./synthetic").interactions) == 90
    assert len(reading.read_tables(tmp_path / "synthetic").interactions) == 90
