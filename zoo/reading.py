"""Validated tables from whatever holds them: a public data set, a folder, or data frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import RecData, from_frames
from tfrec_fusion.errors import InvalidInput, WrongType


def read(
    data: str | Path | pd.DataFrame,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    graph: pd.DataFrame | None = None,
    **options: Any,
) -> RecData:
    """Reads and validates tables, which `train` and `fine_tune` learn from.

    Args:
        data: A public data set by name, a folder of tables, or a data frame of interactions, one
            row an event.
        items: With a data frame: the catalog, one row an item. By default the distinct items of
            the interactions, without titles.
        users: With a data frame: one row a user.
        graph: With a data frame: triples `head_id`, `relation_id`, `tail_id`.
        **options: With a data frame the names of your columns, such as `user_id="customer"`, and
            the other keywords of `from_frames`; otherwise those of `read_tables`.

    Raises:
        TypeError: When `data` is none of these.
        ValueError: When a table is unsound; the message names the column and the first rows.
        DataUnavailable: When no source could deliver the data set.

    Example:

    >>> orders = pd.DataFrame({"customer": ["C-7", "C-9"], "sku": ["A1", "A1"]})
    >>> read(orders, user_id="customer", item_id="sku")
    RecData(unnamed: 2 interactions, 2 users, 1 items)
    """
    if isinstance(data, pd.DataFrame):
        return from_frames(data, items, users, graph, **options)
    if not isinstance(data, str | Path):
        raise WrongType(
            "`data` must be a pandas DataFrame of interactions, the path of a folder, or the name "
            f"of a public data set. Received: {data!r:.60}, of the type {type(data).__name__}."
        )
    frames = {"items": items, "users": users, "graph": graph}
    if given := [name for name, frame in frames.items() if frame is not None]:
        raise InvalidInput(
            f"{' and '.join(f'`{name}`' for name in given)} must come with a data frame of "
            f"interactions. Received: {str(data)!r}, which brings tables of its own."
        )
    return read_tables(data, **options)
