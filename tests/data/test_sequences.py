import numpy as np
import pytest
from event_tables import events_of, some_events
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.data.events import Events


def windows(dataset):
    for x, target, weight in dataset:
        rows = (x["user_id"], x["history"], target, weight)
        yield from zip(*(one.numpy() for one in rows), strict=True)


@settings(max_examples=20)
@given(some_events, st.integers(1, 9), st.integers(1, 4), st.integers(0, 2), st.integers(0, 99))
def test_every_event_but_a_users_first_is_a_target_once(events, length, batch_size, jitter, seed):
    possible = {user for user in events.user if (events.user == user).sum() > 1}
    if not possible:
        return
    dataset = sequences(
        events, history_length=length, batch_size=batch_size, jitter=jitter, seed=seed
    )
    targets = []
    for user, history, target, weight in windows(dataset):
        assert ((target > 0) == (weight > 0)).all() and ((target > 0) == (history > 0)).all()
        mine = events.user == user
        for read, wanted in zip(history[history > 0], target[target > 0], strict=True):
            assert read != wanted and {read, wanted} <= set(events.item[mine])
        # Each target is what the next position reads: nothing later leaks into a prefix.
        assert (history[1:][history[:-1] > 0] == target[:-1][history[:-1] > 0]).all()
        targets += [(user, one) for one in target[target > 0]]
    assert (
        len(targets)
        == len(set(targets))
        == sum((events.user == user).sum() - 1 for user in possible)
    )
    assert len(list(dataset)) == int(dataset.cardinality())


@settings(max_examples=20)
@given(some_events, st.integers(0, 99))
def test_time_is_kept_and_only_ties_are_shuffled(events, seed):
    if not any((events.user == user).sum() > 1 for user in events.user):
        return
    for user, history, target, _ in windows(sequences(events, history_length=50, seed=seed)):
        mine = events.user == user
        time = dict(zip(events.item[mine], events.timestamp[mine], strict=True))
        order = [*history[history > 0], *target[target > 0][-1:]]
        assert [time[item] for item in order] == sorted(time[item] for item in order)


def test_ties_come_in_another_order_each_epoch():
    events = events_of([(1, item, 0) for item in range(1, 10)])
    dataset = sequences(events, history_length=20, seed=0)
    orders = {tuple(next(windows(dataset))[1]) for _ in range(4)}
    assert len(orders) == 4


def test_jitter_moves_an_event_past_near_neighbors_only():
    events = events_of([(1, item, item) for item in range(1, 10)])
    kept = next(windows(sequences(events, history_length=8)))[1]
    assert kept.tolist() == list(range(1, 9))
    moved = [
        next(windows(sequences(events, history_length=8, jitter=2, seed=s)))[1] for s in range(20)
    ]
    shift = np.abs(np.array(moved) - np.arange(1, 9))
    assert 0 < shift.max() <= 2


def test_every_target_weighs_the_same_over_an_epoch():
    rows = [(1, item, item) for item in range(1, 10)] + [(2, 1, 0), (2, 2, 1), (3, 4, 0), (3, 5, 1)]
    dataset = sequences(events_of(rows), history_length=8, batch_size=1)
    share = [weight.numpy() / weight.numpy().size for _, _, weight in dataset]
    each = np.concatenate([one[one > 0] for one in share])
    np.testing.assert_allclose(each, each[0])
    np.testing.assert_allclose(each.sum() / len(share), 1.0, rtol=1e-6)


def test_windows_are_cut_from_the_end_by_hand():
    events = events_of([(1, item, item) for item in range(1, 9)] + [(2, 9, 0), (2, 3, 1)])
    found = {
        (int(user), *history.tolist()): target.tolist()
        for user, history, target, _ in windows(sequences(events, history_length=3))
        if user
    }
    # User 1 has seven targets: 6 to 8, 3 to 5, and 2 alone, which is as long as user 2's only one.
    expected = {(1, 5, 6, 7): [6, 7, 8], (1, 2, 3, 4): [3, 4, 5], (1, 1): [2], (2, 9): [3]}
    assert found == expected


def test_windows_come_once_an_epoch_in_another_order_each_time():
    rows = [(user, item, item) for user in (1, 2, 3, 4, 5) for item in range(1, 10)]
    dataset = sequences(events_of(rows), history_length=2, batch_size=2, seed=1)
    epochs = [
        [
            (int(user), *target.tolist())
            for user, _, target, weight in windows(dataset)
            if any(weight)
        ]
        for _ in range(3)
    ]
    every = sorted((user, item, item + 1) for user in range(1, 6) for item in (2, 4, 6, 8))
    assert all(sorted(epoch) == every for epoch in epochs)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert sum(map(tuple.__eq__, epochs[one], epochs[other])) <= 6  # of 20, one on average


def test_batches_of_short_windows_come_among_the_others():
    rows = [(user, item, item) for user in range(1, 6) for item in range(1, 10)]
    dataset = sequences(events_of(rows), history_length=6, batch_size=1)
    orders = [[target.shape[1] for _, target, _ in dataset] for _ in range(4)]
    # A user's eight targets make windows of six and of two, these padded to three, two a batch.
    assert all(sorted(order) == [3, 3, 3, 6, 6, 6, 6, 6] for order in orders)
    assert len(set(map(tuple, orders))) > 1


def test_the_seed_repeats_the_series():
    events = events_of([(user, item, 0) for user in (1, 2) for item in range(1, 9)])
    one, two = (sequences(events, history_length=4, batch_size=1, seed=3) for _ in range(2))
    for _ in range(2):
        for first, second in zip(windows(one), windows(two), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_histories_may_come_alone():
    events = events_of([(1, item, item) for item in range(1, 6)])
    with_user, alone = (
        next(iter(sequences(events, history_length=4, seed=3, user_ids=asked)))
        for asked in (True, False)
    )
    assert set(with_user[0]) == {"history", "user_id"} and set(alone[0]) == {"history"}
    for one, other in zip(with_user[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_sizes_out_of_range_and_lonely_events_are_refused():
    events = events_of([(1, 1, 0), (1, 2, 1)])
    with pytest.raises(ValueError, match=r"`history_length` is too small\. Received: history_len"):
        sequences(events, history_length=0)
    with pytest.raises(ValueError, match="Received: jitter=-1"):
        sequences(events, jitter=-1)
    with pytest.raises(ValueError, match=r"at least two events\. Received: 1 events of 1 users"):
        sequences(events_of([(1, 1, 0)]))
    with pytest.raises(ValueError, match="Received: 0 events"):
        sequences(Events(*(np.zeros(0, "i4") for _ in range(4)), 3, 3))


def test_a_jitter_of_one_moves_an_event_past_its_neighbor():
    events = events_of([(1, item, item) for item in range(1, 9)])
    orders = {
        tuple(target[weight > 0].tolist())
        for seed in range(8)
        for _, target, weight in sequences(events, jitter=1, seed=seed).as_numpy_iterator()
    }
    assert len(orders) > 1
