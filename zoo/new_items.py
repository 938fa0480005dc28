"""How far items that nobody took yet are lifted, so that they are seen at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from tfrec_fusion.layers.retrieval import CatalogueLogits

_WIDEST = 100.0  # logits; beyond, new items come before or behind all others anyway


def boost_for_share(
    scores: np.ndarray, new: np.ndarray, seen: np.ndarray, share: float | None = None, k: int = 20
) -> float:
    """What to add to new items' scores so that they hold a share of the lists.

    Nothing in training says how popular an item will be that nobody could take yet, so scores of
    new items stand below those of familiar ones. The constant is found by bisection.

    Args:
        scores: `(num_users, num_items)` of a sample of users; column 0 is the unseen item.
        new: `(num_items,)` bool, the items without an event.
        seen: `(num_users, num_items)` bool, not recommended again.
        share: Of the first `k` places, on average over users; by default the new items' share of
            the catalogue.
        k: Length of the lists.

    Returns:
        The constant; 0 where there is no new item.

    Example: of three items one is new, and it holds a third of the first places once it is
    lifted above the second best of them.

    >>> scores = np.array([[0.0, 5.0, 1.0, 0.0], [0.0, 1.0, 3.0, 0.0], [0.0, 9.0, 1.0, 0.0]])
    >>> nobody = np.zeros_like(scores, bool)
    >>> boost = boost_for_share(scores, np.array([0, 0, 0, 1], bool), nobody, k=1)
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
    k = min(k, scores.shape[1] - 1)
    low, high = -_WIDEST, _WIDEST
    for _ in range(30):
        middle = (low + high) / 2
        best = np.argpartition(-(scores + middle * new), k - 1, axis=1)[:, :k]
        low, high = (middle, high) if new[best].mean() < wanted else (low, middle)
    return float(high)


def offer_new_items(model: Any, known: Any, share: float | None = None, k: int = 20) -> float:
    """Lifts items without a training event until they get their share of the lists.

    Nothing in training says how popular an item will be that nobody could take yet, so their
    scores stand below those of familiar items. A constant is added to them, found by
    bisection, with which they fill `share` of the first `k` places, on average over users.

    Args:
        model: A two-tower `gpt2_hybrid` with the softmax over the catalogue.
        known: What users did (`data.events.Events`): not recommended again.
        share: Between 0 and 1; by default these items' share of the catalogue.
        k: Length of the lists.

    Returns:
        What is added to their scores; 0 where there are none of them.

    Raises:
        ValueError: When `share` is out of range, or the model is not a two-tower one with
            the softmax over the catalogue.
    """
    head = next((one for one in model.layers if isinstance(one, CatalogueLogits)), None)
    if head is None or (share is not None and not 0 < share < 1):
        raise ValueError(
            "`share` must be between 0 and 1, and the model's negatives the catalogue. "
            f"Received: share={share}, head={model.config.head}, "
            f"negatives={model.config.negatives}."
        )
    familiar = ops.convert_to_numpy(head.takes_part) > 0
    head.set_candidates(familiar, 0.0)
    users = np.unique(known.user)
    users = users[:: max(1, len(users) // 512)]
    scores = model.score_model(known, frozen=True)({"user_id": users})["scores"]
    seen = known.matrix()[users].toarray() > 0
    boost = boost_for_share(np.asarray(scores), ~familiar, seen, share, k)
    head.set_candidates(familiar, boost)
    return boost
