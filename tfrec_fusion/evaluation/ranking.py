"""Full ranking: every item of the catalog is a candidate, none is sampled.

For a user with held-out items, `hit(r)` is 1 when the item at rank `r` is one of them:

    recall@k = hits@k / |held out|          hr@k  = 1 if there is a hit within k
    mrr@k    = 1 / rank of the first hit, 0 when that is beyond k
    ndcg@k   = sum_{r<=k} hit(r) / log2(r + 1)  /  sum_{r<=min(k, |held out|)} 1 / log2(r + 1)

each averaged over the users that have held-out items. On request

    auc     share of pairs of a held-out item and another that stand in the right order, over the
            users that have both, see `ranking_auc`

is counted on the same scores: each user is scored once. What is recommended is described by

    coverage@k          distinct items recommended / items that may be recommended
    gini@k              inequality of the items' exposure: 0 all alike, towards 1 a few take all
    popularity@k        ARP: average popularity of the recommended items
                        (Abdollahpouri, Burke, Mobasher, "Managing Popularity Bias in Recommender
                        Systems with Personalized Re-ranking", FLAIRS 2019)
    popularity_ratio@k  popularity@k over the average popularity of the users' histories; 1 means
                        no amplification (1 + the delta-GAP of Abdollahpouri et al., "The
                        Unfairness of Popularity Bias in Recommendation", RMSE 2019)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.bootstrap import percentile_interval, resampled_means
from tfrec_fusion.evaluation.ranking_auc import auc_of_rows
from tfrec_fusion.evaluation.top_items import Score, top_items


@dataclass(frozen=True)
class RankingResult:
    """What a full ranking measured.

    Attributes:
        metrics: One number a metric, by names such as `"ndcg@10"`. What is undefined is missing.
        intervals: 95% bootstrap intervals over users, `(low, high)`, by the same names. Coverage
            and Gini have none: a resample of users always covers fewer items than all users do,
            so an interval made that way would not hold the number itself. One user has none.
        per_user: `(num_evaluated,)` float64 a metric, for those that are means over users; NaN
            where a user's AUC is undefined.
        users: `(num_evaluated,)` user indices in the order of `per_user`.
        seconds: Wall time of scoring, ranking and intervals.
        notes: What is missing, and why.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    per_user: dict[str, np.ndarray]
    users: np.ndarray
    seconds: float
    notes: tuple[str, ...] = ()


def evaluate_ranking(
    score: Score,
    known: sp.csr_matrix,
    heldout: sp.csr_matrix,
    *,
    ks: Sequence[int] = (10, 20),
    candidates: np.ndarray | None = None,
    item_popularity: np.ndarray | None = None,
    batch_size: int | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
    allow_seen: bool = False,
    auc: bool = False,
) -> RankingResult:
    """Ranks all items for every user with held-out items and measures the lists.

    A held-out item that may not be ranked (known to the user, or no candidate) counts among the
    held-out items and is never a hit. Ties go to the smaller item index.

    Args:
        score: Maps user indices `(batch,)` to scores `(batch, num_items)`, all finite.
        known: `(num_users, num_items)` CSR; positive cells are never ranked for that user.
        heldout: CSR of the same shape; its positive cells are what should be found.
        ks: Lengths of the lists, from 1 up. Where there are fewer items, a list holds all of them.
        candidates: `(num_items,)` bool: the items that may be ranked. Pass False for index 0
            when that is the place of unseen items.
        item_popularity: `(num_items,)`, by default how many users know each item.
        batch_size: Users scored at a time; by default a block of scores stays within 64 MiB.
        num_bootstrap: Resamples behind each interval; 0 leaves the intervals out.
        seed: Seed of the resamples.
        allow_seen: Whether the items that a user knows are ranked too, for repeat consumption;
            `known` is then only what popularity is counted on.
        auc: Whether to measure AUC over the catalog, on the scores that the lists are made of.

    Returns:
        A `RankingResult`; names as in this file's docstring, for every k.

    Raises:
        ValueError: When a score is not finite, no user has a held-out item, one of `ks` is below
            1, or shapes disagree.

    Example:

    >>> known = sp.csr_matrix(np.array([[0, 1, 0, 0]]))
    >>> heldout = sp.csr_matrix(np.array([[0, 0, 1, 0]]))
    >>> scores = np.array([[0.0, 9.0, 1.0, 2.0]])
    >>> evaluate_ranking(lambda users: scores[users], known, heldout, ks=[2]).metrics["mrr@2"]
    0.5
    """
    started = time.perf_counter()
    known, heldout = _positive_cells(known, "known"), _positive_cells(heldout, "heldout")
    ks = _checked_ks(ks, known, heldout)
    popularity = _checked_popularity(item_popularity, known)
    users = np.flatnonzero(np.diff(heldout.indptr))
    if not len(users):
        raise InvalidInput(
            "`heldout` must hold at least one positive cell. Received: none; is the split empty?"
        )
    wanted, shares = heldout[users], np.full(len(users), np.nan)

    def count(rows: slice, scores: np.ndarray) -> None:
        shares[rows] = auc_of_rows(scores, wanted[rows])

    items, _ = top_items(
        score,
        users,
        sp.csr_matrix(known.shape, dtype=bool) if allow_seen else known,
        k=min(max(ks), known.shape[1]),
        candidates=candidates,
        batch_size=batch_size,
        each_block=count if auc else None,
    )
    items = np.pad(items, ((0, 0), (0, max(ks) - items.shape[1])), constant_values=-1)
    per_user = _accuracy(items, wanted, ks) | _popularity(items, popularity, ks)
    metrics = {name: float(values.mean()) for name, values in per_user.items()}
    num_rankable = known.shape[1] if candidates is None else int(np.sum(candidates))
    for k in ks:
        metrics |= _exposure(items[:, :k], num_rankable, k)
    history = _history_popularity(known[users], popularity)
    notes = []
    if len(users) == 1 and num_bootstrap:
        notes.append("One user is measured: an interval over users is undefined and omitted.")
        num_bootstrap = 0
    ratios, intervals = _ratios_and_intervals(per_user, history, ks, num_bootstrap, seed)
    metrics |= ratios
    if auc:
        per_user["auc"] = shares
        defined = shares[np.isfinite(shares)]
        if len(defined):
            metrics["auc"] = float(defined.mean())
            if num_bootstrap and len(defined) > 1:
                drawn = resampled_means(defined[:, None], num_bootstrap, seed)
                intervals["auc"] = percentile_interval(drawn[:, 0])
        else:
            notes.append(
                "AUC is undefined and omitted: no user has both a held-out item that can be ranked "
                "and another item."
            )
    seconds = time.perf_counter() - started
    return RankingResult(metrics, intervals, per_user, users, seconds, tuple(notes))


def _positive_cells(matrix: sp.csr_matrix, name: str) -> sp.csr_matrix:
    """The positive cells as a bool CSR with sorted indices."""
    if not sp.issparse(matrix):
        raise InvalidInput(
            f"`{name}` must be a scipy CSR matrix. Received: {type(matrix).__name__}; "
            "wrap it in scipy.sparse.csr_matrix."
        )
    positive = sp.csr_matrix(matrix) > 0
    positive.sort_indices()
    return positive


def _checked_ks(ks: Sequence[int], known: sp.csr_matrix, heldout: sp.csr_matrix) -> tuple[int, ...]:
    if known.shape != heldout.shape:
        raise InvalidInput(
            "`known` and `heldout` must have the same shape (num_users, num_items). "
            f"Received: {known.shape} and {heldout.shape}."
        )
    lengths = tuple(int(k) for k in ks)
    if not lengths or min(lengths) < 1:
        raise InvalidInput(f"`ks` must be one or more numbers from 1 up. Received: {lengths}.")
    return tuple(dict.fromkeys(lengths))


def _checked_popularity(item_popularity: np.ndarray | None, known: sp.csr_matrix) -> np.ndarray:
    num_items = known.shape[1]
    if item_popularity is None:
        return np.bincount(known.indices, minlength=num_items).astype(np.float64)
    popularity = np.asarray(item_popularity, np.float64)
    if popularity.shape != (num_items,) or not np.isfinite(popularity).all():
        raise InvalidInput(
            f"`item_popularity` must be finite numbers of shape ({num_items},). "
            f"Received: shape {popularity.shape}."
        )
    return popularity


def _accuracy(
    items: np.ndarray, heldout: sp.csr_matrix, ks: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Recall, NDCG, HR and MRR of each user's list; `items` and `heldout` share their rows."""
    num_users, num_items = heldout.shape
    num_heldout = np.diff(heldout.indptr)
    row = np.arange(num_users, dtype=np.int64)
    wanted = np.repeat(row, num_heldout) * num_items + heldout.indices  # ascending
    cell = row[:, None] * num_items + items
    place = np.minimum(np.searchsorted(wanted, cell), len(wanted) - 1)
    hit = (wanted[place] == cell) & (items >= 0)  # (num_users, max k)
    discount = 1 / np.log2(np.arange(2, max(ks) + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    measured = {}
    for k in ks:
        hits = hit[:, :k]
        found = hits.any(axis=1)
        measured[f"ndcg@{k}"] = hits @ discount[:k] / ideal[np.minimum(k, num_heldout)]
        measured[f"recall@{k}"] = hits.sum(axis=1) / num_heldout
        measured[f"hr@{k}"] = found.astype(np.float64)
        measured[f"mrr@{k}"] = np.where(found, 1 / (hits.argmax(axis=1) + 1), 0.0)
    return measured


def _popularity(
    items: np.ndarray, popularity: np.ndarray, ks: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Mean popularity of each user's list; 0 for a user with nothing left to recommend."""
    measured = {}
    for k in ks:
        listed = items[:, :k] >= 0
        total = (popularity[items[:, :k]] * listed).sum(axis=1)
        measured[f"popularity@{k}"] = total / np.maximum(listed.sum(axis=1), 1)
    return measured


def _history_popularity(known: sp.csr_matrix, popularity: np.ndarray) -> np.ndarray:
    """`(num_users, 2)`: mean popularity of the user's history (0 without one), has a history."""
    length = np.diff(known.indptr)
    return np.stack([known @ popularity / np.maximum(length, 1), length > 0], axis=1)


def _exposure(items: np.ndarray, num_rankable: int, k: int) -> dict[str, float]:
    """Coverage and Gini of how often each rankable item is recommended."""
    count = np.bincount(items[items >= 0])
    count = np.sort(count[count > 0])
    rank = np.arange(num_rankable - len(count), num_rankable) + 1  # unrecommended items come first
    weight = (2 * rank - num_rankable - 1) @ count
    return {
        f"coverage@{k}": len(count) / num_rankable,
        f"gini@{k}": float(weight / (num_rankable * max(count.sum(), 1))),
    }


def _ratios_and_intervals(
    per_user: dict[str, np.ndarray],
    history: np.ndarray,
    ks: tuple[int, ...],
    num_bootstrap: int,
    seed: int,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Popularity ratios (left out when nobody has a history), and all intervals."""
    names = list(per_user)
    columns = np.column_stack([*per_user.values(), history])
    replicates = resampled_means(columns, num_bootstrap, seed)  # (num_bootstrap, num_columns)
    intervals = {}
    if num_bootstrap:
        intervals = {n: percentile_interval(replicates[:, i]) for i, n in enumerate(names)}
    mean_history, has_history = columns.mean(axis=0)[-2:]
    ratios: dict[str, float] = {}
    if mean_history <= 0:
        return ratios, intervals
    for k in ks:
        column = names.index(f"popularity@{k}")
        ratios[f"popularity_ratio@{k}"] = float(
            columns[:, column].mean() * has_history / mean_history
        )
        if num_bootstrap:
            with np.errstate(divide="ignore", invalid="ignore"):
                drawn = replicates[:, column] * replicates[:, -1] / replicates[:, -2]
            if np.isfinite(drawn).any():
                intervals[f"popularity_ratio@{k}"] = percentile_interval(drawn)
    return ratios, intervals
