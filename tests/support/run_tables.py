"""Tables and interests that small run folders are made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.text.interests.profiles import Interests

EVENTS = pd.DataFrame(
    [
        (user, item, (user + item) % 5 + 1, 100 - 7 * item + user)
        for user in range(1, 6)
        for item in range(1, 13)
        if (user * item) % 4
    ],
    columns=["user_id", "item_id", "rating", "timestamp"],
)
ITEMS = pd.DataFrame(
    {
        "item_id": range(1, 14),
        "title": [*(f"Title {item}" for item in range(1, 12)), "NA", "007"],
        "text": [*(f"text {item}" for item in range(1, 13)), "None"],
    }
)
DATA = index_data(RecData(EVENTS, ITEMS))
INTERESTS = Interests(
    ("robots",),
    np.array([0, 0, 1, 1, 1, 1]),
    np.zeros(1, np.int32),
    np.ones(1, np.float32),
    np.full(1, np.nan, np.float32),
    np.ones(1, np.int32),
)
