"""`zoo.read`: tables from a data set's name, a folder, or data frames, and what it refuses."""

import pandas as pd
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.errors import InvalidInput, WrongType

ORDERS = pd.DataFrame({"customer": ["C-7", "C-9"], "sku": ["A1", "B2"], "stars": [5, 3]})
PRODUCTS = pd.DataFrame({"sku": ["A1", "B2", "C3"], "name": ["Lamp", "Desk", "Chair"]})
NAMES = {"user_id": "customer", "item_id": "sku", "rating": "stars"}


def test_frames_are_read_with_their_own_column_names():
    tables = zoo.read(ORDERS, PRODUCTS, title="name", **NAMES)
    assert tables.interactions["user_id"].tolist() == ["C-7", "C-9"]
    assert tables.interactions["rating"].tolist() == [5.0, 3.0]
    assert tables.items["title"].tolist() == ["Lamp", "Desk", "Chair"]


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_folder_is_read_with_the_options_of_its_files(kind, tmp_path):
    frame = ORDERS.rename(columns={"customer": "user_id", "sku": "item_id", "stars": "rating"})
    frame.to_csv(tmp_path / "interactions.csv", index=False, sep=";")
    tables = zoo.read(kind(tmp_path), sep=";")
    assert tables.interactions["item_id"].tolist() == ["A1", "B2"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (["C-7"],),
            WrongType,
            r"must be a pandas DataFrame .* Received: \['C-7'\], of",
        ),
        ((None,), WrongType, "Received: None, of the type NoneType"),
        (("movielens-100k", PRODUCTS), InvalidInput, "`items` must come with a data frame of"),
        (("movielens",), InvalidInput, "Did you mean 'movielens-100k'"),
    ],
)
def test_what_holds_no_tables_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        zoo.read(*arguments)


def test_training_reads_frames_alike(tmp_path):
    events = pd.DataFrame(
        {"user_id": [u for u in "abcdef" for _ in range(5)], "item_id": [*"vwxyz"] * 6}
    )
    model = zoo.train(events, "popularity", tmp_path / "run")
    assert model.items["item_id"].tolist() == [*"vwxyz"]
    with pytest.raises(WrongType, match="`data` must be a pandas DataFrame"):
        zoo.train([1], "popularity", tmp_path / "other")
