"""What an exported model must know besides its weights: ids, titles, known items, popularity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_text

UNSEEN = ""
LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class Catalog:
    """Users and items in index order, checked; position 0 is the unseen user or item.

    Build it with `Catalog.checked`.

    Attributes:
        user_ids: `(num_users,)` object array of strings; position 0 is the empty string, and the
            only one where users are left out.
        item_ids: `(num_items,)` object array of strings; position 0 is the empty string.
        titles: `(num_items,)` object array of strings; position 0 is the empty string.
        known: `(num_users, num_items)` CSR; the stored, non-zero cells are the items a user
            already knows; none where seen items are answered again. Row 0 and column 0 are empty.
        popularity: `(num_items,)` float32, the scores of a user never seen.
        allow_seen: Whether items that a user has are answered again.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    titles: np.ndarray
    known: sp.csr_matrix
    popularity: np.ndarray
    allow_seen: bool = False

    @property
    def num_users(self) -> int:
        """Users, the unseen one included."""
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        """Items, the unseen one included."""
        return len(self.item_ids)

    @classmethod
    def checked(
        cls,
        user_ids: Sequence[str] | np.ndarray | None,
        item_ids: Sequence[str] | np.ndarray,
        titles: Sequence[str] | np.ndarray,
        known: sp.csr_matrix | None,
        popularity: np.ndarray,
        allow_seen: bool = False,
    ) -> Catalog:
        """Checks that the parts fit together; `user_ids` and `known` None leave users out.

        Raises:
            ValueError: When ids do not begin with the unseen "", are empty later on or repeat;
                when lengths or shapes disagree; when `popularity` is not finite; when one of
                `user_ids` and `known` is None and the other is not.
        """
        if (user_ids is None) != (known is None):
            raise InvalidInput(
                "`user_ids` and `known` are left out together. Received: "
                f"{'no user_ids' if user_ids is None else 'no known'}."
            )
        items = _ids(item_ids, "item_ids")
        users = np.array([UNSEEN], object) if user_ids is None else _ids(user_ids, "user_ids")
        known = sp.csr_matrix((1, len(items)), dtype=np.float32) if known is None else known
        names = np.array([str(title) for title in titles], dtype=object)
        if len(names) != len(items):
            raise InvalidInput(
                "`titles` must have one entry per item id, the unseen item 0 included. "
                f"Received: {len(names)} titles for {len(items)} item ids."
            )
        names[0] = UNSEEN
        shape = (len(users), len(items))
        if known.shape != shape:
            raise InvalidInput(
                "`known` must have the shape (num_users, num_items), the unseen row and column "
                f"included. Received: {known.shape}, expected {shape}."
            )
        popular = np.asarray(popularity, dtype=np.float32)
        if popular.shape != (len(items),):
            raise InvalidInput(
                "`popularity` must have one value per item id, the unseen item 0 included. "
                f"Received: shape {popular.shape} for {len(items)} item ids."
            )
        if not np.isfinite(popular).all():
            row = int(np.flatnonzero(~np.isfinite(popular))[0])
            raise InvalidInput(
                f"`popularity` must be finite. Received: {popular[row]} at item {row}."
            )
        hidden = sp.csr_matrix(shape, dtype=np.float32) if allow_seen else _without_unseen(known)
        return cls(users, items, names, hidden, popular, allow_seen)


def _ids(ids: Sequence[str] | np.ndarray, name: str) -> np.ndarray:
    given = list(ids)
    if len(given) < 2 or given[0] != UNSEEN:
        raise InvalidInput(
            f"`{name}` must begin with '' (the unseen one) and hold at least one id after it; "
            f"`Vocabulary.ids` has this form. Received: {given[:3]}."
        )
    texts = [one if isinstance(one, str) else id_text(one) for one in given]
    array = np.array(texts, dtype=object)
    distinct, counts = np.unique(array.astype(str), return_counts=True)
    if (counts > 1).any():
        twice = str(distinct[counts > 1][0])
        raise InvalidInput(f"`{name}` must be distinct. Received: {twice!r} more than once.")
    return array


def _without_unseen(known: sp.csr_matrix) -> sp.csr_matrix:
    """A cleaned copy: no explicit zeros, sorted, nothing in row 0 and column 0."""
    cells = sp.coo_matrix(known)
    keep = (cells.data != 0) & (cells.row > 0) & (cells.col > 0)
    rows, columns = cells.row[keep], cells.col[keep]
    clean = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=known.shape)
    clean.sum_duplicates()
    return clean
