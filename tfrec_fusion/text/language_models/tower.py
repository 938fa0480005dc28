"""From token ids to one vector a text."""

from __future__ import annotations

from typing import Any, Literal, get_args

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.language_models.adaptation import LoraFactors, Mode, adapt, sequence_output

Pooling = Literal["mean", "last", "first"]


@keras.saving.register_keras_serializable("tfrec_fusion")
class TextTower(keras.layers.Layer):
    """A language model's token vectors, pooled into one vector a text.

    The pooling is `mean` over the text's tokens, `last`: its last token (which in a GPT-2 has seen
    all of it), or `first`: its first ([CLS] in a BERT). Padding stands on the right and counts
    nowhere. A text of no tokens gets the weight `empty`, which starts as zeros: such a text says
    nothing until training finds what its absence means.

    The backbone is adapted in place, see `tfrec_fusion.text.language_models.adaptation.adapt`. A
    frozen one runs without dropout also in training, so that its vectors are those that were
    stored.

    Args:
        backbone: A KerasHub backbone with inputs `token_ids`, `padding_mask` and perhaps
            `segment_ids`, all zero here.
        pooling: `mean`, `last` or `first`.
        mode: `frozen`, `lora` or `full`.
        lora_rank: Rank of the low-rank factors.
        lora_layers: How many of the last transformer blocks get them; None: all.
        **kwargs: Arguments of `keras.layers.Layer`.

    Attributes:
        adaptation: What of the backbone is trained, countable and printable.
        dim: Size of a vector.

    Call arguments:
        token_ids: `(batch, length)` integers, padded on the right with any valid id.
        num_tokens: `(batch,)` integers from 0 to `length`.
        training: Whether an adapted backbone drops out.

    Returns:
        `(batch, dim)`.

    Raises:
        ValueError: When an argument is out of its range.

    Example:

    >>> import keras_hub, numpy as np
    >>> backbone = keras_hub.models.GPT2Backbone(
    ...     vocabulary_size=10, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=16)
    >>> tower = TextTower(backbone, "last")
    >>> vectors = tower(np.array([[5, 6, 0], [0, 0, 0]]), np.array([2, 0]))
    >>> vectors.shape, vectors[1].numpy().any()
    (TensorShape([2, 8]), np.False_)
    """

    def __init__(
        self,
        backbone: keras.Model,
        pooling: Pooling = "mean",
        *,
        mode: Mode = "frozen",
        lora_rank: int = 8,
        lora_layers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in get_args(Pooling):
            raise InvalidInput(
                f"`pooling` must be one of {', '.join(get_args(Pooling))}. "
                f"Received: pooling={pooling!r}."
            )
        self.pooling = pooling
        self.mode = mode
        self.lora_rank = lora_rank
        self.lora_layers = lora_layers
        self.adaptation = adapt(backbone, mode, lora_rank=lora_rank, lora_layers=lora_layers)
        self.backbone = backbone
        # Saved and loaded after the backbone, in the order of the attributes' names.
        self.backbone_lora_factors = LoraFactors(self.adaptation.lora_projections)
        self.dim = int(sequence_output(backbone).shape[-1])

    def build(self, token_ids_shape: tuple[int, ...], num_tokens_shape: tuple[int, ...]) -> None:
        """Makes the weight of texts without tokens."""
        self.empty = self.add_weight(name="empty", shape=(self.dim,), initializer="zeros")

    def call(self, token_ids: Any, num_tokens: Any, training: bool | None = None) -> Any:
        """Computes what the class describes."""
        is_empty = ops.expand_dims(num_tokens <= 0, -1)  # (batch, 1)
        # Attention over nothing is undefined: an empty row attends to its first padding token.
        counted = ops.maximum(num_tokens, 1)
        states = self._token_vectors(token_ids, counted, training)
        pooled = ops.cast(self.pool(states, counted), self.compute_dtype)
        return ops.where(is_empty, ops.cast(self.empty, self.compute_dtype), pooled)

    def _token_vectors(self, token_ids: Any, num_tokens: Any, training: bool | None) -> Any:
        is_token = self._is_token(token_ids, num_tokens)
        inputs = {
            "token_ids": token_ids,
            "padding_mask": ops.cast(is_token, "int32"),
            "segment_ids": ops.zeros_like(token_ids),
        }
        wanted = {tensor.name: inputs[tensor.name] for tensor in self.backbone.inputs}
        states = self.backbone(wanted, training=False if self.mode == "frozen" else training)
        return states["sequence_output"] if isinstance(states, dict) else states

    def _is_token(self, token_ids: Any, num_tokens: Any) -> Any:
        places = ops.arange(ops.shape(token_ids)[1], dtype=num_tokens.dtype)
        return places < ops.expand_dims(num_tokens, -1)  # (batch, length)

    def pool(self, states: Any, num_tokens: Any) -> Any:
        """Token vectors `(batch, length, dim)` of texts of `num_tokens` → `(batch, dim)`."""
        if self.pooling == "first":
            return states[:, 0]
        if self.pooling == "last":
            last = ops.expand_dims(ops.expand_dims(num_tokens - 1, -1), -1)  # (batch, 1, 1)
            return ops.squeeze(ops.take_along_axis(states, last, axis=1), 1)
        # In float32, for a sum of many bfloat16 numbers loses most of their digits.
        states = ops.cast(states, "float32")
        is_token = ops.cast(self._is_token(states, num_tokens), "float32")  # (batch, length)
        total = ops.einsum("bl,bld->bd", is_token, states)
        return total / ops.cast(ops.expand_dims(num_tokens, -1), "float32")

    def compute_output_shape(
        self, token_ids_shape: tuple[int, ...], num_tokens_shape: tuple[int, ...]
    ) -> tuple[int, ...]:
        """`(batch, dim)`."""
        return (token_ids_shape[0], self.dim)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "pooling": self.pooling,
            "mode": self.mode,
            "lora_rank": self.lora_rank,
            "lora_layers": self.lora_layers,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextTower:
        """Builds it again, the backbone included; its weights are loaded apart."""
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})
