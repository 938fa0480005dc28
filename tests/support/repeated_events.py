"""Tables in which users meet the same items again."""

from __future__ import annotations

import pandas as pd

from tfrec_fusion.data.tables.rec_data import RecData

HOUR = 3600
START = 1_600_000_000


def tables_of(histories, num_items):
    """Items 0 to `num_items` - 1, and each user's items in their order of time."""
    rows = [
        (f"u{user:02}", f"i{item:02}", START + step * HOUR)
        for user, items in enumerate(histories)
        for step, item in enumerate(items)
    ]
    names = [f"i{item:02}" for item in range(num_items)]
    return RecData(
        pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]),
        pd.DataFrame({"item_id": names, "title": names, "text": [f"item {n}" for n in names]}),
        name="few",
    )


REPEATS = tables_of([[0, 1] * 5, [1, 2] * 5, [2, 3] * 5], 12)
SMALL = {
    "two_tower": {"dim": 4, "num_layers": 1, "history_length": 4},
    "neumf": {"gmf_dim": 4, "mlp_dim": 4, "mlp_units": (8, 4)},
}
