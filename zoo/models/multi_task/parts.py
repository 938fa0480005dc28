"""The layers of the tasks beside the next item, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfrec_fusion.layers.experts import PLE, MMoE
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.text.language_models.conditioned import ConditionedGPT2
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig


def task_layers(config: MultiTaskConfig, backbone: keras.Model | None) -> dict[str, Any]:
    """What the tasks share, and each one's own head."""
    num_tasks, units = len(config.tasks), config.expert_units
    layers: dict[str, Any] = {
        "score_weights": ScoreWeights(config.dim, name="score_weights"),
        "pair_dropout": keras.layers.Dropout(config.dropout, name="pair_dropout"),
    }
    if config.bottom == "ple":
        layers["bottom"] = PLE(
            num_tasks, config.num_experts, config.num_experts, units, name="bottom"
        )
    else:
        experts = config.num_experts if config.bottom == "mmoe" else 1
        layers["bottom"] = MMoE(num_tasks, experts, units, name="bottom")
    if "rating" in config.tasks:
        layers["biases"] = RatingBiases(config.num_users, config.num_items, name="biases")
        # Training starts from the biases alone.
        layers["taste"] = keras.layers.Dense(
            1, kernel_initializer="zeros", dtype="float32", name="taste"
        )
    if config.reads_reviews and config.review_reader == "gpt2":
        layers["reader"] = ConditionedGPT2(backbone, name="reader")
        layers["condition"] = keras.layers.Dense(layers["reader"].hidden_dim, name="condition")
    if "sentiment" in config.tasks:
        layers["sentiment"] = keras.layers.Dense(1, dtype="float32", name="sentiment")
    return layers


def review_inputs(config: MultiTaskConfig, pairs: tuple[int, ...]) -> dict[str, Any]:
    """Inputs of what was written about `pairs`: `(pairs,)`, or `()` for one a row."""
    if not config.reads_reviews:
        return {}
    if config.review_reader == "frozen":
        shapes: dict[str, Any] = {"review_vector": ((*pairs, config.review_dim), "float32")}
    else:
        shapes = {
            "review_token_ids": ((*pairs, config.review_length), "int32"),
            "review_num_tokens": (pairs, "int32"),
        }
    return {
        name: keras.Input(shape, dtype=dtype, name=name) for name, (shape, dtype) in shapes.items()
    }


def bottoms(
    layers: dict[str, Any], config: MultiTaskConfig, query: Any, item: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each task's bottom `(batch, pairs, units)`, and its gates `(batch, pairs, experts)`.

    Args:
        layers: Layers by name.
        config: Sizes and choices.
        query: `(batch, pairs, size)` what the user is like before the event.
        item: `(batch, pairs, size)` what the event is about.
    """
    pair = ops.concatenate([query, item, query * item], axis=-1)  # (batch, pairs, 3 * size)
    pairs, size = pair.shape[1:]
    flat = layers["pair_dropout"](ops.reshape(pair, (-1, size)))
    found = layers["bottom"](flat, return_gates=True)  # (batch * pairs, tasks, units or experts)
    by_pair = [ops.reshape(one, (-1, pairs, *one.shape[1:])) for one in found]
    bottom, gates = (
        {task: one[:, :, number] for number, task in enumerate(config.tasks)} for one in by_pair
    )
    return bottom, gates


def task_outputs(
    layers: dict[str, Any],
    config: MultiTaskConfig,
    tasks: Sequence[str],
    user_id: Any,
    item_id: Any,
    query: Any,
    item: Any,
    reviews: dict[str, Any],
    own_rating: Any = None,
) -> dict[str, Any]:
    """Outputs of `tasks` for pairs.

    Args:
        layers: Layers by name.
        config: Sizes and choices.
        tasks: Which ones.
        user_id: `(batch,)`.
        item_id: `(batch, pairs)`.
        query: `(batch, pairs, size)`.
        item: `(batch, pairs, size)`.
        reviews: Tensors by the names of `review_inputs`.
        own_rating: `(batch, pairs)` ratings that the biases were counted from and leave out.

    Returns:
        `rating` and `sentiment (batch, pairs, 1)`, `next_token (batch, pairs, length, tokens)`.
    """
    bottom, _ = bottoms(layers, config, query, item)
    outputs = {}
    if "rating" in tasks:
        expected = layers["biases"](ops.expand_dims(user_id, 1), item_id, own_rating)
        outputs["rating"] = ops.expand_dims(expected, -1) + layers["taste"](bottom["rating"])
    summary = reviews.get("review_vector")
    if "review_token_ids" in reviews:
        tokens, numbers = reviews["review_token_ids"], reviews["review_num_tokens"]
        pairs, length = tokens.shape[1:]
        # What the words cost teaches the bottom that the condition comes from.
        told = layers["condition"](bottom["next_token" if "next_token" in bottom else "sentiment"])
        logits, summary = layers["reader"](
            ops.reshape(tokens, (-1, length)),
            ops.reshape(numbers, (-1,)),
            ops.reshape(told, (-1, told.shape[-1])),
        )
        summary = ops.reshape(summary, (-1, pairs, summary.shape[-1]))
        if "next_token" in tasks:
            logits = ops.reshape(logits, (-1, pairs, length, logits.shape[-1]))
            outputs["next_token"] = ops.cast(logits, "float32")
    if "sentiment" in tasks:
        read = ops.concatenate([bottom["sentiment"], summary], axis=-1)
        outputs["sentiment"] = layers["sentiment"](read)
    return outputs
