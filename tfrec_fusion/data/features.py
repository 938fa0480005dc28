"""Catalog columns → numeric features of items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput

SEPARATOR = "|"


@dataclass(frozen=True, eq=False)
class LabelFeatures:
    """Columns of labels and the feature that each label is, such as each genre.

    Features keep their positions when the catalog grows: a model that was trained with `labels`
    reads the same label in the same column of `multi_hot` afterwards.

    Attributes:
        table: The columns as strings, in index order; the first row is item index 1.
        labels: Column and label of each feature, in the features' order.

    Raises:
        ValueError: From `from_table`: when there is no such column, or a column holds no label.

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
        cls, table: pd.DataFrame, columns: Sequence[str], labels: Iterable[Sequence[str]] = ()
    ) -> LabelFeatures:
        """Names a feature for each label of each column.

        Args:
            table: The catalog in index order (`IndexedData.item_table`).
            columns: Columns of labels joined by "|".
            labels: Features there are already: they keep their positions, those of labels that
                are new follow.
        """
        ordered = dict.fromkeys((str(column), str(label)) for column, label in labels)
        kept = {}
        for column in columns:
            if column not in table:
                raise InvalidInput(
                    f"`columns` must be columns of the catalogue, {', '.join(map(str, table))}. "
                    f"Received: {column!r}."
                )
            kept[column] = table[column].fillna("").astype(str).reset_index(drop=True)
            names = sorted(set(kept[column].str.split(SEPARATOR).explode()) - {""})
            if not names:
                raise InvalidInput(f"Column {column!r} of the catalogue holds no label.")
            ordered |= dict.fromkeys((column, name) for name in names)
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
