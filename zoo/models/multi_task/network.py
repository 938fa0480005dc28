"""The multi-task model as a Keras functional model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import keras
import numpy as np
import tokenizers
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.language_models.causal import GPT2Size
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig
from tfrec_fusion.zoo.models.multi_task.task_layers import TaskLayers, review_inputs
from tfrec_fusion.zoo.models.text_hybrid.builder import check_graph
from tfrec_fusion.zoo.models.text_hybrid.builder import sizes_of as hybrid_sizes
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.models.text_hybrid.network import TextHybrid


@keras.saving.register_keras_serializable("tfrec_fusion")
class MultiTask(TextHybrid):
    """Several tasks over one pair of towers, as a functional model; the package has the formulas.

    Inputs next to those of `TextHybrid`: `user_id (batch,)`, `pair_step`, `pair_item` and
    `pair_rating (batch, pairs)`, which the biases leave out, and of the reviews
    `review_token_ids (batch, pairs, length)` and `review_num_tokens (batch, pairs)`, or
    `review_vector (batch, pairs, dim)`; `data.batches.pair_tasks` makes them. Outputs next to
    `logits`: see `task_layers.TaskLayers.tasks_of`.

    Args:
        config: Sizes and choices.
        text_tower: The language model of the items' texts, where it is tuned.
        backbone: The GPT-2 that reads reviews, where one does.
        tokenizer: Its tokenizer, as the JSON of Hugging Face's `tokenizers`.
        **kwargs: Arguments of `keras.Model`.

    Attributes: those of `TextHybrid`, and the layers of `TaskLayers` under their names.

    Example: see `multi_task`.
    """

    config_class: ClassVar[type[TextHybridConfig]] = MultiTaskConfig
    config: MultiTaskConfig
    task_layers: TaskLayers
    score_weights: ScoreWeights
    rating_biases: RatingBiases | None

    def __init__(
        self,
        config: MultiTaskConfig,
        text_tower: Any = None,
        backbone: keras.Model | None = None,
        tokenizer: str = "",
        **kwargs: Any,
    ) -> None:
        # === Layers ===
        task_layers = TaskLayers.from_config(config, backbone)

        # === Functional ===
        super().__init__(config, text_tower, task_layers, **kwargs)

        # === Config ===
        self.backbone, self.tokenizer = backbone, tokenizer
        self.task_layers = task_layers
        self.name_sublayers(task_layers)

    def set_known(self, events: Any) -> None:
        """As of `TextHybrid`, and counts the ratings' biases."""
        super().set_known(events)
        if self.rating_biases is not None:
            self.rating_biases.set_ratings(events.user, events.item, events.rating)

    def set_score_weights(self, behavior: float = 1.0, language: float = 1.0) -> None:
        """Weights the two terms of the score: query · item, and the profile's match with the text.

        Args:
            behavior: Weight of the first.
            language: Weight of the second; without effect where items have no text.

        Raises:
            ValueError: When a weight is negative, or both are 0.
        """
        self.score_weights.set_weights_of(behavior, language)

    def read_reviews(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """Makes of reviews what `data.batches.pair_tasks` and `pair_model` read.

        Returns:
            `token_ids (num_texts, review_length)` and `num_tokens (num_texts,)`, or, with a
            frozen reader, `vector (num_texts, review_dim)`.

        Raises:
            ValueError: When the model reads no reviews.
        """
        if not self.config.reads_reviews:
            raise InvalidInput(f"No task reads reviews. Received: tasks={self.config.tasks}.")
        given = [str(text) for text in texts]
        if self.config.review_reader == "frozen":
            return {"vector": text_vectors(given, self.config.review_preset)}
        encoded = tokenizers.Tokenizer.from_str(self.tokenizer).encode_batch(given)
        length = self.config.review_length
        ids = np.zeros((len(given), length), np.int32)
        numbers = np.array([min(len(one.ids), length) for one in encoded], np.int32)
        for row, number, one in zip(ids, numbers, encoded, strict=True):
            row[:number] = one.ids[:number]
        return {"token_ids": ids, "num_tokens": numbers}

    def pair_model(self, known: Any, tasks: Iterable[str] | None = None) -> keras.Model:
        """Makes a model of the tasks' outputs for a user, as known, and an item.

        Args:
            known: The users' interactions (`data.events.Events`).
            tasks: Some of the config's, all by default; `rating` alone needs no review.

        Returns:
            `{"user_id": (batch,), "item_id": (batch,), review inputs}` → `rating (batch,)`,
            `sentiment (batch,)`, a logit, and `next_token (batch, length, tokens)`, logits.

        Raises:
            ValueError: When the model has no such task.
        """
        wanted = tuple(self.config.tasks if tasks is None else tasks)
        if unknown := [task for task in wanted if task not in self.config.tasks]:
            raise InvalidInput(
                f"This model has the tasks {', '.join(self.config.tasks)}. "
                f"Received: {', '.join(unknown)}."
            )
        inputs, query, item = self._pair(known)
        asked = dict(inputs)
        reviews = review_inputs(self.config, ()) if set(wanted) - {"rating"} else {}
        inputs |= reviews
        one = {name: ops.expand_dims(tensor, 1) for name, tensor in reviews.items()}
        ids = (asked["user_id"], ops.expand_dims(asked["item_id"], 1))
        found = self.task_layers.tasks_of(wanted, *ids, query, item, one)
        outputs = {
            name: ops.squeeze(tensor, 1) if name == "next_token" else ops.squeeze(tensor, (1, 2))
            for name, tensor in found.items()
        }
        return keras.Model(inputs, outputs, name="pairs")

    def gate_model(self, known: Any) -> keras.Model:
        """`{"user_id": (batch,), "item_id": (batch,)}` → by task `(batch, num_experts)`.

        The share of each expert in each task's bottom for a pair; rows sum to 1.
        """
        inputs, query, item = self._pair(known)
        _, gates = self.task_layers.bottoms(query, item)
        outputs = {task: ops.cast(ops.squeeze(gate, 1), "float32") for task, gate in gates.items()}
        return keras.Model(inputs, outputs, name="gates")

    def _pair(self, known: Any) -> tuple[dict[str, Any], Any, Any]:
        """Inputs, and query and item `(batch, 1, size)`."""
        inputs = {
            name: keras.Input((), dtype="int32", name=name) for name in ("user_id", "item_id")
        }
        read = self.known_inputs(inputs["user_id"], known)
        catalog = self.towers.catalog(anchor=inputs["user_id"])
        rows = ops.take(catalog, read["history"], axis=0)
        query = self.towers.query(read, rows, last=True)
        item = ops.take(catalog, inputs["item_id"], axis=0)
        return inputs, ops.expand_dims(query, 1), ops.expand_dims(item, 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        backbone = self.backbone and keras.saving.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone, "tokenizer": self.tokenizer}

    @classmethod
    def parts_of_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The constructor's own arguments of a config."""
        backbone = config["backbone"] and keras.saving.deserialize_keras_object(config["backbone"])
        return {"backbone": backbone, "tokenizer": config["tokenizer"]}


def multi_task(
    config: MultiTaskConfig,
    tokenizer: tokenizers.Tokenizer | None = None,
    backbone: keras.Model | None = None,
    text_tower: Any = None,
    item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    name: str = "multi_task",
    **constants: Any,
) -> MultiTask:
    """Builds a multi-task model.

    Args:
        config: Sizes and choices; `sizes_of` gives those that follow from the other arguments.
        tokenizer: Of the reviews (`text.encoding.byte_pairs.train_tokenizer`), for a GPT-2 that
            reads them.
        backbone: A GPT-2 with that vocabulary to continue with (KerasHub's `GPT2Backbone`); by
            default one of the config's sizes with random weights.
        text_tower: The language model of the items' texts to tune.
        item_tokens: Token ids and their numbers, for that one.
        name: Of the model.
        **constants: `item_text`, `user_text` and `knowledge`, as of `text_hybrid`.

    Raises:
        ValueError: For reviews to be read by a GPT-2 without a tokenizer.

    Example:

    >>> config = MultiTaskConfig(4, 6, sources="id", dim=4, tasks=("rating",), pairs=2)
    >>> model = multi_task(config)
    >>> x = {"history": np.array([[0, 5, 2]]), "user_id": np.array([1]),
    ...      "pair_step": np.array([[1, 2]]), "pair_item": np.array([[2, 3]]),
    ...      "pair_rating": np.array([[4.0, 5.0]])}
    >>> {name: tuple(one.shape) for name, one in model(x).items()}
    {'logits': (1, 3, 6), 'rating': (1, 2, 1)}
    """
    parts: dict[str, Any] = {}
    if config.reads_reviews and config.review_reader == "gpt2":
        if tokenizer is None:
            raise InvalidInput(
                'A GPT-2 that reads reviews needs a `tokenizer`. Give one, review_reader="frozen" '
                'or tasks=("rating",).'
            )
        parts = {"tokenizer": tokenizer.to_str(), "backbone": backbone or _gpt2(config)}
    check_graph(config, constants.get("knowledge"))
    model = MultiTask(config, text_tower, **parts, name=name)
    model.set_constants(item_tokens=item_tokens, **constants)
    return model


def sizes_of(tokenizer: tokenizers.Tokenizer | None = None, **arrays: Any) -> dict[str, int]:
    """Fields of the config that follow from arrays; arguments as of `multi_task`."""
    sizes = hybrid_sizes(**arrays)
    if tokenizer is not None:
        sizes["vocabulary_size"] = tokenizer.get_vocab_size() + 1  # and the end of a text
    return sizes


def _gpt2(config: MultiTaskConfig) -> keras.Model:
    """A GPT-2 of the chosen sizes, with a position for the condition."""
    return GPT2Size(
        vocabulary_size=config.vocabulary_size,
        num_layers=config.language_layers,
        hidden_dim=config.language_dim,
        num_heads=config.language_heads,
        max_length=config.review_length + 1,
    ).backbone()
