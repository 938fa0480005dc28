"""The training of a model: its loss, optimizer and schedule. Importing this imports no Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfrec_fusion.errors import InvalidInput

if TYPE_CHECKING:
    import keras

LOSSES = ("binary", "softmax", "squared")


@dataclass(frozen=True)
class Recipe:
    """The training of one model; every number was chosen on validation data.

    Attributes:
        loss: Of the output `logits`: `"binary"` cross-entropy or `"softmax"` cross-entropy from
            logits, `"squared"` error, or `smoothing` → a Keras loss.
        epochs: The most epochs.
        batch_size: In the unit of the batch maker: samples, pairs, or windows of full length.
        learning_rate: Of AdamW (Loshchilov and Hutter 2019).
        weight_decay: Of AdamW.
        jit_compile: Whether XLA compiles the step; it pays for many small layers of one shape.
        decay: Whether the learning rate rises over half an epoch and then falls along a half
            cosine to zero at the last step, instead of staying the same.
        patience: Validations without improvement before training stops; None: never.
        validate_every: Epochs between validations.
        monitor: The metric of `logits` that chooses epochs: `"ndcg@10"`, or `"auc"` for a model
            of clicks.

    Example:

    >>> Recipe("softmax", epochs=10, batch_size=64, learning_rate=1e-3).patience
    5
    """

    loss: str | Callable[[float], Any]
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    jit_compile: bool = False
    decay: bool = False
    patience: int | None = 5
    validate_every: int = 1
    monitor: str = "ndcg@10"

    def optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """Makes an optimizer for `epochs` epochs of so many batches."""
        import keras

        rate: float | keras.optimizers.schedules.LearningRateSchedule = self.learning_rate
        if self.decay:
            rising = max(1, steps_per_epoch // 2)
            falling = max(1, self.epochs * steps_per_epoch - rising)
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, falling, warmup_target=self.learning_rate, warmup_steps=rising
            )
        return keras.optimizers.AdamW(rate, weight_decay=self.weight_decay)


def make_loss(
    loss: str | Callable[..., Any], label_smoothing: float | None = None
) -> keras.losses.Loss:
    """Makes the loss of an output.

    Args:
        loss: As of `Recipe`, or a function without arguments where there is no smoothing.
        label_smoothing: Share of the target that is spread over all classes; None for a task.

    Raises:
        InvalidInput: When the name is unknown.
    """
    import keras

    from tfrec_fusion.losses import SmoothedSoftmax

    if callable(loss):
        return loss() if label_smoothing is None else loss(label_smoothing)
    if loss == "binary":
        return keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=label_smoothing or 0.0
        )
    if loss == "softmax" and label_smoothing:
        return SmoothedSoftmax(label_smoothing)
    if loss == "softmax":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if loss == "squared":
        return keras.losses.MeanSquaredError()
    raise InvalidInput(f"`loss` must be one of {', '.join(LOSSES)}. Received: {loss!r}.")
