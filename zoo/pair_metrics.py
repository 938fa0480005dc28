"""What a multi-task model's further tasks are worth on events it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.data.events import Events
from tfrec_fusion.evaluation.rating import EventResult, evaluate_clicks, evaluate_rating

BATCH_SIZE = 256


def pair_metrics(
    model: Any, known: Events, heldout: Events, num_bootstrap: int = 1000
) -> Callable[[], EventResult]:
    """A function that measures a model's tasks as it stands, its graph built once.

    Args:
        model: A `multi_task`.
        known: What is known when the held-out events are judged.
        heldout: Rated, and where the model reads reviews, written about.
        num_bootstrap: Resamples for the 95% intervals.

    Returns:
        `rmse` and `mae` of ratings, in stars; `sentiment_auc` of positive against other reviews;
        `perplexity` of reviews, per token, given who wrote about what. The last two are left out
        where all held-out reviews are positive, or none, and where all are empty.
    """
    pairs = model.pair_model(known)
    inputs = {"user_id": heldout.user, "item_id": heldout.item}
    if model.config.reads_reviews:
        texts = [""] * len(heldout) if heldout.text is None else heldout.text
        inputs |= {f"review_{name}": rows for name, rows in model.read_reviews(texts).items()}
    outputs = dict(pairs.output)
    if "next_token" in outputs:
        # Nats in the graph: the logits of all tokens would not fit into memory.
        outputs["next_token"] = ops.sparse_categorical_crossentropy(
            pairs.input["review_token_ids"], outputs["next_token"], from_logits=True
        )
    graph = keras.Model(pairs.input, outputs, name="pair_metrics")

    def measure() -> EventResult:
        found = graph.predict(inputs, batch_size=BATCH_SIZE, verbose=0)
        metrics: dict[str, float] = {}
        intervals: dict[str, tuple[float, float]] = {}
        if "rating" in found:
            result = evaluate_rating(heldout.rating, found["rating"], num_bootstrap=num_bootstrap)
            metrics |= result.metrics
            intervals |= result.intervals
        if "sentiment" in found:
            good = heldout.rating >= model.config.good_rating
            if 0 < good.mean() < 1:
                chance = 1 / (1 + np.exp(-found["sentiment"].astype(np.float64)))
                result = evaluate_clicks(good, chance, num_bootstrap=num_bootstrap)
                metrics["sentiment_auc"] = result.metrics["auc"]
                if result.intervals:
                    intervals["sentiment_auc"] = result.intervals["auc"]
        if "next_token" in found:
            length = found["next_token"].shape[1]
            counted = np.arange(length) < inputs["review_num_tokens"][:, None]
            nats = found["next_token"][counted]
            if len(nats):
                metrics["perplexity"] = float(np.exp(nats.mean(dtype=np.float64)))
        return EventResult(metrics, intervals, len(heldout))

    return measure
