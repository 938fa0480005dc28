"""Training options that every model has. Importing this imports no Keras."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.spec import option

SPLITS = ("temporal", "leave_one_out", "cold_item")  # of `data.split.SPLITS`


@dataclass(frozen=True)
class TrainOptions:
    """Training options of every model, next to its own; baselines use the first five.

    Attributes:
        split: One of `SPLITS`, see `data.split`.
        seed: Of initial weights, the order of batches, and splits that draw.
        allow_seen: Whether items that a user has interacted with are ranked too, in validation and
            test: for repeat consumption.
        positive_from: The lowest rating of a positive event. Events rated lower are dropped before
            the split, so that models of ratings do not learn from them either. By default every
            event counts as positive, whatever its rating: also 0, -1 and False.
        production: Whether the model that is kept is trained once more, on all events, after the
            refitted one was measured on the test part; the numbers stay those of the latter.
        epochs: At most this many; the recipe's number by default.
        batch_size: The recipe's by default.
        learning_rate: The recipe's by default.
        weight_decay: Of AdamW, the decoupled L2; the recipe's by default.
        label_smoothing: Share of each click's or next item's target that is spread over all.
        adversarial_epsilon: Size of the adversarial perturbation of embedding tables in every
            step, see `training.adversarial`; 0 disables it.
        refit: Whether to train once more on train and validation together, for the number of
            epochs that was best on validation. Test numbers are then those of the second model.
        strategy: `none` or `mirrored`.
        progress: Whether to show progress on a terminal.

    Raises:
        ValueError: When a number is out of range.
        TypeError: When a value is of another type.
    """

    split: str = option("temporal", "split into train, validation and test", choices=SPLITS)
    seed: int = option(0, "seed of weights, batches and splits")
    allow_seen: bool = option(False, "rank items that a user has interacted with, too")
    positive_from: float | None = option(None, "drop events rated lower")
    production: bool = option(False, "train the final model on all events, the test part included")
    epochs: int | None = option(None, "most epochs")
    batch_size: int | None = option(None, "examples in a batch")
    learning_rate: float | None = option(None, "learning rate at its highest", low=1e-4, high=2e-2)
    weight_decay: float | None = option(None, "decoupled weight decay of AdamW")
    label_smoothing: float = option(0.0, "share of a target spread over all items")
    adversarial_epsilon: float = option(0.0, "adversarial perturbation size; 0 disables it")
    refit: bool = option(True, "train again on train and validation")
    strategy: Any = option(  # noqa: RUF009
        "none", "distribution strategy", choices=("none", "mirrored")
    )
    progress: bool = True

    def __post_init__(self) -> None:
        check_types(fields(self), vars(self))
        if self.production and not self.refit:
            raise InvalidInput(
                "`production` trains once more after the refit, whose numbers it keeps: it needs "
                "`refit`. Received: production=True, refit=False (--production with --no-refit)."
            )
        if not 0 <= self.label_smoothing < 1:
            raise InvalidInput(
                "`label_smoothing` must be at least 0 and below 1. "
                f"Received: {self.label_smoothing}."
            )
        for name in ("weight_decay", "adversarial_epsilon"):
            if (value := getattr(self, name)) is not None and not 0 <= value < float("inf"):
                raise InvalidInput(f"`{name}` must not be negative. Received: {value}.")
        for name in ("epochs", "batch_size"):
            if (value := getattr(self, name)) is not None and not value >= 1:
                raise InvalidInput(f"`{name}` must be at least 1. Received: {value}.")
        if (rate := self.learning_rate) is not None and not 0 < rate < float("inf"):
            raise InvalidInput(f"`learning_rate` must be above 0 and finite. Received: {rate}.")
        if not 0 <= self.seed < 2**32:  # what NumPy takes
            raise InvalidInput(f"`seed` must be from 0 to {2**32 - 1}. Received: {self.seed}.")
