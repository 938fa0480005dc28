"""The best items of each user, from any scorer, a block of users at a time.

A scorer that returns a broadcast row (`np.broadcast_to`, stride 0 over the users) has one ranking,
which is made once a block: each user's list is its beginning without the items of that user.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.errors import InvalidInput

Score = Callable[[np.ndarray], "np.ndarray"]
EachBlock = Callable[[slice, np.ndarray], None]

BLOCK_BYTES = 64 * 2**20  # of float32 scores
LARGEST_BATCH = 1024


def top_items(
    score: Score,
    users: np.ndarray,
    known: sp.csr_matrix,
    *,
    k: int,
    candidates: np.ndarray | None = None,
    batch_size: int | None = None,
    each_block: EachBlock | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks the catalog for every user and keeps the first `k`.

    Ties go to the smaller item index. At no time are more than `batch_size` rows of scores held.

    Args:
        score: Maps user indices `(batch,)` to scores `(batch, num_items)`, as a NumPy array or an
            eager tensor; every score finite.
        users: User indices, `(num_ranked,)`.
        known: `(num_users, num_items)` CSR; a user's non-zero items are never ranked for them.
        k: How many items to keep, at most `num_items`.
        candidates: `(num_items,)` bool: which items may be ranked at all; all by default.
        batch_size: Users scored at a time; by default as many as keep a block of float32 scores
            within 64 MiB, at most 1,024.
        each_block: Called with the positions in `users` and the scores of each block, `(batch,
            num_items or more)`, `-inf` where an item is not ranked, so that further metrics need
            no second scoring. Not to be changed.

    Returns:
        Items `(num_ranked, k)` int32, best first, and their scores. Where a user has fewer than
        `k` items to rank, the rest is item -1 with score `-inf`.

    Raises:
        ValueError: When a score is not finite, or an argument has the wrong shape or range.

    Example:

    >>> scores = np.array([[0.0, 3.0, 1.0, 2.0]])
    >>> known = sp.csr_matrix(np.array([[0, 1, 0, 0]]))
    >>> top_items(lambda users: scores[users], np.array([0]), known, k=2)[0].tolist()
    [[3, 2]]
    """
    num_items = known.shape[1]
    if not 1 <= k <= num_items:
        raise InvalidInput(
            f"`k` must be at least 1 and at most num_items. Received: k={k}, num_items={num_items}."
        )
    excluded = np.flatnonzero(~_checked_candidates(candidates, num_items))
    size = _checked_batch_size(batch_size, num_items)
    width = max(1, math.isqrt(num_items // k))
    items = np.empty((len(users), k), np.int32)
    values = np.empty((len(users), k), np.float64)
    for start in range(0, len(users), size):
        rows = slice(start, start + size)
        batch = users[rows]
        given = _checked_scores(score, batch, num_items)
        mine = known[batch]
        row = np.repeat(np.arange(len(batch)), np.diff(mine.indptr))[mine.data != 0]
        column = mine.indices[mine.data != 0]
        if each_block is None and given.strides[0] == 0 and len(batch) > 1:
            best, index = _best_of_shared(given[0], row, column, excluded, (len(batch), k))
        else:
            scores = _padded(given, width)  # (batch, padded)
            scores[row, column] = -np.inf
            scores[:, excluded] = -np.inf
            if each_block is not None:
                each_block(rows, scores)
            best, index = _best(scores, k, width)
        values[rows] = best
        items[rows] = np.where(np.isfinite(best), index, -1)
    return items, values


def _best(scores: np.ndarray, k: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The `k` largest of each row and their indices, faster than one `top_k` over the row.

    Of the row's segments of `width` items, the `k` with the largest maxima (ties to the smaller
    index) hold all of the `k` best: an item elsewhere has an item before it in each of those.
    """
    import tensorflow as tf

    segments = scores.reshape(len(scores), -1, width)
    num_leading = min(k, segments.shape[1])
    leading = np.sort(tf.math.top_k(segments.max(axis=2), num_leading).indices.numpy(), axis=1)
    inside = np.take_along_axis(segments, leading[:, :, None], axis=1)
    best, place = tf.math.top_k(inside.reshape(len(scores), num_leading * width), k)
    segment = np.take_along_axis(leading, place.numpy() // width, axis=1)
    return best.numpy(), segment * width + place.numpy() % width


def _best_of_shared(
    scores: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    excluded: np.ndarray,
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """The best `shape[1]` of `shape[0]` users who share one row of scores; `-inf` beyond the last.

    `row` and `column` are the cells that are not ranked for their user, `excluded` the items that
    are ranked for nobody.
    """
    num_users, k = shape
    masked = np.array(scores, np.float64)
    masked[excluded] = -np.inf
    order = np.argsort(-masked, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    most = int(np.bincount(row, minlength=num_users).max())
    depth = min(k + most, len(order))  # holds `k` items of the user with the most others
    out = np.zeros((num_users, depth), bool)
    near = place[column] < depth
    out[row[near], place[column[near]]] = True
    first = np.argsort(out, axis=1, kind="stable")[:, :k]
    gone = np.take_along_axis(out, first, axis=1)
    index = order[first]
    return np.where(gone, -np.inf, masked[index]), index


def _checked_candidates(candidates: np.ndarray | None, num_items: int) -> np.ndarray:
    """The mask itself, or all True; ValueError when it is no `(num_items,)` bool mask."""
    if candidates is None:
        return np.ones(num_items, bool)
    mask = np.asarray(candidates)
    if mask.dtype != bool or mask.shape != (num_items,):
        raise InvalidInput(
            f"`candidates` must be a bool mask of shape ({num_items},). "
            f"Received: dtype {mask.dtype}, shape {mask.shape}."
        )
    if not mask.any():
        raise InvalidInput("`candidates` must allow at least one item. Received: all False.")
    return mask


def _checked_batch_size(batch_size: int | None, num_items: int) -> int:
    if batch_size is None:
        return min(LARGEST_BATCH, max(1, BLOCK_BYTES // (4 * num_items)))
    if batch_size < 1:
        raise InvalidInput(f"`batch_size` must be at least 1. Received: batch_size={batch_size}.")
    return batch_size


def _checked_scores(score: Score, users: np.ndarray, num_items: int) -> np.ndarray:
    """The scores as they are given, finite."""
    given = np.asarray(score(users))
    if given.shape != (len(users), num_items):
        raise InvalidInput(
            f"`score` must return shape (batch, num_items) = ({len(users)}, {num_items}). "
            f"Received: {given.shape}."
        )
    looked = given[:1] if given.strides[0] == 0 else given
    if not (np.isfinite(looked.min()) and np.isfinite(looked.max())):
        row, item = np.argwhere(~np.isfinite(looked))[0]
        raise InvalidInput(
            f"`score` must return finite numbers. Received: {looked[row, item]} for "
            f"user {users[row]}, item {item}."
        )
    return given


def _padded(given: np.ndarray, width: int) -> np.ndarray:
    """A copy of the scores, padded with `-inf` to a multiple of `width` columns.

    It is float32 where that is exact and float64 elsewhere.
    """
    num_rows, num_items = given.shape
    dtype = np.float32 if np.can_cast(given.dtype, np.float32) else np.float64
    scores = np.empty((num_rows, math.ceil(num_items / width) * width), dtype)
    scores[:, :num_items], scores[:, num_items:] = given, -np.inf
    return scores
