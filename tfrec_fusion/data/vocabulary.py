"""String ids ↔ contiguous indices, with index 0 kept for ids never seen in training."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.identifiers import distinct_texts, natural_order, read_ids
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.ids import id_list, id_text

UNSEEN = ""


class Vocabulary:
    """Maps ids to the indices `1 .. len - 1`; index 0 means "unseen".

    Every index, embedding row and score column of the project uses this numbering, so
    `num_users` and `num_items` always mean `len(vocabulary)`: the unseen row is counted.

    Args:
        ids: The ids in index order, without the unseen one; ids of any type become strings by
            the rule of `tfrec_fusion.ids`.

    Raises:
        ValueError: When an id is missing, blank, no id, or occurs twice.

    Example:
    >>> items = Vocabulary(["toy-story", "heat"])
    >>> len(items), items.index(["heat", "unknown"]).tolist()
    (3, [2, 0])
    >>> items.id_of([2]).tolist()
    ['heat']
    """

    def __init__(self, ids: Iterable[object]) -> None:
        known = id_list(ids, "ids")
        index = pd.Index([UNSEEN, *known], dtype=object)
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            raise InvalidInput(f"`ids` must be distinct. Received: {twice!r} more than once.")
        self._index = index

    @classmethod
    def from_ids(cls, ids: Iterable[object]) -> Vocabulary:
        """The distinct `ids` in natural order (see `natural_order`)."""
        return cls(natural_order(ids))

    def grown(self, ids: Iterable[object]) -> Vocabulary:
        """These ids at their indices, then those of `ids` that are new, in natural order.

        Example:
        >>> Vocabulary(["heat", "alien"]).grown(["zorro", "alien", "brazil"]).ids.tolist()
        ['', 'heat', 'alien', 'brazil', 'zorro']
        """
        more = [one for one in natural_order(ids) if one not in self]
        return Vocabulary([*self.ids[1:], *more])

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, one: object) -> bool:
        try:
            return id_text(one) in self._index
        except InvalidInput:  # what is no id is the id of nobody
            return False

    @property
    def ids(self) -> np.ndarray:
        """All ids in index order, `(len,)` objects; position 0 is the empty string."""
        return self._index.to_numpy()

    def index(self, ids: Iterable[object]) -> np.ndarray:
        """Indices of `ids`, `(num_ids,)` int32; 0 where an id was never seen, and for "".

        Raises:
            ValueError: When one is missing or no id, or `ids` is a lone text.
        """
        read = read_ids(ids, allow_empty=True)
        texts = distinct_texts(read)
        found = self._index.get_indexer(pd.Index(texts, dtype=object))[read.codes]
        return np.maximum(found, 0).astype(np.int32)

    def id_of(self, indices: Iterable[int] | np.ndarray) -> np.ndarray:
        """Ids at `indices`, in the shape of `indices`; the empty string for index 0."""
        rows = np.asarray(indices)
        return self.ids[rows if rows.size else rows.astype(np.int64)]

    def save(self, path: str | Path) -> None:
        """Writes the ids as a JSON list; the file appears whole or not at all."""
        write_text(path, json.dumps(self.ids[1:].tolist(), ensure_ascii=False))

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the file is not a JSON list of ids.
        """
        try:
            ids = read_json(path)
        except InvalidInput as error:
            raise InvalidInput(
                f"{path} is not a vocabulary (a JSON list of ids): {error}"
            ) from None
        if not isinstance(ids, list):
            raise InvalidInput(
                f"{path} must hold a JSON list of strings. Received: {type(ids).__name__}."
            )
        for row, one in enumerate(ids):
            if not isinstance(one, str):
                raise InvalidInput(
                    f"{path} must hold a JSON list of strings. Received: {one!r} at position {row}."
                )
        return cls(ids)
