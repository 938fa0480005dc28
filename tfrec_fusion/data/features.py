"""Catalog columns → numeric features of items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.cells import SEPARATOR, labels_of
from tfrec_fusion.data.tables.label_columns import check_labels
from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class LabelFeatures:
    """Columns of labels and the feature that each label is, such as each genre.

    Features keep their positions when the catalog grows: a model that was trained with `labels`
    reads the same label in the same column of `multi_hot` afterwards.

    Attributes:
        table: The columns, their labels joined by "|", in index order; the first row is item
            index 1.
        labels: Column and label of each feature, in the features' order.

    Raises:
        ValueError: From `from_table`: when there is no such column, or a column holds no label,
            numbers or dates, labels that hardly recur, or lists with another separator.

    Example:

    >>> old = LabelFeatures.from_table(pd.DataFrame({"genres": ["Drama|War", "War"]}), ["genres"])
    >>> old.multi_hot().tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    >>> more = pd.DataFrame({"genres": ["Drama|War", "War", "Comedy|War"]})
    >>> LabelFeatures.from_table(more, ["genres"], old.labels).multi_hot()[3].tolist()
    [0.0, 1.0, 1.0]
    """

    table: pd.DataFrame
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        columns: Sequence[str],
        labels: Iterable[Sequence[str]] = (),
        separator: str | None = None,
    ) -> LabelFeatures:
        """Names a feature for each label of each column.

        Args:
            table: The catalog in index order (`IndexedData.item_table`).
            columns: Columns of labels: lists, or texts in which labels are joined.
            labels: Features there are already: they keep their positions, those of labels that
                are new follow, and their columns are not checked again.
            separator: What joins labels in a text; "|" by default, and then a column that seems
                to be joined by something else is refused.
        """
        ordered = dict.fromkeys((str(column), str(label)) for column, label in labels)
        accepted = {column for column, _ in ordered}
        kept = {}
        for column in columns:
            if column not in table:
                raise InvalidInput(
                    f"`columns` must be columns of the catalog, {', '.join(map(str, table))}. "
                    f"Received: {column!r}."
                )
            rows = [labels_of(cell, separator or SEPARATOR) for cell in table[column]]
            if not any(rows):
                raise InvalidInput(f"Column {column!r} of the catalog holds no label.")
            if column not in accepted:
                check_labels(column, rows, separator)
            kept[column] = [SEPARATOR.join(row) for row in rows]
            ordered |= dict.fromkeys((column, name) for name in sorted({*chain(*rows)}))
        return cls(pd.DataFrame(kept), tuple(ordered))

    def multi_hot(self) -> np.ndarray:
        """`(num_items, num_labels)` float32 of 0 and 1; row 0, the OOV item, has no label."""
        position = {label: number for number, label in enumerate(self.labels)}
        features = np.zeros((len(self.table) + 1, len(self.labels)), np.float32)
        for column in self.table:
            for row, cell in enumerate(self.table[column], 1):
                for label in filter(None, cell.split(SEPARATOR)):
                    features[row, position[column, label]] = 1
        return features


def multi_hot(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """One 0/1 feature for each label of each column; see `LabelFeatures`.

    Example:

    >>> multi_hot(pd.DataFrame({"genres": ["Drama|War", "War"]}), ["genres"]).tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    return LabelFeatures.from_table(table, columns).multi_hot()
