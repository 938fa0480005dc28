import json

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.data.features import LabelFeatures, multi_hot
from tfrec_fusion.data.sources.folder import load_folder
from tfrec_fusion.data.tables.rec_data import RecData, checksum

TABLE = pd.DataFrame(
    {"genres": ["Drama|War", "", None], "year": ["1995", "1995", "2001"], "no": ""}
)


def test_labels_of_all_columns_side_by_side_with_none_for_the_unseen_item():
    received = multi_hot(TABLE, ["genres", "year"])
    assert received.dtype == "float32"
    assert received.tolist() == [[0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_unknown_and_empty_columns_are_refused():
    with pytest.raises(
        ValueError, match=r"columns of the catalog, genres, year, no\. Received: 'x"
    ):
        multi_hot(TABLE, ["x"])
    with pytest.raises(ValueError, match=r"Column 'no' of the catalog holds no label"):
        multi_hot(TABLE, ["no"])


def test_new_labels_follow_the_old_ones_of_every_column():
    old = LabelFeatures.from_table(TABLE, ["genres", "year"])
    new = pd.DataFrame({"genres": ["Action|War"], "year": ["1980"], "no": ""})
    grown = LabelFeatures.from_table(pd.concat([TABLE, new]), ["genres", "year"], old.labels)
    assert grown.labels == (
        ("genres", "Drama"),
        ("genres", "War"),
        ("year", "1995"),
        ("year", "2001"),
        ("genres", "Action"),
        ("year", "1980"),
    )
    received = grown.multi_hot()
    assert received[:4, :4].tolist() == old.multi_hot().tolist()
    assert received[:4, 4:].sum() == 0
    assert received[4].tolist() == [0, 1, 0, 0, 1, 1]


def test_a_label_that_is_gone_keeps_its_feature():
    old = LabelFeatures.from_table(TABLE, ["genres"])
    rest = LabelFeatures.from_table(TABLE[1:2].assign(genres="War"), ["genres"], old.labels)
    assert rest.multi_hot().tolist() == [[0, 0], [0, 1]]


GENRES = [["Action", "Comedy"], ["Comedy"], [], ["Drama"]]


@pytest.mark.parametrize(
    "cells",
    [
        ["Action|Comedy", "Comedy", None, "Drama"],
        ["Action | Comedy", " Comedy ", " ", "Drama"],
        GENRES,
        [tuple(one) for one in GENRES],
        [set(one) for one in GENRES],
        [np.array(one, object) for one in GENRES],
        [["Action", None, "Comedy"], ["Comedy", ""], None, ["Drama"]],
        [[b"Action", b"Comedy"], b"Comedy", None, "Drama"],
    ],
)
def test_lists_are_lists_of_labels(cells):
    frame = pd.DataFrame({"genres": pd.Series(cells, dtype=object)})
    features = LabelFeatures.from_table(frame, ["genres"])
    assert [label for _, label in features.labels] == ["Action", "Comedy", "Drama"]
    assert features.multi_hot()[1:].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    items = frame.assign(item_id=["a", "b", "c", "d"])
    kept = RecData(EVENTS, items).items["genres"]  # as a run keeps it
    again = LabelFeatures.from_table(pd.DataFrame({"genres": kept}), ["genres"], features.labels)
    assert again.multi_hot().tolist() == features.multi_hot().tolist()


EVENTS = pd.DataFrame({"user_id": "u", "item_id": ["a", "b", "c", "d"]})


def test_lists_of_parquet_become_joined_labels_and_a_run_may_have_them(tmp_path, caplog):
    lists = {"genres": [["Rock|Pop", "R&B"], ["R&B"], [], None], "size": [[1, 2.0], [2], [3], []]}
    lists["box"] = [{"w": 1, "h": [2]}, None, None, None]
    frame = pd.DataFrame({"item_id": ["a", "b", "c", "d"], **lists})
    frame.to_parquet(tmp_path / "items.parquet")
    EVENTS.to_parquet(tmp_path / "interactions.parquet")
    data = load_folder(tmp_path)
    assert data.items["genres"].fillna("").tolist() == ["Rock/Pop|R&B", "R&B", "", ""]
    assert data.items["size"].tolist() == ["1|2", "2", "3", ""]
    assert RecData(EVENTS, frame.rename(columns={"size": 7})).items[7][0] == "1|2"
    assert json.loads(data.items["box"][0]) == {"w": 1, "h": [2]}
    assert "items.genres: '|' in 1 labels of lists replaced by '/'" in caplog.text
    assert len(checksum(data)) == 64


def test_whole_numbers_are_written_as_one_label():
    table = pd.DataFrame({"year": [1995.0, None, 1996.0, 1995.0]})
    assert LabelFeatures.from_table(table, ["year"]).labels == (("year", "1995"), ("year", "1996"))
    same = multi_hot(pd.DataFrame({"year": ["1995.0", "1995"]}), ["year"])
    assert same.tolist() == [[0], [1], [1]]


PRICES = [f"{price / 100:.2f}" for price in range(999, 2000, 25)]
REFUSED = {
    "floats": ([float(price) for price in PRICES] * 3, "41 numbers or dates, such as '9.99'"),
    "texts of floats": (PRICES * 3, "41 numbers or dates, such as '9.99'.*pd.qcut"),
    "a few fractions": (["12.99", "7.49"] * 20, "2 numbers or dates, such as '12.99'"),
    "whole numbers": (list(range(11)) * 9, "11 numbers or dates, such as '0'"),
    "currency": ([f"${price}" for price in PRICES] * 3, r"such as '\$9.99'"),
    "decimal commas": ([one.replace(".", ",") for one in PRICES] * 3, "such as '9,99'"),
    "units": ([f"{price} kg" for price in PRICES] * 3, "such as '9.99 kg'"),
    "some missing": ([*PRICES, "N/A"] * 3, "such as '9.99'"),
    "dates": (["2024-01-31", "2024-02-01"] * 20, "numbers or dates, such as '2024-01-31'"),
    "datetimes": (pd.to_datetime(["2024-01-31"] * 20), "numbers or dates, such as '2024-01-31"),
    "titles": ([f"title {n}" for n in range(40)], "labels that items share.*40 labels in 40 items"),
    "nearly unique": ([f"t{n}" for n in range(18)] + ["t0", "t1"], "18 labels in 20 items"),
    "commas": (["Action, Comedy", "Action", "Drama"], r"separated by ','.*'Action, Comedy'"),
    "semicolons": (["Action;Comedy", "Action;Drama"], r"separated by ';'.*--label-separator ';'"),
    "slashes": (["Action / Comedy", "Comedy"], r"separated by '/'"),
    "text of lists": (["['Action', 'Comedy']", "['Drama']"], "list that was written as text"),
    "JSON": (['["Action", "Comedy"]', "[]"], "list that was written as text.*in a Parquet file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_columns_that_hold_no_labels_are_refused(name):
    cells, message = REFUSED[name]
    with pytest.raises(ValueError, match=rf"Column 'x' of the catalog .*{message}"):
        multi_hot(pd.DataFrame({"x": cells}), ["x"])


ACCEPTED = {
    "codes": ([0, 1, 2] * 5, ["0", "1", "2"]),
    "decades": (["80s", "90s", "00s"] * 5, ["00s", "80s", "90s"]),
    "aisles": ([f"A{n}" for n in range(30)] * 2, sorted(f"A{n}" for n in range(30))),
    "truth": ([True, False] * 5, ["False", "True"]),
    "names with commas": (["Health, Beauty", "Tools"] * 5, ["Health, Beauty", "Tools"]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_columns_of_labels_are_taken(name):
    cells, labels = ACCEPTED[name]
    found = LabelFeatures.from_table(pd.DataFrame({"x": cells}), ["x"])
    assert [label for _, label in found.labels] == labels


def test_what_is_taken_as_it_is_written_is_said(caplog):
    multi_hot(pd.DataFrame({"x": ["Health, Beauty", "Tools"], "y": [1, 2]}), ["x", "y"])
    assert "',' in 1 labels, such as 'Health, Beauty', is taken as part of the label" in caplog.text
    assert "2 whole numbers are taken as labels without an order" in caplog.text


def test_the_separator_may_be_given():
    table = pd.DataFrame({"x": ["Action, Comedy", "Action", "A|B"]})
    split = LabelFeatures.from_table(table, ["x"], separator=",")
    assert [label for _, label in split.labels] == ["A/B", "Action", "Comedy"]
    assert split.multi_hot()[1].tolist() == [0, 1, 1]
    whole = LabelFeatures.from_table(table[:2], ["x"], separator="|")
    assert [label for _, label in whole.labels] == ["Action", "Action, Comedy"]


def test_labels_that_a_model_has_are_not_refused_again():
    old = LabelFeatures.from_table(pd.DataFrame({"x": ["1", "2"]}), ["x"])
    more = pd.DataFrame({"x": [str(n) for n in range(1, 30)]})
    assert LabelFeatures.from_table(more, ["x"], old.labels).labels[:2] == old.labels
