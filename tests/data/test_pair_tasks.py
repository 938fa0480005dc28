import dataclasses

import numpy as np
import pytest
from event_tables import events_of, some_events
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrec_fusion.data.batches.pair_tasks import pair_tasks


def rated(events, stars=(2, 5)):
    rating = np.resize(np.array(stars, np.float32), len(events))
    return dataclasses.replace(events, rating=rating)


def tokens_of(events, length=3):
    """Each event's text says its row, so that what is read can be checked."""
    ids = np.arange(len(events) * length, dtype=np.int32).reshape(-1, length)
    return {"token_ids": ids, "num_tokens": np.arange(len(events), dtype=np.int32) % length + 1}


@settings(max_examples=20)
@given(some_events, st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
def test_pairs_are_targets_of_their_window_with_their_own_rating_and_text(
    events, pairs, length, seed
):
    if not any((events.user == user).sum() > 1 for user in events.user) or len(events) < 2:
        return
    events = rated(events)
    reviews = tokens_of(events)
    batches = pair_tasks(
        events, reviews, pairs=pairs, history_length=length, batch_size=2, seed=seed, good_rating=3
    )
    for x, y, weight in batches.as_numpy_iterator():
        there = weight["rating"][..., 0] > 0
        for b, p in np.argwhere(there):
            step, item = x["pair_step"][b, p], x["pair_item"][b, p]
            assert y["logits"][b, step] == item > 0
            row = x["review_token_ids"][b, p, 0] // 3
            assert (events.user[row], events.item[row]) == (x["user_id"][b], item)
            assert y["rating"][b, p, 0] == x["pair_rating"][b, p] == events.rating[row]
            assert y["sentiment"][b, p, 0] == (events.rating[row] >= 3)
            counted = weight["next_token"][b, p] > 0
            assert counted.tolist() == (np.arange(3) < reviews["num_tokens"][row]).tolist()
        wanted = np.minimum((y["logits"] > 0).sum(1), pairs)
        assert (there.sum(1) == wanted).all()
        drawn = [set(steps[one]) for steps, one in zip(x["pair_step"], there, strict=True)]
        assert [len(one) for one in drawn] == wanted.tolist()
        if there.any():
            assert weight["rating"].mean() == pytest.approx(1, rel=1e-5)
        assert (x["pair_item"][~there] == 0).all()


def test_other_pairs_come_in_the_next_epoch_and_the_same_for_the_same_seed():
    events = rated(events_of([(1, item, item) for item in range(1, 10)]))

    def steps(dataset):
        return [x["pair_step"].numpy().tolist() for x, *_ in dataset]

    one, same = (pair_tasks(events, pairs=2, history_length=20, seed=5) for _ in range(2))
    first, second = steps(one), steps(one)
    assert first != second
    assert [steps(same), steps(same)] == [first, second]


def test_without_text_there_are_ratings_alone():
    events = rated(events_of([(1, item, item) for item in range(1, 6)]))
    x, y, weight = next(iter(pair_tasks(events, history_length=8)))
    assert set(y) == set(weight) == {"logits", "rating"}
    assert not any(name.startswith("review") for name in x)


def test_vectors_are_read_for_sentiment_and_an_empty_text_weighs_nothing():
    events = rated(events_of([(1, item, item) for item in range(1, 6)]))
    vectors = np.ones((5, 4), np.float32)
    vectors[2] = 0
    x, y, weight = next(iter(pair_tasks(events, {"vector": vectors}, history_length=8)))
    assert set(y) == {"logits", "rating", "sentiment"}
    empty = (x["review_vector"].numpy() == 0).all(-1)
    assert (weight["sentiment"].numpy()[..., 0][empty] == 0).all()
    assert (weight["rating"].numpy()[..., 0][empty & (x["pair_item"].numpy() > 0)] > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": 0}, "`pairs` must be at least 1"),
        ({"reviews": {"words": np.ones(5)}}, "must hold `token_ids`.*Received: words"),
        (
            {"reviews": {"vector": np.ones((4, 2))}},
            "one row an event. Received: 4 rows of `vector`",
        ),
        ({"reviews": {"vector": np.zeros((5, 2))}}, "all empty, 5 of them"),
    ],
)
def test_unsound_arguments_are_refused(change, message):
    events = rated(events_of([(1, item, item) for item in range(1, 6)]))
    with pytest.raises(ValueError, match=message):
        pair_tasks(events, **change)


def test_ratings_that_are_all_alike_are_refused():
    events = rated(events_of([(1, item, item) for item in range(1, 6)]), stars=(1,))
    with pytest.raises(ValueError, match=r"all rated 1\.0\. Give a `rating` column"):
        pair_tasks(events)


def test_a_good_rating_itself_is_positive():
    events = rated(events_of([(1, item, item) for item in range(1, 9)]), stars=(2, 3, 4))
    _, y, weight = next(iter(pair_tasks(events, tokens_of(events), pairs=7, good_rating=3)))
    there = weight["rating"].numpy() > 0
    np.testing.assert_array_equal(
        y["sentiment"].numpy()[there] == 1, y["rating"].numpy()[there] >= 3
    )
    assert set(y["rating"].numpy()[there]) == {2, 3, 4}


@pytest.mark.parametrize("seed", range(4))
def test_targets_are_drawn_before_places_without_one(seed):
    events = rated(events_of([(1, item, item) for item in (3, 5, 7, 9)]))
    reviews = tokens_of(events)
    x, y, weight = next(iter(pair_tasks(events, reviews, pairs=6, history_length=16, seed=seed)))
    assert y["logits"].shape[1] == 4  # the first of four places has no target
    assert sorted(x["pair_item"].numpy()[0].tolist()) == [0, 0, 0, 5, 7, 9]
    nothing = x["pair_item"].numpy() == 0
    for name in ("rating", "sentiment", "next_token"):
        assert (weight[name].numpy()[nothing] == 0).all() and weight[name].numpy().any()
