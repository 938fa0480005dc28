"""Cold-start items: their vectors among those of the others, and their share of the lists.

    vector(n)     = rho * sum_j softmax_j(20 * t_n . t_j) * vector(j)    j: items with an event
    borrowed(u,n) = query(u) . vector(n) - half of its mean over users
    score(u,n)    = slope * (borrowed(u,n) + content(u,n)) + boost

A new item stands where the items whose texts resemble its own stand on average, as in the
Nadaraya-Watson regression, and half of the popularity that it borrows there is taken off again,
or everybody would be offered the same few; `content` is the hybrid's own content filter. `rho`
gives both terms the same spread over a user's new items, `slope` gives their sum half the spread
of the familiar items' scores, and `boost` gives new items their share of the lists. All of them
follow from the training events and the texts alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from scipy.special import softmax

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.retrieval import CatalogLogits

_WIDEST = 100.0  # logits; beyond, new items come before or behind all others anyway
# Chosen on split draws that no reported table shows.
_SHARPNESS = 20.0
_CENTERING = 0.5
_SPREAD = 0.5  # of the familiar items' scores: a text tells less of an item than its events do
_CHUNK = 1024  # new items a product of texts
_MOST_USERS = 512  # whose scores say how wide they spread


def boost_for_share(
    scores: np.ndarray, new: np.ndarray, seen: np.ndarray, share: float | None = None, k: int = 20
) -> float:
    """Finds the constant that gives new items a share of the lists when added to their scores.

    Training has no events to learn a new item's popularity from, so new items score below
    familiar ones. The constant is found by bisection.

    Args:
        scores: `(num_users, num_items)` of a sample of users; column 0 is the unseen item.
        new: `(num_items,)` bool, the items without an event.
        seen: `(num_users, num_items)` bool, not recommended again.
        share: Of the first `k` places, on average over users; by default the new items' share of
            the catalog.
        k: Length of the lists; shorter for a user with fewer familiar items that are not seen, of
            whose list new items would fill a part wherever they stand.

    Returns:
        The constant; 0 where there is no new item.

    Example: of three items one is new, and it holds a third of the first places once it is
    lifted above the second best of them.

    >>> scores = np.array([[0.0, 5.0, 1.0, 0.0], [0.0, 1.0, 3.0, 0.0], [0.0, 9.0, 1.0, 0.0]])
    >>> seen = np.zeros_like(scores, bool)
    >>> boost = boost_for_share(scores, np.array([0, 0, 0, 1], bool), seen, k=1)
    >>> 3 <= boost < 5
    True
    """
    new = new.copy()
    new[0] = False
    if not new.any():
        return 0.0
    wanted = new.sum() / (len(new) - 1) if share is None else share
    scores = np.where(seen, -np.inf, scores)
    scores[:, 0] = -np.inf
    unseen = np.isfinite(scores)  # (num_users, num_items)
    length = np.minimum(k, (unseen & ~new).sum(1))  # (num_users,)
    scores, length = scores[length > 0], length[length > 0]
    if not len(length):
        return 0.0
    k = int(length.max())
    place = np.arange(k)[None, :] < length[:, None]  # (num_users, k), those of each list
    low, high = -_WIDEST, _WIDEST
    for _ in range(30):
        middle = (low + high) / 2
        lifted = scores + middle * new
        best = np.argpartition(-lifted, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(lifted, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)  # (num_users, k), best first
        share_now = (new[best] & place).sum(1) / length
        low, high = (middle, high) if share_now.mean() < wanted else (low, middle)
    return float(high)


def offer_new_items(model: Any, known: Any, share: float | None = None, k: int = 20) -> float:
    """Places and lifts items without a training event; see the module for the formulas.

    Args:
        model: A two-tower hybrid with the softmax over the catalog.
        known: The users' interactions (`data.events.Events`): not recommended again.
        share: How much of the first `k` places new items fill, on average over users; between 0
            and 1, by default their share of the catalog.
        k: Length of the lists.

    Returns:
        The boost; 0 where there are no new items.

    Raises:
        ValueError: When `share` is out of range, or the model is not a two-tower one with
            the softmax over the catalog.
    """
    head = model.retrieval_head
    if not isinstance(head, CatalogLogits) or (share is not None and not 0 < share < 1):
        raise InvalidInput(
            "`share` must be between 0 and 1, and the model's negatives the catalog. "
            f"Received: share={share}, head={model.config.head}, "
            f"negatives={model.config.negatives}."
        )
    familiar = ops.convert_to_numpy(head.takes_part) > 0
    new = ~familiar
    new[0] = False
    head.set_candidates(familiar)
    if not new.any():
        return 0.0
    users = np.unique(known.user)
    users = users[:: max(1, len(users) // _MOST_USERS)]

    def scores() -> np.ndarray:
        found = model.score_model(known, frozen=True)({"user_id": users})["scores"]
        return np.array(found, np.float64)

    offset = np.zeros(len(new))
    if model.config.sources == "id+text":
        offset[new] = _place(model, familiar, new, scores)
    found = scores() + offset
    slope = _SPREAD * _spread(found[:, familiar]) / max(_spread(found[:, new]), 1e-9)
    found[:, new] *= slope
    boost = boost_for_share(found, new, known.matrix()[users].toarray() > 0, share, k)
    head.set_candidates(familiar, boost + slope * offset, slope)
    return boost


def _place(
    model: Any, familiar: np.ndarray, new: np.ndarray, scores: Callable[[], np.ndarray]
) -> np.ndarray:
    """Gives new items the vectors of their neighbors in meaning, weighted against the content.

    Returns `(number of new items,)`, what is to be added to their scores.
    """
    tower, rows = model.candidate_tower, np.flatnonzero(new)
    texts = ops.convert_to_numpy(model.item_text.all_rows()).astype(np.float32)
    vectors = model.item_vectors()[familiar, : tower.dim]
    stand_ins = np.concatenate(
        [
            softmax(_SHARPNESS * texts[part] @ texts[familiar].T, axis=1) @ vectors
            for part in np.array_split(rows, -(-len(rows) // _CHUNK))
        ]
    )
    tower.set_stand_ins(rows, 0 * stand_ins)
    content = scores()[:, new]
    tower.set_stand_ins(rows, stand_ins)
    borrowed = scores()[:, new] - content
    offset = -_CENTERING * borrowed.mean(0)
    rho = 1.0
    if (wide := _spread(content)) > 0 and (own := _spread(borrowed + offset)) > 0:
        rho = wide / own
        tower.set_stand_ins(rows, rho * stand_ins)
    return rho * offset


def _spread(scores: np.ndarray) -> float:
    """Standard deviation over items, on average over users."""
    return float(scores.std(axis=1).mean())
