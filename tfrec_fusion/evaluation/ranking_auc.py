"""AUC of a user's ranking: the chance that a held-out item stands before another one."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

_COMPARED = 32  # held-out items of a user above which sorting the row is cheaper than comparing


def auc_of_rows(scores: np.ndarray, heldout: sp.csr_matrix) -> np.ndarray:
    """AUC of each user's ranking over the whole catalog, as in BPR.

    For every held-out item of a user, the share of the other ranked items which it scores above;
    ties count half (Rendle et al. 2009, section 3.1.1, https://arxiv.org/abs/1205.2618). No
    negative is sampled. The few held-out items are compared with the row: it is not sorted.

    Args:
        scores: `(num_users, num_items or more)`, `-inf` where an item is not ranked: it counts on
            neither side.
        heldout: `(num_users, num_items)` CSR; its stored cells are what should stand in front.

    Returns:
        `(num_users,)` float64; NaN for a user without a ranked held-out item, or with no other.

    Example: item 1 stands before item 0, and behind item 2.

    >>> auc_of_rows(np.array([[0.0, 1.0, 2.0]]), sp.csr_matrix(np.array([[0, 1, 0]]))).tolist()
    [0.5]
    """
    found = np.full(len(scores), np.nan)
    for user, row in enumerate(scores):
        wanted = row[heldout.indices[heldout.indptr[user] : heldout.indptr[user + 1]]]
        wanted = wanted[wanted > -np.inf]
        num_out = np.count_nonzero(row == -np.inf)
        num_others = len(row) - num_out - len(wanted)
        if not len(wanted) or not num_others:
            continue
        below, alike = _below_and_alike(row, wanted)
        # Those that are not ranked are below all; of two held-out items one wins, or both half.
        won = below + alike / 2 - len(wanted) * num_out - len(wanted) ** 2 / 2
        found[user] = won / (len(wanted) * num_others)
    return found


def _below_and_alike(row: np.ndarray, wanted: np.ndarray) -> tuple[int, int]:
    """Pairs of a wanted score and one of the row that is lower, and that is equal."""
    if len(wanted) <= _COMPARED:
        below = sum(int(np.count_nonzero(row < one)) for one in wanted)
        return below, sum(int(np.count_nonzero(row == one)) for one in wanted)
    ordered = np.sort(row)
    first, last = (int(np.searchsorted(ordered, wanted, side).sum()) for side in ("left", "right"))
    return first, last - first
