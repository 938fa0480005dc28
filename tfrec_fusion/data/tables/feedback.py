"""Feedback as it is read: every event is a positive one, unless those rated low are dropped."""

from __future__ import annotations

import math

import pandas as pd

from tfrec_fusion.errors import InvalidInput


def positive_events(interactions: pd.DataFrame, lowest: float) -> tuple[pd.DataFrame, str]:
    """Drops events that are rated below `lowest`.

    An item that a user rated lower then counts as one that the user has not interacted with.

    Args:
        interactions: Validated events with a `rating`.
        lowest: The lowest rating of a positive event.

    Returns:
        The events that are left, and a line about how many were dropped; "" when none was.

    Raises:
        ValueError: When there are no ratings, or none is high enough.

    Example:

    >>> events = pd.DataFrame({"user_id": ["1", "1"], "item_id": ["a", "b"], "rating": [5, -1]})
    >>> kept, line = positive_events(events, 4)
    >>> kept["item_id"].tolist(), line
    (['a'], '1 of 2 events are rated below 4: dropped')
    """
    if not math.isfinite(lowest):
        raise InvalidInput(f"`positive_from` must be a finite number. Received: {lowest}.")
    if "rating" not in interactions:
        raise InvalidInput(
            "`positive_from` needs a column `rating` in the interactions. "
            f"Received: {lowest:g}, and the columns {', '.join(map(repr, interactions.columns))}. "
            "Leave it out to take every event."
        )
    rating = interactions["rating"]
    kept = interactions[rating >= lowest].reset_index(drop=True)
    if kept.empty:
        raise InvalidInput(
            f"`positive_from` must leave events. Received: {lowest:g}, and ratings from "
            f"{rating.min():g} to {rating.max():g}."
        )
    dropped = len(interactions) - len(kept)
    line = f"{dropped:,} of {len(interactions):,} events are rated below {lowest:g}: dropped"
    return kept, line if dropped else ""


def feedback_note(interactions: pd.DataFrame) -> str:
    """A line on events that count as positive though their ratings differ; "" when they do not.

    Example:

    >>> feedback_note(pd.DataFrame({"rating": [1, 0, -1]}))
    'every event counts as positive, also the 2 of 3 with a rating of at most 0; \
--positive-from R (`positive_from`) keeps those rated R or higher'
    """
    if "rating" not in interactions:
        return ""
    rating = interactions["rating"]
    low = int((rating <= 0).sum())
    if not low and rating.min() == rating.max():
        return ""
    what = (
        f"also the {low:,} of {len(rating):,} with a rating of at most 0"
        if low
        else f"whatever its rating, from {rating.min():g} to {rating.max():g}"
    )
    return (
        f"every event counts as positive, {what}; --positive-from R (`positive_from`) keeps those "
        "rated R or higher"
    )
