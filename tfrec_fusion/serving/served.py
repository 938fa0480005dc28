"""The Keras models behind the signatures of an export."""

from __future__ import annotations

from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class ServedModels:
    """What can be asked: each model that is there gives its signatures.

    Attributes:
        score: `{"user_id": (batch,) int32}` → `{"scores": (batch, num_items)}`: `recommend` and
            `score`.
        history: `{"history": (batch, steps) int32}`, item indices, oldest first, 0 in front where
            there is none → the same: `recommend_from_history`.
        similarity: `{"item_id": (batch,) int32}` → the same: `similar_items`.
        encoder: Strings `(batch,)` → `(batch, text_dim)`, the language model with its tokenizer.
        search: `{"text": (batch, text_dim)}`, what `encoder` makes of a wish →
            `{"scores": (batch, num_items)}`: `search`.
        item_of_text: `{"text": (batch, text_dim)}` → `{"embedding": (batch, dim)}`, the vector of
            an item that is in no catalogue: `embed_items`.
        score_of_text: `{"user_id": (batch,) int32, "text": (batch, text_dim)}` →
            `{"score": (batch,)}`: `score_text`.

    Raises:
        ValueError: When a model reads texts and there is no `encoder`, or the other way round.
    """

    score: keras.Model
    history: keras.Model | None = None
    similarity: keras.Model | None = None
    encoder: keras.Model | None = None
    search: keras.Model | None = None
    item_of_text: keras.Model | None = None
    score_of_text: keras.Model | None = None

    def __post_init__(self) -> None:
        reading = [
            name
            for name in ("search", "item_of_text", "score_of_text")
            if getattr(self, name) is not None
        ]
        if bool(reading) != (self.encoder is not None):
            raise ValueError(
                "`encoder` and a model that reads its vectors go together. Received: encoder="
                f"{self.encoder}, reading: {', '.join(reading) or 'none'}."
            )

    def given(self) -> list[keras.Model]:
        """Those that are there."""
        return [one for one in vars(self).values() if one is not None]
