"""Tables with a row for each item, read only when they are of the items of the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.string_table import read_strings


def read_item_rows(
    path: Path, items: Vocabulary, columns: Sequence[str] = (), others: Sequence[str] = ()
) -> pd.DataFrame:
    """Reads a table of strings whose column `item_id` holds the vocabulary's ids in its order.

    Args:
        path: A file of `tfrec_fusion.files.string_table.write_strings`.
        items: The items of the model.
        columns: What it must have besides `item_id`.
        others: What it must not have.

    Raises:
        ValueError: When the file is no table, or a row is of another item; the row is named.
    """
    table = read_strings(path)
    for name in ("item_id", *columns):
        if name not in table:
            raise InvalidInput(f"It has no column `{name}`. Received: {', '.join(table.columns)}.")
    for name in others:
        if name in table:
            raise InvalidInput(f"It must not have a column `{name}`, which is in another file.")
    pairs = zip_longest(table["item_id"].tolist(), items.ids[1:].tolist())
    for row, (received, expected) in enumerate(pairs, 1):
        if received != expected:
            raise InvalidInput(
                "Its rows must be the items of items.json, in their order; otherwise items would "
                f"have the titles of others. Received in row {row}: {_shown(received)} instead of "
                f"{_shown(expected)}."
            )
    return table


def _shown(item: str | None) -> str:
    return "nothing" if item is None else repr(item)
