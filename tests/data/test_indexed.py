"""Tables as index arrays: every row keeps what belongs to it, in whatever order tables come."""

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.split import Split, cold_item
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.data.vocabulary import Vocabulary

COLUMNS = ("user", "item", "rating", "timestamp", "text")
EVENTS = pd.DataFrame(
    [
        ("bob", "heat", 1.0, 30, "too long"),
        ("ann", "alien", 5.0, 20, "great"),
        ("bob", "alien", 4.0, 10, "fine"),
        ("ann", "zorro", 2.0, 10, "dull"),
        ("ann", "heat", 3.0, 10, "so so"),
        ("bob", "zorro", 5.0, 20, "fun"),
    ],
    columns=["user_id", "item_id", "rating", "timestamp", "text"],
)
ITEMS = pd.DataFrame(
    {
        "item_id": ["zorro", "brazil", "heat", "alien"],  # nobody took brazil
        "title": ["Z", "B", "H", "A"],
        "text": ["masks", "ducts", "banks", "space"],
    }
)
PEOPLE = pd.DataFrame({"user_id": ["bob", "ann"], "age": [50, 20]})
DATA = RecData(EVENTS, ITEMS, PEOPLE)
LATE_FIRST = Split(EVENTS.iloc[[0, 1]], EVENTS.iloc[[3, 5]], EVENTS.iloc[[2, 4]], "by hand")


@pytest.fixture(scope="module")
def indexed():
    return index_data(DATA, LATE_FIRST)


def rows(events):
    return list(zip(*(getattr(events, name).tolist() for name in COLUMNS), strict=True))


def test_each_part_holds_its_own_rows(indexed):
    assert rows(indexed.train) == [(1, 1, 5, 20, "great"), (2, 3, 1, 30, "too long")]
    assert rows(indexed.validation) == [(1, 4, 2, 10, "dull"), (2, 4, 5, 20, "fun")]
    assert rows(indexed.test) == [(1, 3, 3, 10, "so so"), (2, 1, 4, 10, "fine")]


def test_merged_parts_are_in_order_of_time_with_their_own_ratings_and_texts(indexed):
    assert rows(indexed.train_and_validation) == [
        (1, 4, 2, 10, "dull"),
        (1, 1, 5, 20, "great"),
        (2, 4, 5, 20, "fun"),
        (2, 3, 1, 30, "too long"),
    ]
    at_once = Events.from_frame(EVENTS, indexed.users, indexed.items)
    assert rows(indexed.everything) == rows(at_once)


def test_the_catalog_and_the_users_are_in_index_order(indexed):
    assert indexed.items.ids.tolist() == ["", "alien", "brazil", "heat", "zorro"]
    assert indexed.item_table["item_id"].tolist() == indexed.items.ids[1:].tolist()
    assert indexed.item_column("title").tolist() == ["", "A", "B", "H", "Z"]
    assert indexed.users.ids.tolist() == ["", "ann", "bob"]
    assert indexed.user_table["age"].tolist() == [20, 50]


def test_every_item_but_the_unseen_one_may_be_recommended(indexed):
    assert indexed.candidates.tolist() == [False, True, True, True, True]


def test_ids_of_an_earlier_run_keep_their_indices():
    known = Vocabulary(["bob"]), Vocabulary(["heat", "zorro"])
    indexed = index_data(DATA, LATE_FIRST, known=known)
    assert indexed.users.ids.tolist() == ["", "bob", "ann"]
    assert indexed.items.ids.tolist() == ["", "heat", "zorro", "alien", "brazil"]
    assert indexed.item_column("title").tolist() == ["", "H", "Z", "A", "B"]
    assert indexed.user_table["age"].tolist() == [50, 20]
    assert rows(indexed.train) == [(1, 1, 1, 30, "too long"), (2, 3, 5, 20, "great")]


def test_the_seed_chooses_the_split():
    pairs = [(f"u{user}", f"i{item}") for user in range(4) for item in range(10)]
    frame = pd.DataFrame(pairs, columns=["user_id", "item_id"])
    data = RecData(frame, pd.DataFrame({"item_id": [f"i{item}" for item in range(10)]}))
    held_out = set()
    for seed in range(5):
        indexed = index_data(data, "cold_item", seed=seed)
        expected = sorted(set(cold_item(data, seed=seed).test["item_id"]))
        assert indexed.items.id_of(np.unique(indexed.test.item)).tolist() == expected
        held_out.add(tuple(expected))
    assert len(held_out) > 1
