"""Folders of tables: which files are read, how literally, and what is said when they are not."""

import pandas as pd
import pytest

from tfrec_fusion.data.sources.folder import load_folder
from tfrec_fusion.data.tables.rec_data import checksum

EVENTS = "user_id,item_id,rating,timestamp\n007,NA,4.5,100\n8,None,3,200\n"
ITEMS = "item_id,title,text,zip\nNA,None,about,00123\nNone,null,nan,\n"


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, "utf-8")


def test_csv_is_read_as_it_is_written(tmp_path):
    write(
        tmp_path,
        interactions=EVENTS,
        items=ITEMS,
        users="user_id,age\n007,\n8,30\n",
        graph="head_id,relation_id,tail_id\nNA,is,1\n",
    )
    data = load_folder(tmp_path)
    assert data.name == tmp_path.name
    assert data.interactions["user_id"].tolist() == ["007", "8"]
    assert data.interactions["item_id"].tolist() == ["NA", "None"]
    assert data.interactions["rating"].tolist() == [4.5, 3.0]
    assert data.interactions["timestamp"].tolist() == [100, 200]
    assert data.items["title"].tolist() == ["None", "null"]
    assert data.items["text"].tolist() == ["about", "nan"]
    assert data.items["zip"].tolist() == ["00123", ""]
    assert data.users["age"].tolist() == ["", "30"]
    assert data.graph.to_numpy().tolist() == [["NA", "is", "1"]]


def test_the_three_formats_hold_the_same(tmp_path):
    folders = [tmp_path / name for name in ("plain", "gzip", "parquet")]
    for folder in folders:
        folder.mkdir()
    write(folders[0], interactions=EVENTS, items=ITEMS)
    data = load_folder(folders[0])
    data.interactions.to_csv(folders[1] / "interactions.csv.gz", index=False)
    data.items.to_csv(folders[1] / "items.csv.gz", index=False)
    data.interactions.to_parquet(folders[2] / "interactions.parquet")
    data.items.to_parquet(folders[2] / "items.parquet")
    assert {checksum(load_folder(folder)) for folder in folders} == {checksum(data)}


def test_parquet_ids_may_be_numbers(tmp_path):
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": [10.0, 20.0]})
    frame.to_parquet(tmp_path / "interactions.parquet")
    assert load_folder(tmp_path).interactions.to_numpy().tolist() == [["1", "10"], ["2", "20"]]


def test_without_items_the_catalog_is_what_occurs(tmp_path, caplog):
    write(tmp_path, interactions=EVENTS)
    (tmp_path / "item.csv").write_text(ITEMS)
    assert load_folder(tmp_path).items["item_id"].tolist() == ["NA", "None"]
    assert "holds no items" in caplog.text and "item.csv, interactions" not in caplog.text
    assert "Found: interactions.csv, item.csv" in caplog.text


def test_a_missing_folder_or_table_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*none\. Give one that holds"):
        load_folder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"holds no interactions\. Received: an empty fol"):
        load_folder(tmp_path)
    (tmp_path / "ratings.csv").write_text(EVENTS)
    with pytest.raises(FileNotFoundError, match=r"Received: ratings.csv\. Expected: interactions"):
        load_folder(tmp_path)
    with pytest.raises(NotADirectoryError, match=r"ratings.csv is a file"):
        load_folder(tmp_path / "ratings.csv")


def test_two_files_for_one_table_are_refused(tmp_path):
    write(tmp_path, interactions=EVENTS, items=ITEMS)
    pd.DataFrame({"item_id": ["1"]}).to_parquet(tmp_path / "items.parquet")
    with pytest.raises(ValueError, match=r"`items` more than once: items.csv and items.parquet"):
        load_folder(tmp_path)


def test_errors_name_the_folder(tmp_path):
    write(tmp_path, interactions=EVENTS.replace("007", ""), items=ITEMS)
    with pytest.raises(ValueError, match=rf"{tmp_path.name}: `interactions.user_id` must hold ids"):
        load_folder(tmp_path)
    write(tmp_path, interactions=EVENTS)
    (tmp_path / "items.csv").unlink()
    (tmp_path / "items.parquet").write_bytes(b"not parquet")
    with pytest.raises(ValueError, match=r"items.parquet is not a readable parquet file"):
        load_folder(tmp_path)


def test_a_damaged_gzip_is_said(tmp_path):
    (tmp_path / "interactions.csv.gz").write_bytes(b"no gzip at all")
    with pytest.raises(ValueError, match=r"interactions.csv.gz is not a sound compressed file"):
        load_folder(tmp_path)
