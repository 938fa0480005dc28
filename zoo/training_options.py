"""Training options of some models, next to those of every model (`zoo.runs.train_options`).

A spec names the dataclasses that hold for its model; their fields are keywords of `train` and
options of the command line. Importing this imports no Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfrec_fusion.data.tables.text_columns import checked_columns
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

BALANCES = ("fixed", "uncertainty", "dwa", "gradnorm", "pcgrad")


@dataclass(frozen=True)
class PretrainedParts:
    """Models that start from trained parts.

    Attributes:
        pretrain: Whether the parts are trained first: GMF and MLP for NeuMF, as in the paper; for
            a hybrid that tunes its language model the hybrid with a frozen one.
        part_epochs: At most this many for the parts; those of the whole by default.
    """

    pretrain: bool = option(True, "start from trained parts")
    part_epochs: int | None = option(
        None, "most epochs of each part; by default those of the whole"
    )

    def __post_init__(self) -> None:
        _check_positive(self, "part_epochs")


@dataclass(frozen=True)
class TextColumns:
    """Models that read items' texts.

    Attributes:
        text_columns: Catalog columns that are read after an item's title and text, such as
            `("brand", "category")`; see `data.tables.item_texts`.
    """

    text_columns: tuple[str, ...] = option((), "catalog columns read after title and text")

    def __post_init__(self) -> None:
        object.__setattr__(self, "text_columns", checked_columns(self.text_columns))


@dataclass(frozen=True)
class LanguageModel:
    """Models that read items' texts through a language model.

    Attributes:
        text_preset: The language model, see `text.language_models.presets`.
        text_length: Most tokens of an item's text that are read; by default 64, or as many as the
            language model has positions for where these are fewer.
    """

    text_preset: str = option(
        "minilm",
        "language model: minilm, a KerasHub preset, hf://owner/name[@revision], or a folder",
    )
    text_length: int | None = option(
        None, "tokens of a text; by default 64, or the positions of the language model"
    )

    def __post_init__(self) -> None:
        _check_positive(self, "text_length")


@dataclass(frozen=True)
class NewItems:
    """Models that can place items without a training event by their texts.

    Attributes:
        offer_new_items: Whether such items are lifted until they fill their share of the lists,
            see `zoo.models.text_hybrid.new_items`.
    """

    offer_new_items: bool = option(False, "recommend items without an event by their texts")


@dataclass(frozen=True)
class ItemLabels:
    """Models that read labels of items as features.

    Attributes:
        item_features: Catalog columns of labels, such as genres: lists, or texts in which labels
            are joined by `label_separator`.
        label_separator: By default "|", and then columns that seem to be joined by something else
            are refused.
    """

    item_features: tuple[str, ...] = option((), "catalog columns of labels, such as genres")
    label_separator: str | None = option(None, "separator of labels in a text; | by default")

    def __post_init__(self) -> None:
        object.__setattr__(self, "item_features", tuple(self.item_features))
        if self.label_separator == "":
            raise InvalidInput("`label_separator` must not be empty. Received: ''.")


@dataclass(frozen=True)
class TaskWeights:
    """Models of several tasks.

    Attributes:
        balance: How the losses are weighted: `"fixed"`, or a method of `training.balancing`.
        loss_weights: Number by output, 1 by default.
    """

    balance: str = option("fixed", "weighting of the losses", choices=BALANCES)
    loss_weights: Mapping[str, float] | None = option(
        None, "weight of an output's loss, 1 by default; outputs are logits and the tasks"
    )

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "loss_weights", weights := dict(self.loss_weights or {}))
        for name, value in weights.items():
            if not 0 <= value < float("inf"):
                raise InvalidInput(
                    f"A loss's weight must not be negative. Received: {name}={value}."
                )


@dataclass(frozen=True)
class Reviews:
    """Models that read reviews.

    Attributes:
        language_model: A preset of a GPT-2 that reads reviews, such as a folder of `pretrain-lm`;
            by default one with random weights.
        word_dropout: Rate of a review's words masked in training.
        span_swap: Rate of reviews in which two spans change places in training, for models that
            do not predict the words in their order.
        weigh_scores: Whether the weights of behavior and language in the score are chosen on
            validation.
    """

    language_model: str | None = option(
        None, "preset of a GPT-2 to continue with, such as a folder of pretrain-lm"
    )
    word_dropout: float = option(0.0, "rate of words masked in reviews", low=0.0, high=0.3)
    span_swap: float = option(0.0, "rate of reviews in which spans swap", low=0.0, high=0.3)
    weigh_scores: bool = option(False, "tune the weights of behavior and language")

    def __post_init__(self) -> None:
        check_options(self, rates=("word_dropout", "span_swap"))


OF_SOME_MODELS = (
    *(PretrainedParts, TextColumns, LanguageModel, NewItems, ItemLabels, TaskWeights, Reviews),
)


def _check_positive(options: object, name: str) -> None:
    if (value := vars(options)[name]) is not None and value < 1:
        raise InvalidInput(f"`{name}` must be at least 1. Received: {value}.")
