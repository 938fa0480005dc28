"""Names of the catalog columns that models read as text, next to the title and the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfrec_fusion.errors import InvalidInput, WrongType

if TYPE_CHECKING:
    import pandas as pd

ALWAYS_READ = ("title", "text")


def checked_columns(columns: Sequence[str], items: pd.DataFrame | None = None) -> tuple[str, ...]:
    """The names of text columns.

    Raises:
        WrongType: When `columns` is a lone string, or holds something else than strings.
        InvalidInput: When one is not in `items`, or is the column of ids.
    """
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise WrongType(
            "`text_columns` must be a list of names of columns. "
            f"Received: {columns!r:.80}. For one column, write a list with it."
        )
    for name in columns:
        if name == "item_id":
            raise InvalidInput("`text_columns` must not name `item_id`: ids are never read.")
        if items is not None and name not in (*items, *ALWAYS_READ):
            others = [str(one) for one in items if one not in ("item_id", *ALWAYS_READ)]
            raise InvalidInput(
                "`text_columns` must name columns of the items, which are "
                f"{', '.join(map(repr, others)) or 'none but the title and text'}. "
                f"Received: {name!r}."
            )
    return tuple(name for name in dict.fromkeys(columns) if name not in ALWAYS_READ)
