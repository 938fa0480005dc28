"""Losses that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput


@keras.saving.register_keras_serializable("tfrec_fusion")
class SmoothedSoftmax(keras.losses.Loss):
    """Cross-entropy of a softmax over many classes with smoothed labels, targets being indices.

    `loss = -(1 - s) · log p_target - s · mean_c log p_c`, which is Keras's
    `CategoricalCrossentropy(label_smoothing=s)` (Szegedy et al. 2016, section 7) without the
    one-hot targets that a catalog has no room for.

    Args:
        label_smoothing: `s`, from 0 to below 1.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: `(...,)` whole numbers.
        y_pred: `(..., num_classes)` logits.

    Raises:
        ValueError: When `label_smoothing` is out of range.

    Example: over two equal classes any smoothing costs log 2.

    >>> round(float(SmoothedSoftmax(0.5)(ops.array([1]), ops.zeros((1, 2)))), 4)
    0.6931
    """

    def __init__(self, label_smoothing: float = 0.1, **kwargs: Any) -> None:
        if not 0 <= label_smoothing < 1:
            raise InvalidInput(
                f"`label_smoothing` must be at least 0 and below 1. Received: {label_smoothing}."
            )
        super().__init__(**kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Computes what the class describes."""
        # Removed items have logits far below all others: their log-probability would be the sum.
        removed = y_pred < -1e8
        chance = ops.log_softmax(y_pred, axis=-1)
        number = ops.sum(ops.cast(ops.logical_not(removed), chance.dtype), axis=-1)
        everyone = ops.sum(ops.where(removed, 0.0, chance), axis=-1) / number
        target = ops.cast(y_true, "int32")
        own = ops.squeeze(ops.take_along_axis(chance, target[..., None], axis=-1), -1)
        return -(1 - self.label_smoothing) * own - self.label_smoothing * everyone

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
