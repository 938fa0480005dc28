"""The chance that what a user took stands before what they never took, over the whole catalogue."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import scipy.stats

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.bootstrap import percentile_interval, resampled_means
from tfrec_fusion.evaluation.rating import EventResult

_CELLS_AT_ONCE = 2**22


def ranking_auc(
    score: Callable[[np.ndarray], np.ndarray],
    known: sp.csr_matrix,
    heldout: sp.csr_matrix,
    *,
    candidates: np.ndarray | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
) -> EventResult:
    """AUC of each user's ranking, averaged over users, as in BPR.

    For every held-out item of a user, the share of the items that are neither known nor held out
    which it scores above; ties count half (Rendle et al. 2009, section 3.1.1,
    https://arxiv.org/abs/1205.2618). No negative is sampled.

    Args:
        score: Maps user indices `(batch,)` to scores `(batch, num_items)`, all finite.
        known: `(num_users, num_items)` CSR; positive cells count neither way.
        heldout: CSR of the same shape; its positive cells are what should stand in front.
        candidates: `(num_items,)` bool: the items that are ranked; all by default.
        num_bootstrap: Resamples of users behind the interval; 0 leaves it out.
        seed: Seed of the resamples.

    Returns:
        `"auc"`; `num_events` counts the users, those with something on either side.

    Raises:
        ValueError: When a score is not finite, or no user has both kinds of items.

    Example: item 1 stands before item 0, and behind item 2.

    >>> scores = np.array([[0.0, 1.0, 2.0]])
    >>> nothing, one = sp.csr_matrix((1, 3)), sp.csr_matrix(np.array([[0, 1, 0]]))
    >>> ranking_auc(lambda users: scores[users], nothing, one).metrics
    {'auc': 0.5}
    """
    num_items = known.shape[1]
    ranked = np.ones(num_items, bool) if candidates is None else np.asarray(candidates, bool)
    users = np.flatnonzero(np.diff((heldout > 0).tocsr().indptr))
    found = [np.empty(0)]
    for part in np.array_split(users, max(1, -(-len(users) * num_items // _CELLS_AT_ONCE))):
        scores = np.asarray(score(part), np.float64)
        if not np.isfinite(scores).all():
            raise InvalidInput("Scores must be finite. Received: NaN or infinity.")
        out = (known[part].toarray() > 0) | ~ranked
        wanted = (heldout[part].toarray() > 0) & ~out
        others = ~out & ~wanted
        # What does not count takes the lowest ranks, which are then taken off again.
        rank = scipy.stats.rankdata(np.where(out, -np.inf, scores), axis=1)
        rank = (rank - out.sum(1, keepdims=True)) * wanted
        positives, negatives = wanted.sum(1), others.sum(1)
        won = rank.sum(1) - positives * (positives + 1) / 2
        both = (positives > 0) & (negatives > 0)
        found.append(won[both] / (positives * negatives)[both])
    auc = np.concatenate(found)
    if not len(auc):
        raise InvalidInput("AUC needs a user with held-out items and with others. Received: none.")
    drawn = resampled_means(auc[:, None], num_bootstrap, seed)
    intervals = {"auc": percentile_interval(drawn[:, 0])} if num_bootstrap else {}
    return EventResult({"auc": float(auc.mean())}, intervals, len(auc))
