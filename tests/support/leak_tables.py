"""Tables that differ in their test rows alone, or in their validation rows alone."""

import functools

import numpy as np
import pandas as pd

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.split import temporal
from tfrec_fusion.data.tables.rec_data import RecData

BASE = generate(30, 24, 480, seed=6, with_users=True, with_graph=True)
WORDS = ("a good cable", "bad, it broke", "good sound for me")
OTHER_WORDS = "capo straps tuning"


@functools.cache
def tables(changed=None):
    """Tables whose rows of the part `changed` have other items, ratings and reviews.

    In every version the last three items have no event but in held-out rows, and a user's events
    have distinct times, so that the parts hold the same rows by position.
    """
    events = _events()
    split = temporal(RecData(events, BASE.items))
    held = {part: _is_in(events, getattr(split, part)) for part in ("validation", "test")}
    if changed is None:
        return RecData(events, BASE.items, BASE.users, BASE.graph, name="leaks")
    rows, events = held[changed], events.copy()
    rng = np.random.default_rng(1)
    for user in events["user_id"].unique():
        mine = (events["user_id"] == user).to_numpy()
        free = sorted(set(BASE.items["item_id"]) - set(events.loc[mine, "item_id"]))
        chosen = np.flatnonzero(mine & rows)
        chosen = chosen[: len(free)]
        events.iloc[chosen, events.columns.get_loc("item_id")] = rng.permutation(free)[
            : len(chosen)
        ]
    events.loc[rows, "rating"] = 6 - events.loc[rows, "rating"]
    events.loc[rows, "text"] = OTHER_WORDS
    return RecData(events, BASE.items, BASE.users, BASE.graph, name="leaks")


def _events():
    cold = BASE.items["item_id"].iloc[-3:]
    events = BASE.interactions[~BASE.interactions["item_id"].isin(cold)].copy()
    events["timestamp"] = events.groupby("user_id")["timestamp"].rank(method="first").astype(int)
    events["text"] = np.array(WORDS, object)[np.arange(len(events)) % len(WORDS)]
    return events.reset_index(drop=True)


def _is_in(events, part):
    keys = ["user_id", "item_id"]
    return pd.MultiIndex.from_frame(events[keys]).isin(pd.MultiIndex.from_frame(part[keys]))
