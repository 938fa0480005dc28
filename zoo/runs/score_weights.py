"""The weights of behavior and language in a score, chosen on validation."""

from __future__ import annotations

from typing import Any

from tfrec_fusion.data.events import Events
from tfrec_fusion.zoo.runs.full_ranking import ranking_of

LANGUAGE_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


def choose_score_weights(
    model: Any,
    known: Events,
    heldout: Events,
    metric: str = "ndcg@10",
    *,
    allow_seen: bool = False,
) -> dict[str, float]:
    """Sets a multi-task model's score weights to the best of `LANGUAGE_WEIGHTS`.

    Args:
        model: A `multi_task`.
        known: What is known when the held-out events are predicted.
        heldout: Events of validation.
        metric: What is best when highest; ties go to the weights nearest to those of training.
        allow_seen: Whether items that a user has already are ranked too.

    Returns:
        `behavior` (always 1) and `language`.
    """
    measure = ranking_of(model, known, heldout, num_bootstrap=0, allow_seen=allow_seen)
    found = {}
    for weight in sorted(LANGUAGE_WEIGHTS, key=lambda one: abs(one - 1)):
        model.set_score_weights(1.0, weight)
        found[weight] = measure().metrics[metric]
    best = max(found, key=found.__getitem__)
    model.set_score_weights(1.0, best)
    return {"behavior": 1.0, "language": best}
