"""Parts of a score that no gradient trains: they are set once `fit` has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfrec_fusion.zoo.protocols import PlacesNewItems, WeightsScores


def set_after_fit(
    model: Any, events: Any, score_weights: Mapping[str, float], *, new_items: bool
) -> None:
    """Sets everything that training sets after `fit`, so that a model scores as it is served.

    Restoring the weights of an epoch undoes it.

    Args:
        model: A network with its trained weights.
        events: Its training events (`data.events.Events`).
        score_weights: Arguments of `set_score_weights`; empty where none were chosen.
        new_items: Whether items without a training event are placed and lifted, where the model
            can (`zoo.models.text_hybrid.new_items`).
    """
    if score_weights and isinstance(model, WeightsScores):
        model.set_score_weights(**score_weights)
    if new_items and isinstance(model, PlacesNewItems):
        model.offer_new_items(events)
