"""How a model of the zoo is trained, beside its own hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.data.tables.item_texts import checked_columns
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.multitask import BALANCES


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained, beside its own hyperparameters.

    Attributes:
        split: `temporal`, `leave_one_out` or `cold_item`.
        seed: Start of weights, order of batches, and splits that draw.
        epochs: At most this many; the recipe's number by default.
        part_epochs: At most this many for the parts that `pretrain` trains; `epochs` by default.
        batch_size: The recipe's by default.
        learning_rate: The recipe's by default.
        weight_decay: Of AdamW, the decoupled L2; the recipe's by default.
        label_smoothing: Share of each click's or next item's target that is spread over all.
        adversarial_epsilon: Above 0, embedding tables are attacked in every step, see
            `training.adversarial`.
        refit: Whether to train once more on train and validation together, for the number of
            epochs that was best on validation. Test numbers are then those of the second model.
        pretrain: Whether to start from trained parts: NeuMF from a GMF and an MLP, as in the
            paper; a hybrid that tunes its language model from the hybrid with a frozen one.
        offer_new_items: Hybrid only: whether items without a training event are placed by their
            texts and lifted until they fill their share of the lists, see `zoo.models.new_items`.
        text_preset: Models that read text only: the language model, see `text.presets`.
        text_length: Most tokens of an item's text that are read; by default 64, or as many as the
            language model has positions for where these are fewer.
        text_columns: Catalog columns that are read after an item's title and text, such as
            `("brand", "category")`; see `data.item_texts`.
        language_model: Multi-task only: a preset of a GPT-2 that reads reviews, such as a folder
            of `pretrain-lm`; by default one that knows nothing yet.
        balance: Models of tasks only: `fixed`, or a way of `training.balancing`.
        loss_weights: Models of tasks only: number by output, 1 by default.
        word_dropout: Multi-task only: rate of a review's words left out in training.
        span_swap: Multi-task only: rate of reviews in which two spans change places in training,
            for models that do not predict the words in their order.
        weigh_scores: Multi-task only: whether the weights of behaviour and language in the score
            are chosen on validation.
        item_features: Two-tower only: catalogue columns of "|"-separated labels, such as genres.
        allow_seen: Whether items that a user has already are ranked too, in validation and test:
            for repeat consumption.
        item_features: Two-tower only: catalogue columns of labels, such as genres: lists, or texts
            in which labels are joined by "|".
        label_separator: What joins labels in a text instead; "|" by default, and then columns that
            seem to be joined by something else are refused.
        positive_from: The lowest rating of a positive event. Events rated lower are dropped before
            the split, so that models of ratings do not learn from them either. By default every
            event counts as positive, whatever its rating: also 0, -1 and False.
        strategy: `none` or `mirrored`.
        progress: Whether to show progress on a terminal.

    Raises:
        ValueError: When a number is out of range, or `balance` is unknown.
        TypeError: When a value is of another type.
    """

    split: str = "temporal"
    seed: int = 0
    epochs: int | None = None
    part_epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    adversarial_epsilon: float = 0.0
    refit: bool = True
    pretrain: bool = True
    offer_new_items: bool = False
    text_preset: str = "minilm"
    text_length: int | None = None
    text_columns: tuple[str, ...] = ()
    language_model: str | None = None
    balance: str = "fixed"
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    word_dropout: float = 0.0
    span_swap: float = 0.0
    weigh_scores: bool = False
    item_features: tuple[str, ...] = ()
    allow_seen: bool = False
    label_separator: str | None = None
    positive_from: float | None = None
    strategy: Any = "none"
    progress: bool = True

    def __post_init__(self) -> None:
        check_types(fields(self), vars(self))
        object.__setattr__(self, "loss_weights", dict(self.loss_weights))
        object.__setattr__(self, "text_columns", checked_columns(self.text_columns))
        if self.balance not in BALANCES:
            raise InvalidInput(
                f"`balance` must be one of {', '.join(BALANCES)}. Received: {self.balance!r}."
            )
        if self.label_separator == "":
            raise InvalidInput("`label_separator` must not be empty. Received: ''.")
        for name in ("label_smoothing", "word_dropout", "span_swap"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidInput(
                    f"`{name}` must be at least 0 and below 1. Received: {getattr(self, name)}."
                )
        for name in ("weight_decay", "adversarial_epsilon"):
            if (value := getattr(self, name)) is not None and not 0 <= value < float("inf"):
                raise InvalidInput(f"`{name}` must not be negative. Received: {value}.")
        for name in ("epochs", "part_epochs", "batch_size", "text_length"):
            if (value := getattr(self, name)) is not None and not value >= 1:
                raise InvalidInput(f"`{name}` must be at least 1. Received: {value}.")
        if (rate := self.learning_rate) is not None and not 0 < rate < float("inf"):
            raise InvalidInput(f"`learning_rate` must be above 0 and finite. Received: {rate}.")
        if not 0 <= self.seed < 2**32:  # what NumPy takes
            raise InvalidInput(f"`seed` must be from 0 to {2**32 - 1}. Received: {self.seed}.")
        for name, value in self.loss_weights.items():
            if not 0 <= value < float("inf"):
                raise InvalidInput(
                    f"A loss's weight must not be negative. Received: {name}={value}."
                )
