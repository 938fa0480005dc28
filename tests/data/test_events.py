"""Events: the order of rows, the matrix, and histories that never look ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.vocabulary import Vocabulary

USERS, ITEMS = Vocabulary(["u", "v", "w"]), Vocabulary(["a", "b", "c"])


def frame(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])


@pytest.fixture
def events() -> Events:
    rows = [
        ("w", "c", 5.0, 30),
        ("u", "c", 1.0, 20),
        ("u", "b", 2.0, 10),
        ("u", "a", 3.0, 20),
        ("w", "c", 4.0, 40),
    ]
    return Events.from_frame(frame(rows), USERS, ITEMS)


def test_rows_are_sorted_by_user_time_item(events):
    assert len(events) == 5
    assert events.user.tolist() == [1, 1, 1, 3, 3]
    assert events.item.tolist() == [2, 1, 3, 3, 3]
    assert events.rating.tolist() == [2, 3, 1, 5, 4]
    assert events.timestamp.tolist() == [10, 20, 20, 30, 40]
    assert (events.num_users, events.num_items) == (4, 4)
    types = [one.dtype for one in (events.user, events.item, events.rating, events.timestamp)]
    assert types == [np.int32, np.int32, np.float32, np.int64]


def test_row_splits_and_counts(events):
    assert events.row_splits.tolist() == [0, 0, 3, 3, 5]  # unseen, u, v, w
    assert events.item_counts.tolist() == [0, 1, 1, 3]


def test_ids_outside_the_vocabulary_become_index_zero():
    strange = Events.from_frame(frame([("?", "?", 1.0, 1), ("u", "a", 1.0, 1)]), USERS, ITEMS)
    assert (strange.user.tolist(), strange.item.tolist()) == ([0, 1], [0, 1])


def test_rating_and_time_may_be_missing():
    plain = pd.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"]})
    events = Events.from_frame(plain, USERS, ITEMS)
    assert events.rating.tolist() == [1, 1]
    assert events.timestamp.tolist() == [0, 0]
    assert events.item.tolist() == [1, 2]


def test_matrix_keeps_the_last_value_of_a_pair(events):
    assert events.matrix(events.rating).toarray().tolist() == [
        [0, 0, 0, 0],
        [0, 3, 2, 1],
        [0, 0, 0, 0],
        [0, 0, 0, 4],
    ]
    ones = events.matrix()
    assert ones.dtype == np.float32
    assert ones.sum() == 4


def test_tie_shuffled_moves_only_events_of_the_same_second(events):
    orders = {tuple(events.tie_shuffled(seed).tolist()) for seed in range(20)}
    assert orders == {(0, 1, 2, 3, 4), (0, 2, 1, 3, 4)}
    assert events.tie_shuffled(3).tolist() == events.tie_shuffled(3).tolist()


def test_histories_are_right_aligned_and_oldest_first(events):
    history = events.histories(4)
    assert history.dtype == np.int32
    assert history[0].tolist() == history[2].tolist() == [0, 0, 0, 0]
    assert history[1].tolist() in ([0, 2, 1, 3], [0, 2, 3, 1])
    assert history[3].tolist() == [0, 0, 3, 3]
    assert events.histories(1)[3].tolist() == [3]


def test_histories_of_no_events():
    empty = Events.from_frame(frame([]), USERS, ITEMS)
    assert empty.histories(2).tolist() == [[0, 0]] * 4
    assert empty.row_splits.tolist() == [0] * 5
    assert empty.matrix().shape == (4, 4)


def test_histories_need_a_length(events):
    with pytest.raises(ValueError, match=r"`length` must be at least 1. Received: length=0"):
        events.histories(0)


rows = st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.just(1.0), st.integers(0, 3))


@given(st.lists(rows, max_size=30), st.integers(1, 5), st.integers(0, 3))
def test_histories_hold_each_users_latest_items(table, length, seed):
    events = Events.from_frame(frame(table), USERS, ITEMS)
    history = events.histories(length, seed)
    for user, name in enumerate(USERS.ids):
        own = sorted((time, item) for who, item, _, time in table if who == name)
        last = own[-length:]
        got = [one for one in history[user].tolist() if one]
        assert history[user].tolist() == [0] * (length - len(last)) + got
        certain = [item for time, item in own if last and time > last[0][0]]
        cut = len(got) - len(certain)  # before it: the oldest second, any of its events
        assert sorted(ITEMS.id_of(got[cut:]).tolist()) == sorted(certain)
        oldest = [item for time, item in own if last and time == last[0][0]]
        for item in ITEMS.id_of(got[:cut]).tolist():
            oldest.remove(item)


def test_a_review_stays_with_its_event():
    table = frame([("w", "c", 5.0, 30), ("u", "b", 2.0, 20), ("u", "a", 1.0, 10)])
    events = Events.from_frame(table.assign(text=["late", "second", "first"]), USERS, ITEMS)
    assert events.text.tolist() == ["first", "second", "late"]
    assert events.rating.tolist() == [1, 2, 5]
