"""Tables to start from and tables to go on with: new users, new items, new labels."""

import numpy as np
from keras import ops
from quick_training import one_encoder, without_graphs, without_pictures  # noqa: F401 (fixtures)

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import RecData

WHOLE = generate(num_users=40, num_items=24, num_interactions=600, seed=3)
USERS, ITEMS = (WHOLE.interactions[name].unique() for name in ("user_id", "item_id"))
NEW_USERS, NEW_ITEMS = set(USERS[::5]), set(ITEMS[::8])
QUICK = {"epochs": 2, "progress": False}


def part(name, users=True):
    """Tables that the base is trained on, or those that come later."""
    events, items = WHOLE.interactions, WHOLE.items
    late = events["user_id"].isin(NEW_USERS) | events["item_id"].isin(NEW_ITEMS)
    if name == "base":
        kept = items[~items["item_id"].isin(NEW_ITEMS)]
        return RecData(events[~late], kept, name="base")
    return RecData(events[late], items, name="mine")


BASE, MINE = part("base"), part("mine")


def genres(table):
    labels = table["genres"].str.split("|").map(set)
    return dict(zip(table["item_id"], labels, strict=True))


def read_genres(run):
    """Labels of each item as the model reads them, named by those that the run keeps."""
    features = ops.convert_to_numpy(run.model.get_layer("items").features)
    return {
        item: {run.features.labels[number][1] for number in np.flatnonzero(row)}
        for item, row in zip(run.items.ids[1:], features[1:], strict=True)
    }
