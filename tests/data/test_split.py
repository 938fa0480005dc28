import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_protocol import reference_split

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources import synthetic
from tfrec_fusion.data.split import SPLITS, cold_item, leave_one_out, temporal
from tfrec_fusion.data.tables.rec_data import from_frames


def tables(user, item, timestamp=None):
    columns = {"user_id": user, "item_id": item}
    if timestamp is not None:
        columns["timestamp"] = timestamp
    return from_frames(pd.DataFrame(columns))


def pairs(part):
    return set(zip(part["user_id"], part["item_id"], strict=True))


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 6)),
        min_size=12,
        max_size=60,
        unique_by=lambda row: row[:2],
    )
)
def test_temporal_rows_equal_the_protocol(rows):
    user, item, timestamp = (np.array(column) for column in zip(*rows, strict=True))
    expected = reference_split(user, timestamp, item)
    if not (expected == "train").any():
        return
    split = temporal(tables(user, item, timestamp))
    for name, part in (
        ("train", split.train),
        ("validation", split.validation),
        ("test", split.test),
    ):
        chosen = expected == name
        wanted = {(str(u), str(i)) for u, i in zip(user[chosen], item[chosen], strict=True)}
        assert pairs(part) == wanted


def test_temporal_cuts_seven_one_two_of_ten_with_ties_by_item():
    split = temporal(tables(["u"] * 10, range(10), [5] * 10))
    assert split.train["item_id"].tolist() == [str(item) for item in range(7)]
    assert split.validation["item_id"].tolist() == ["7"]
    assert split.test["item_id"].tolist() == ["8", "9"]


def test_ids_that_are_numbers_are_ordered_as_numbers():
    split = temporal(tables(["u"] * 3, ["10", "9", "8"], [1, 1, 1]))
    assert split.test["item_id"].tolist() == ["10"]


def test_users_with_one_or_two_events_are_counted_as_cold():
    data = tables(["a", "b", "b", "c", "c", "c"], list("123456"), [1, 1, 2, 1, 2, 3])
    split = temporal(data)
    assert split.train["user_id"].tolist() == ["c"]
    assert "2 users have no training event" in split.description


def test_without_timestamps_the_order_is_drawn_from_the_seed_and_said():
    data = tables(["u"] * 20 + ["v"] * 20, [*range(20), *range(20)])
    first, again, other = temporal(data, seed=1), temporal(data, seed=1), temporal(data, seed=2)
    assert "at random per user (no timestamps; seed 1)" in first.description
    assert pairs(first.test) == pairs(again.test) != pairs(other.test)
    shuffled = from_frames(data.interactions.sample(frac=1, random_state=0))
    assert pairs(temporal(shuffled, seed=1).test) == pairs(first.test)


def test_leave_one_out_takes_the_last_two():
    split = leave_one_out(tables(["u"] * 4, list("abcd"), [4, 3, 2, 1]))
    assert split.test["item_id"].tolist() == ["a"]
    assert split.validation["item_id"].tolist() == ["b"]
    assert split.train["item_id"].tolist() == ["d", "c"]


def test_cold_items_have_no_training_event():
    data = synthetic.generate(30, 40, 400, seed=3)
    split = cold_item(data, test=0.2, validation=0.1, seed=5)
    parts = [set(part["item_id"]) for part in (split.train, split.validation, split.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(parts[2]) == round(0.2 * data.interactions["item_id"].nunique())


@pytest.mark.parametrize("name", SPLITS)
def test_parts_are_disjoint_and_complete(name):
    data = synthetic.generate(30, 40, 400, seed=3)
    split = SPLITS[name](data)
    rows = [pairs(part) for part in (split.train, split.validation, split.test)]
    assert set.union(*rows) == pairs(data.interactions)
    assert sum(map(len, rows)) == len(data.interactions)


def test_unsound_shares_are_refused():
    data = tables(["u"] * 5, list("abcde"), range(5))
    with pytest.raises(ValueError, match=r"`test` must be between 0 and 1\. Received: test=0"):
        temporal(data, test=0)
    with pytest.raises(ValueError, match="must leave rows to train on"):
        temporal(data, test=0.5, validation=0.5)
    with pytest.raises(ValueError, match="at least one item in each of three parts"):
        cold_item(tables(["u", "v"], ["a", "b"], [1, 2]))


def test_nothing_left_to_train_on_is_refused():
    with pytest.raises(ValueError, match="Give users with at least three events each"):
        temporal(tables(["u", "v"], ["a", "b"], [1, 1]))


def test_index_data_covers_the_whole_catalog_and_keeps_the_parts():
    data = synthetic.generate(20, 30, 200, seed=1)
    indexed = index_data(data)
    assert len(indexed.items) == len(data.items) + 1
    assert len(indexed.everything) == 200
    assert len(indexed.train_and_validation) == len(indexed.train) + len(indexed.validation)
    first = indexed.item_table.iloc[0]
    assert indexed.items.index([first["item_id"]])[0] == 1
    assert indexed.item_column("title")[:2].tolist() == ["", first["title"]]
    with pytest.raises(ValueError, match="`split` must be one of"):
        index_data(data, "by_moon")


def test_what_a_model_has_learned_already_is_not_held_out():
    data = tables(["u"] * 10, [f"i{item}" for item in range(10)], range(10))
    trained = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["i9", "i7"]})
    split = temporal(data, trained=trained)
    assert split.test["item_id"].tolist() == ["i8"]
    assert split.validation["item_id"].tolist() == ["i6"]
    assert split.train["item_id"].tolist() == ["i0", "i1", "i2", "i3", "i4", "i5", "i7", "i9"]
    assert "1 of 2 test events stay in training" in split.description
