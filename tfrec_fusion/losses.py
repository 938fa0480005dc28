"""Losses that Keras does not have."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfrec_fusion")
class SmoothedSoftmax(keras.losses.Loss):
    """Cross-entropy of a softmax over many classes with smoothed labels, targets being indices.

    `loss = -(1 - s) · log p_target - s · mean_c log p_c`, which is Keras's
    `CategoricalCrossentropy(label_smoothing=s)` (Szegedy et al. 2016, section 7) without the
    one-hot targets that a catalogue has no room for.

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
            raise ValueError(
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


@keras.saving.register_keras_serializable("tfrec_fusion")
class BatchSimilarity(keras.losses.Loss):
    """How differently two spaces see which rows of a batch are alike.

    With `p_ij` the softmax over the other rows `j` of `cos(t_i, t_j) / temperature` in the space
    of the targets, and `q_ij` the same in that of the predictions,

        loss_i = sum_j p_ij (log p_ij - log q_ij)

    (self-supervised distillation: Fang et al. 2021, https://arxiv.org/abs/2101.04731, with the
    batch in place of a queue). The spaces may have different dimensions.

    Args:
        temperature: Divides the cosines; the smaller, the more only the nearest rows count.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: `(batch, target_dim)`.
        y_pred: `(batch, dim)`.

    Raises:
        ValueError: When `temperature` is not above 0.

    Example: a space that was only turned sees the same.

    >>> rows = ops.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    >>> round(float(BatchSimilarity()(rows, rows[:, ::-1])), 4)
    0.0
    """

    def __init__(self, temperature: float = 0.05, **kwargs: Any) -> None:
        if not temperature > 0:
            raise ValueError(f"`temperature` must be above 0. Received: {temperature}.")
        super().__init__(**kwargs)
        self.temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Computes what the class describes."""
        target, found = self._log_chance(y_true), self._log_chance(y_pred)
        return ops.sum(ops.exp(target) * (target - found), axis=-1)

    def _log_chance(self, rows: Any) -> Any:
        """`(batch, batch)`; a row is as good as never compared with itself."""
        unit = ops.normalize(rows, axis=-1)
        cosine = ops.matmul(unit, ops.transpose(unit)) / self.temperature
        itself = ops.eye(ops.shape(rows)[0], dtype=cosine.dtype)
        return ops.log_softmax(cosine - 1e4 * itself, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "temperature": self.temperature}
