"""Metrics of a multi-task model's further tasks on held-out events."""

from __future__ import annotations

from collections.abc import Callable, Collection
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
        `perplexity` of reviews, per token, given who wrote about what. Each is missing where it is
        undefined, and `notes` say why: ratings that are all alike, held-out reviews that are all
        positive, or none, and no word in any of them.
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
    gaps = undefined_tasks(model, outputs, known, heldout, inputs.get("review_num_tokens"))

    def measure() -> EventResult:
        found = graph.predict(inputs, batch_size=BATCH_SIZE, verbose=0)
        metrics: dict[str, float] = {}
        intervals: dict[str, tuple[float, float]] = {}
        notes = [reason for reason in gaps.values() if reason]
        if "rating" in found and not gaps["rmse"]:
            result = evaluate_rating(heldout.rating, found["rating"], num_bootstrap=num_bootstrap)
            metrics |= result.metrics
            intervals |= result.intervals
        if "sentiment" in found and not gaps["sentiment_auc"]:
            good = _is_good(model, heldout)
            chance = 1 / (1 + np.exp(-found["sentiment"].astype(np.float64)))
            result = evaluate_clicks(good, chance, num_bootstrap=num_bootstrap)
            metrics["sentiment_auc"] = result.metrics["auc"]
            if "auc" in result.intervals:
                intervals["sentiment_auc"] = result.intervals["auc"]
        if "next_token" in found and not gaps["perplexity"]:
            length = found["next_token"].shape[1]
            counted = np.arange(length) < inputs["review_num_tokens"][:, None]
            nats = found["next_token"][counted]
            with np.errstate(over="ignore"):
                metrics["perplexity"] = float(np.exp(nats.mean(dtype=np.float64)))
        return EventResult(metrics, intervals, len(heldout), tuple(notes))

    return measure


def undefined_tasks(
    model: Any,
    outputs: Collection[str],
    known: Events,
    heldout: Events,
    num_words: np.ndarray | None = None,
) -> dict[str, str]:
    """Returns why a metric of a model's tasks is undefined, by its name; empty where it is not.

    Args:
        model: A `multi_task`.
        outputs: The names of its outputs.
        known: What is known when the held-out events are judged.
        heldout: Rated, and where the model reads reviews, written about.
        num_words: `(num_events,)` tokens of the held-out reviews; counted here by default.
    """
    reasons = {"rmse": "", "sentiment_auc": "", "perplexity": ""}
    ratings = np.concatenate([known.rating, heldout.rating])
    if "rating" in outputs and ratings.min() == ratings.max():
        reasons["rmse"] = f"All ratings are {ratings[0]:g}: rmse and mae are omitted."
    if "sentiment" in outputs:
        good = _is_good(model, heldout)
        if good.all() or not good.any():
            reasons["sentiment_auc"] = (
                f"{'All' if good.all() else 'No'} held-out reviews are positive (rated "
                f"{model.config.good_rating:g} or more): sentiment_auc is undefined and omitted."
            )
    if "next_token" in outputs:
        if num_words is None:
            texts = [""] * len(heldout) if heldout.text is None else heldout.text
            num_words = model.read_reviews(texts)["num_tokens"]
        if not np.any(num_words):
            reasons["perplexity"] = (
                "No held-out review has a word: perplexity is undefined and omitted."
            )
    return reasons


def _is_good(model: Any, events: Events) -> np.ndarray:
    """`(num_events,)` bool: whether a review is positive."""
    return events.rating >= model.config.good_rating
