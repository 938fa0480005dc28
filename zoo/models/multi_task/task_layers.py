"""The layers of the tasks next to the next item, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from tfrec_fusion.layers.experts import PLE, MMoE
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.text.language_models.conditioned import ConditionedGPT2
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig


@dataclass(frozen=True, eq=False)
class TaskLayers:
    """The layers that the tasks share, and the head of each; None where no task needs it.

    Attributes:
        config: Sizes and choices.
        score_weights: Weights the two terms of the score.
        pair_dropout: On what is read of a pair.
        bottom: The experts that the tasks share.
        rating_biases: Expected ratings by user and item.
        rating: The rating's difference from that.
        review_reader: The GPT-2 that reads reviews.
        review_condition: Makes its condition of the pair.
        sentiment: The logit of a positive review.
    """

    config: MultiTaskConfig
    score_weights: ScoreWeights
    pair_dropout: keras.layers.Dropout
    bottom: MMoE | PLE
    rating_biases: RatingBiases | None = None
    rating: keras.layers.Dense | None = None
    review_reader: ConditionedGPT2 | None = None
    review_condition: keras.layers.Dense | None = None
    sentiment: keras.layers.Dense | None = None

    @classmethod
    def from_config(cls, config: MultiTaskConfig, backbone: keras.Model | None) -> Self:
        """Makes the layers of a config.

        Args:
            config: Sizes and choices.
            backbone: The GPT-2 that reads reviews, where one does.
        """
        weights = ScoreWeights(config.dim, name="score_weights")
        drop = keras.layers.Dropout(config.dropout, name="pair_dropout")
        layers: dict[str, Any] = {"bottom": _bottom(config)}
        if "rating" in config.tasks:
            layers["rating_biases"] = RatingBiases(
                config.num_users, config.num_items, name="biases"
            )
            # Training starts from the biases alone.
            layers["rating"] = keras.layers.Dense(
                1, kernel_initializer="zeros", dtype="float32", name="taste"
            )
        if config.reads_reviews and config.review_reader == "gpt2":
            reader = ConditionedGPT2(backbone, name="reader")
            layers["review_reader"] = reader
            layers["review_condition"] = keras.layers.Dense(reader.hidden_dim, name="condition")
        if "sentiment" in config.tasks:
            layers["sentiment"] = keras.layers.Dense(1, dtype="float32", name="sentiment")
        return cls(config, weights, drop, **layers)

    def outputs_of(self, inputs: dict[str, Any], query: Any, catalog: Any) -> dict[str, Any]:
        """The tasks' outputs on pairs of each history; adds what they read to `inputs`.

        Args:
            inputs: Functional inputs by name.
            query: `(batch, steps, size)` before each item of the history.
            catalog: `(num_items, size)` rows of all items.
        """
        config = self.config
        inputs.setdefault("user_id", keras.Input((), dtype="int32", name="user_id"))
        for name in ("pair_step", "pair_item"):
            inputs[name] = keras.Input((config.pairs,), dtype="int32", name=name)
        reviews = review_inputs(config, (config.pairs,))
        inputs |= reviews
        step = ops.expand_dims(inputs["pair_step"], -1)
        before = ops.take_along_axis(query, step, axis=1)  # (batch, pairs, size)
        item = ops.take(catalog, inputs["pair_item"], axis=0)  # (batch, pairs, size)
        inputs["pair_rating"] = keras.Input((config.pairs,), name="pair_rating")
        ids = (inputs["user_id"], inputs["pair_item"])
        return self.tasks_of(config.tasks, *ids, before, item, reviews, inputs["pair_rating"])

    def tasks_of(
        self,
        tasks: Sequence[str],
        user_id: Any,
        item_id: Any,
        query: Any,
        item: Any,
        reviews: dict[str, Any],
        own_rating: Any = None,
    ) -> dict[str, Any]:
        """Outputs of tasks for pairs.

        Args:
            tasks: Any of the config's.
            user_id: `(batch,)`.
            item_id: `(batch, pairs)`.
            query: `(batch, pairs, size)`.
            item: `(batch, pairs, size)`.
            reviews: Tensors by the names of `review_inputs`.
            own_rating: `(batch, pairs)` ratings that the biases were counted from and leave out.

        Returns:
            `rating` and `sentiment (batch, pairs, 1)`, `next_token (batch, pairs, length, tokens)`.
        """
        bottom, _ = self.bottoms(query, item)
        outputs = {}
        if self.rating is not None and self.rating_biases is not None and "rating" in tasks:
            expected = self.rating_biases(ops.expand_dims(user_id, 1), item_id, own_rating)
            outputs["rating"] = ops.expand_dims(expected, -1) + self.rating(bottom["rating"])
        summary = reviews.get("review_vector")
        if "review_token_ids" in reviews:
            logits, summary = self._read(reviews, bottom)
            if "next_token" in tasks:
                outputs["next_token"] = logits
        if self.sentiment is not None and "sentiment" in tasks:
            read = ops.concatenate([bottom["sentiment"], summary], axis=-1)
            outputs["sentiment"] = self.sentiment(read)
        return outputs

    def bottoms(self, query: Any, item: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Each task's bottom `(batch, pairs, units)`, and its gates `(batch, pairs, experts)`.

        Args:
            query: `(batch, pairs, size)` of the user before the event.
            item: `(batch, pairs, size)` of the event's item.
        """
        pair = ops.concatenate([query, item, query * item], axis=-1)  # (batch, pairs, 3 * size)
        pairs, size = pair.shape[1:]
        flat = self.pair_dropout(ops.reshape(pair, (-1, size)))
        found = self.bottom(flat, return_gates=True)  # (batch * pairs, tasks, units or experts)
        by_pair = [ops.reshape(one, (-1, pairs, *one.shape[1:])) for one in found]
        bottom, gates = (
            {task: one[:, :, number] for number, task in enumerate(self.config.tasks)}
            for one in by_pair
        )
        return bottom, gates

    def _read(self, reviews: dict[str, Any], bottom: dict[str, Any]) -> tuple[Any, Any]:
        """Logits of a review's tokens, and the state after the last one, by pair."""
        assert self.review_reader is not None and self.review_condition is not None
        tokens, numbers = reviews["review_token_ids"], reviews["review_num_tokens"]
        pairs, length = tokens.shape[1:]
        # The loss of the words trains the bottom that the condition comes from.
        task = "next_token" if "next_token" in bottom else "sentiment"
        condition = self.review_condition(bottom[task])
        logits, summary = self.review_reader(
            ops.reshape(tokens, (-1, length)),
            ops.reshape(numbers, (-1,)),
            ops.reshape(condition, (-1, condition.shape[-1])),
        )
        summary = ops.reshape(summary, (-1, pairs, summary.shape[-1]))
        logits = ops.reshape(logits, (-1, pairs, length, logits.shape[-1]))
        return ops.cast(logits, "float32"), summary


def review_inputs(config: MultiTaskConfig, pairs: tuple[int, ...]) -> dict[str, Any]:
    """Inputs of the reviews of `pairs`: `(pairs,)`, or `()` for one a row."""
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


def _bottom(config: MultiTaskConfig) -> MMoE | PLE:
    num_tasks, units = len(config.tasks), config.expert_units
    if config.bottom == "ple":
        return PLE(num_tasks, config.num_experts, config.num_experts, units, name="bottom")
    experts = config.num_experts if config.bottom == "mmoe" else 1
    return MMoE(num_tasks, experts, units, name="bottom")
