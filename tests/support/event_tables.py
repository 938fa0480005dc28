"""Small tables of events for the tests of the pipelines."""

import numpy as np
from hypothesis import strategies as st

from tfrec_fusion.data.events import Events

NUM_USERS, NUM_ITEMS = 6, 12


def events_of(rows, num_items=NUM_ITEMS):
    """Events from (user, item, timestamp) rows, sorted as the project sorts them."""
    user, item, timestamp = (np.array(column) for column in zip(*rows, strict=True))
    order = np.lexsort((item, timestamp, user))
    return Events(
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        np.ones(len(rows), np.float32),
        timestamp[order].astype(np.int64),
        NUM_USERS,
        num_items,
    )


some_events = st.lists(
    st.tuples(st.integers(1, NUM_USERS - 1), st.integers(1, NUM_ITEMS - 3), st.integers(0, 5)),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:2],
).map(events_of)
