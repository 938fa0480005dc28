"""Weights of behavior and language in a score, set after training."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.precision import FullPrecision


@keras.saving.register_keras_serializable("tfrec_fusion")
class ScoreWeights(FullPrecision):
    """Multiplies the two parts of a query, and so the two terms of its dot products.

    With `query = [q; p]` and `candidate = [v; t]` the score becomes
    `behavior · (q · v) + language · (p · t)`. Both weights are 1 in training and not trained.

    Args:
        dim: Size of the first part.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: `(..., dim + size of the second part)`.

    Returns:
        The same shape, float32 under any dtype policy.

    Raises:
        ValueError: When a weight is negative or not finite, or both are 0.

    Example:

    >>> layer = ScoreWeights(1)
    >>> layer.set_weights_of(behavior=2.0, language=0.5)
    >>> layer(ops.ones((1, 3))).numpy().tolist()
    [[2.0, 0.5, 0.5]]
    """

    def __init__(self, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dim = dim
        self.behavior = self._constant("behavior")
        self.language = self._constant("language")
        self.built = True

    def _constant(self, name: str) -> Any:
        return self.add_weight(name=name, shape=(), initializer="ones", trainable=False)

    def set_weights_of(self, behavior: float, language: float) -> None:
        """Sets both."""
        given = (behavior, language)
        if not (min(given) >= 0 and 0 < max(given) < float("inf")):
            raise InvalidInput(
                "`behavior` and `language` must not be negative, and not both 0. "
                f"Received: behavior={behavior}, language={language}."
            )
        self.behavior.assign(behavior)
        self.language.assign(language)

    def call(self, query: Any) -> Any:
        """Computes what the class describes."""
        parts = (query[..., : self.dim], query[..., self.dim :])
        weights = (self.behavior, self.language)
        weighted = [
            part * ops.cast(weight, part.dtype) for part, weight in zip(parts, weights, strict=True)
        ]
        return ops.concatenate(weighted, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {**super().get_config(), "dim": self.dim}
