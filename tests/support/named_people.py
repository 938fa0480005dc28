"""Tables whose people have names that no file should hold."""

from __future__ import annotations

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import from_frames


def named_people():
    tables = generate(83, 29, 700, seed=3)
    events = tables.interactions.assign(
        user_id="person-\u00e9-unmistakable-" + tables.interactions["user_id"]
    )
    return from_frames(events, tables.items, name="people")


DATA = index_data(named_people())
KNOWN = DATA.everything
