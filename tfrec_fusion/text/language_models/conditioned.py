"""A GPT-2 that is told, before the first word, who writes about what."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput


@keras.saving.register_keras_serializable("tfrec_fusion")
class ConditionedGPT2(keras.layers.Layer):
    """Reads texts that begin with a vector instead of an end token.

    `x = [condition; e(token_1) … e(token_n)]` goes through the GPT-2; the state at place `t`
    predicts `token_{t+1}` through the tied embedding, the state after the last token is the text's
    summary. The vector is a soft prompt of one place (Lester, Al-Rfou and Constant 2021,
    https://arxiv.org/abs/2104.08691): what the words cost in nats teaches whatever made it.

    Args:
        backbone: A KerasHub `GPT2Backbone`, trained along; it needs a position more than texts
            have tokens.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        token_ids: `(batch, length)` integers, padded on the right with any valid id.
        num_tokens: `(batch,)` integers from 0 to `length`.
        condition: `(batch, hidden_dim)`.
        training: Whether it drops out.

    Returns:
        `(logits (batch, length, vocabulary_size), summary (batch, hidden_dim))`; logits at place
        `t` are those of `token_ids[:, t]`, from what stands before it.

    Raises:
        ValueError: When the backbone is no GPT-2, or has too few positions for the texts.

    Example:

    >>> import keras_hub, numpy as np
    >>> backbone = keras_hub.models.GPT2Backbone(
    ...     vocabulary_size=10, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16)
    >>> reader = ConditionedGPT2(backbone)
    >>> logits, summary = reader(np.array([[5, 6, 0]]), np.array([2]), np.ones((1, 8), "float32"))
    >>> logits.shape, summary.shape
    (TensorShape([1, 3, 10]), TensorShape([1, 8]))
    """

    def __init__(self, backbone: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        parts = ("token_embedding", "position_embedding", "transformer_layers", "layer_norm")
        if missing := [part for part in parts if not hasattr(backbone, part)]:
            raise InvalidInput(
                "`backbone` must be a KerasHub GPT2Backbone. Received: "
                f"{type(backbone).__name__}, which has no {', '.join(missing)}."
            )
        self.backbone = backbone
        self.hidden_dim = int(backbone.hidden_dim)
        self.vocabulary_size = int(backbone.vocabulary_size)
        self.max_length = int(backbone.max_sequence_length) - 1
        self.built = True

    def call(
        self, token_ids: Any, num_tokens: Any, condition: Any, training: bool | None = None
    ) -> tuple[Any, Any]:
        """Computes what the class describes."""
        length = token_ids.shape[1]
        if length is not None and length > self.max_length:
            raise InvalidInput(
                f"The GPT-2 reads at most {self.max_length} tokens behind the condition. "
                f"Received: texts of {length}. Cut them, or give a model of more positions."
            )
        gpt2 = self.backbone
        words = gpt2.token_embedding(token_ids)  # (batch, length, hidden_dim)
        first = ops.expand_dims(ops.cast(condition, words.dtype), 1)
        x = ops.concatenate([first, words], axis=1)  # (batch, 1 + length, hidden_dim)
        x = gpt2.embeddings_add((x, gpt2.position_embedding(x)))
        x = gpt2.embeddings_dropout(x, training=training)
        # Without a mask: padding stands on the right, and no state depends on what follows it.
        for layer in gpt2.transformer_layers:
            x = layer(x, training=training)
        x = gpt2.layer_norm(x)
        last = ops.reshape(ops.cast(num_tokens, "int32"), (-1, 1, 1))
        summary = ops.squeeze(ops.take_along_axis(x, last, axis=1), 1)
        return gpt2.token_embedding(x[:, :-1], reverse=True), summary

    def compute_output_shape(
        self,
        token_ids_shape: tuple[int | None, ...],
        num_tokens_shape: tuple[int | None, ...],
        condition_shape: tuple[int | None, ...],
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        """Of logits and summary."""
        rows, length = token_ids_shape
        return (rows, length, self.vocabulary_size), (rows, self.hidden_dim)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ConditionedGPT2:
        """Builds it again, the backbone included; its weights are loaded apart."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})
