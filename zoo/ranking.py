"""Full-ranking metrics of any model of the zoo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.ranking import RankingResult, evaluate_ranking
from tfrec_fusion.evaluation.ranking_auc import ranking_auc
from tfrec_fusion.evaluation.rating import EventResult
from zoo.recommender import compiled_scores


def ranking_of(
    model: Any, known: Events, heldout: Events, num_bootstrap: int = 1000
) -> Callable[[], RankingResult]:
    """A function that measures a model as it stands, its scoring graph built once.

    Args:
        model: A model of the zoo.
        known: What is known when the held-out events are predicted.
        heldout: What should be found.
        num_bootstrap: Resamples for the 95% intervals.

    Raises:
        ValueError: When the catalogue has fewer than 10 items.
    """
    # A classic scores by sparse arithmetic, faster than its own graph does.
    score = getattr(model, "score", None) or compiled_scores(model.score_model(known))
    seen, positives = known.matrix(), heldout.matrix()
    candidates = np.arange(known.num_items) > 0
    ks = [k for k in (10, 20) if k < known.num_items]
    if not ks:
        raise InvalidInput(
            "Lists of 10 items are measured, so the catalogue needs at least 10. "
            f"Received: {known.num_items - 1} items."
        )

    def measure() -> RankingResult:
        return evaluate_ranking(
            score, seen, positives, ks=ks, candidates=candidates, num_bootstrap=num_bootstrap
        )

    return measure


def auc_of(
    model: Any, known: Events, heldout: Events, num_bootstrap: int = 1000
) -> Callable[[], EventResult]:
    """A function that measures AUC over the whole catalogue; arguments as of `ranking_of`."""
    score = getattr(model, "score", None) or compiled_scores(model.score_model(known))
    seen, positives = known.matrix(), heldout.matrix()
    candidates = np.arange(known.num_items) > 0
    return lambda: ranking_auc(
        score, seen, positives, candidates=candidates, num_bootstrap=num_bootstrap
    )
