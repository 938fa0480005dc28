import numpy as np
import pytest
from event_tables import NUM_ITEMS, events_of, some_events
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec_fusion.data.batches.candidates import candidates
from tfrec_fusion.data.batches.pairs import pairs, pointwise, prefetched
from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.data.events import Events


def collect(dataset):
    return [tuple((x["user_id"].numpy(), x["item_id"].numpy(), y.numpy())) for x, y in dataset]


@settings(max_examples=20)
@given(some_events, st.integers(0, 3), st.integers(1, 17), st.integers(0, 99))
def test_every_positive_once_an_epoch_and_no_false_negative(events, negatives, batch_size, seed):
    batches = collect(pointwise(events, negatives=negatives, batch_size=batch_size, seed=seed))
    user, item, label = (np.concatenate(column) for column in zip(*batches, strict=True))
    positive = label == 1
    seen = sorted(zip(user[positive], item[positive], strict=True))
    assert seen == sorted(zip(events.user, events.item, strict=True))
    assert (~positive).sum() == negatives * len(events)
    known = events.matrix().toarray() > 0
    assert not known[user[~positive], item[~positive]].any()
    assert (item > 0).all() and (item < NUM_ITEMS).all()
    assert len(batches) == int(
        pointwise(events, negatives=negatives, batch_size=batch_size).cardinality()
    )


def test_negatives_are_uniform_over_the_unknown_items():
    events = events_of([(1, item, 0) for item in (1, 2, 5, 11)] * 1)
    counts = np.zeros(NUM_ITEMS)
    for _, item, label in collect(pointwise(events, negatives=2000, batch_size=10**6)):
        counts += np.bincount(item[label == 0], minlength=NUM_ITEMS)
    assert counts[[0, 1, 2, 5, 11]].sum() == 0
    free = counts[[3, 4, 6, 7, 8, 9, 10]]
    expected = free.sum() / 7
    chi_square = ((free - expected) ** 2 / expected).sum()
    assert chi_square < 22.5  # 99.9% of chi-square with 6 degrees of freedom


def test_epochs_differ_and_the_seed_repeats_the_series():
    events = events_of([(user, item, 0) for user in range(1, 6) for item in range(1, 8)])
    dataset = pointwise(events, negatives=3, batch_size=16, seed=4)
    first, second = collect(dataset), collect(dataset)
    again = pointwise(events, negatives=3, batch_size=16, seed=4)
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    for epoch in (first, second):
        for expected, received in zip(epoch, collect(again), strict=True):
            assert all(map(np.array_equal, expected, received))
    other = collect(pointwise(events, negatives=3, batch_size=16, seed=5))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


MANY = events_of([(user, item, 3 * item) for user in range(1, 6) for item in range(1, 9)])


def rows_of(dataset):
    """The events of an epoch, in its order; each is given as user and item."""
    found = []
    for x, *_ in dataset.as_numpy_iterator():
        item = x["item_id"].reshape(len(x["user_id"]), -1)[:, 0]
        found += zip(x["user_id"].tolist(), item.tolist(), strict=True)
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: pointwise(MANY, negatives=0, batch_size=7, seed=seed),
        lambda seed: pairs(MANY, batch_size=7, seed=seed),
        lambda seed: candidates(MANY, negatives=2, history_length=3, batch_size=7, seed=seed),
    ],
    ids=["pointwise", "pairs", "candidates"],
)
def test_rows_come_once_an_epoch_in_another_order_each_time(make):
    dataset, again = make(4), make(4)
    epochs = [rows_of(dataset) for _ in range(3)]
    every = sorted(zip(MANY.user.tolist(), MANY.item.tolist(), strict=True))
    assert all(sorted(epoch) == every for epoch in epochs)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        stay = sum(map(tuple.__eq__, epochs[one], epochs[other]))
        assert stay <= 6  # of 40 rows one stays on average
    assert [rows_of(again) for _ in range(3)] == epochs
    assert rows_of(make(5)) not in epochs


@pytest.mark.parametrize(
    "make",
    [
        lambda own: pointwise(own, negatives=6, batch_size=21),
        lambda own: candidates(own, negatives=6, history_length=3, batch_size=3),
    ],
    ids=["pointwise", "candidates"],
)
def test_negatives_are_drawn_anew_each_epoch(make):
    own = events_of([(1, item, item) for item in range(1, 9)])

    def drawn(dataset):
        batches = dataset.as_numpy_iterator()
        return [x["item_id"].ravel()[label.ravel() == 0].tolist() for x, label in batches]

    one, same = make(own), make(own)
    first, second = drawn(one), drawn(one)
    assert [drawn(same), drawn(same)] == [first, second]
    assert len(first) == 3 and set().union(*first) == {9, 10, 11}
    # A user alone has the same items to draw from wherever a row stands: only the draws differ.
    assert not any(map(list.__eq__, first, second))
    assert first[0] != first[1]  # nor are they those of the batch before


def test_candidates_beside_a_positive_are_unknown_to_its_own_user():
    events = events_of([(user, item, item) for user in range(1, 6) for item in (user, user + 5)])
    known = events.matrix().toarray() > 0
    for x, _ in candidates(events, negatives=20, history_length=3, batch_size=4):
        user, item = x["user_id"].numpy(), x["item_id"].numpy()
        assert known[user, item[:, 0]].all()
        assert not known[user[:, None], item[:, 1:]].any()


def test_known_events_beyond_the_positives_are_no_negatives():
    train = events_of([(1, 1, 0)], num_items=4)
    known = events_of([(1, 1, 0), (1, 3, 1)], num_items=4)
    for _, item, label in collect(pointwise(train, known=known, negatives=50, batch_size=64)):
        assert set(item[label == 0]) <= {2}


@settings(max_examples=20)
@given(some_events, st.integers(1, 5), st.integers(0, 99))
def test_histories_hold_only_what_came_before(events, length, seed):
    seen = []
    for x, label in pairs(events, history_length=length, batch_size=7, seed=seed):
        assert (label.numpy() == 0).all()
        for user, item, history in zip(
            x["user_id"].numpy(), x["item_id"].numpy(), x["history"].numpy(), strict=True
        ):
            seen.append((user, item))
            mine = events.user == user
            time = dict(zip(events.item[mine], events.timestamp[mine], strict=True))
            read = history[history > 0]
            assert item not in read and set(read) <= set(time)
            assert all(time[one] <= time[item] for one in read)
            assert sorted(map(time.get, read)) == [time[one] for one in read]
            earlier = sum(one < time[item] for one in time.values())
            assert len(read) >= min(length, earlier)  # nothing earlier is left out
            assert (history[: length - len(read)] == 0).all()
    assert sorted(seen) == sorted(zip(events.user, events.item, strict=True))


def test_pairs_carry_how_often_a_candidate_is_drawn():
    events = events_of([(1, 3, 0), (2, 3, 0), (3, 3, 0), (4, 7, 0)])
    ((x, _),) = pairs(events, batch_size=8)
    probability = dict(
        zip(x["item_id"].numpy(), x["candidate_sampling_probability"].numpy(), strict=True)
    )
    assert probability == {3: 0.75, 7: 0.25}
    assert "history" not in x


def test_sizes_out_of_range_are_refused():
    events = events_of([(1, 1, 0)])
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 1\. Received: batch_s"):
        pointwise(events, batch_size=0)
    with pytest.raises(ValueError, match="`negatives` must not be negative"):
        pointwise(events, negatives=-1)
    with pytest.raises(ValueError, match="`history_length` must be at least 1"):
        pairs(events, history_length=0)


def test_no_events_and_a_user_who_knows_everything_are_refused():
    none = Events(*(np.zeros(0, "i4") for _ in range(4)), 3, 3)
    with pytest.raises(ValueError, match="at least one event"):
        pointwise(none)
    everything = events_of([(1, 1, 0), (1, 2, 0)], num_items=3)
    with pytest.raises(ValueError, match=r"1 users know all 2 items.*first user index 1"):
        pointwise(everything)


def test_batches_come_without_the_autotuner():
    events = events_of([(1, item, 0) for item in (1, 2, 5, 11)])
    batches = pointwise(events, negatives=1, batch_size=2)
    made = (
        batches,
        pairs(events, history_length=2, batch_size=2),
        sequences(events, history_length=2, batch_size=2),
        candidates(events, negatives=1, history_length=2, batch_size=2),
    )
    assert [one.options().autotune.enabled for one in made] == [False] * 4
    assert len(list(batches)) == len(list(prefetched(batches))) == 4


def test_batches_of_an_epoch_draw_their_own_negatives():
    events = events_of([(1, item, item) for item in range(1, 9)], num_items=500)
    batches = pointwise(events, negatives=4, batch_size=20, seed=3)
    first, second = ([*x["item_id"][4:].numpy()] for x, _ in batches)
    assert len(first) == 16 and len(set(first) & set(second)) < 8
