"""What users care about, mined from what they wrote and from the texts of what they liked."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from tfrec_fusion.text.interests.interests import Interests, NoPhrases, mine_interests

logger = logging.getLogger(__name__)


def user_words(events: Any, item_texts: Iterable[str]) -> Interests:
    """Every user's interests.

    Args:
        events: What users did, and wrote (`data.events.Events`); give training events only to
            what is then measured.
        item_texts: One text an item index.

    Returns:
        Weighted phrases by user index; sentiment where users wrote and rated. None of them, which
        is logged, where no phrase occurs in three or more texts.
    """
    wrote = events.text is not None and any(events.text)
    rated = len(np.unique(events.rating)) > 1
    try:
        return mine_interests(
            events.user,
            [str(one) for one in events.text] if wrote else [""] * len(events),
            events.rating if rated else None,
            num_users=events.num_users,
            item=events.item,
            item_text=["", *[str(text) for text in item_texts][1:]],
        )
    except NoPhrases as error:
        logger.warning("Users have no interests, which reasons are made of. %s", error)
        return Interests.none(events.num_users)
