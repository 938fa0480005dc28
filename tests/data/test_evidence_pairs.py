"""Batches of what a user took beside what they did not: whose negatives, in which order."""

import numpy as np
import pytest
from event_tables import events_of

from tfrec_fusion.data.batches.candidates import candidates

# Users who know all items but a few: 1 does not know 10 and 11, 2 not 1 and 2.
EVENTS = events_of(
    [(1, item, item) for item in range(1, 10)] + [(2, item, item) for item in range(3, 12)]
)


def test_negatives_are_items_that_the_user_of_the_row_does_not_know():
    for x, label in candidates(EVENTS, negatives=3, history_length=4, batch_size=7):
        assert label.numpy()[..., 0].tolist() == [[1, 0, 0, 0]] * len(label)
        for user, items in zip(x["user_id"].numpy(), x["item_id"].numpy(), strict=True):
            assert set(items[1:]) <= ({10, 11} if user == 1 else {1, 2})
            assert (user, items[0]) in set(zip(EVENTS.user, EVENTS.item, strict=True))


def test_the_seed_orders_the_rows():
    def order(seed):
        batches = candidates(EVENTS, negatives=1, history_length=4, batch_size=5, seed=seed)
        return np.concatenate([x["item_id"][:, 0] for x, _ in batches]).tolist()

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2)) == sorted(EVENTS.item.tolist())


def test_there_must_be_a_negative():
    with pytest.raises(ValueError, match=r"`negatives` must be at least 1\. Received: negatives=0"):
        candidates(EVENTS, negatives=0)
