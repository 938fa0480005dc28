"""The Keras models behind the signatures of an export."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.top_k import ExactRanker, NearestRanker, NearItems, Ranker


@dataclass(frozen=True)
class ServedModels:
    """What can be asked: each model that is there gives its signatures.

    Attributes:
        score: `{"user_id": (batch,) int32}` → `{"scores": (batch, num_items)}`, or with an `index`
            `{"query": (batch, dim)}`: `recommend` and `score`. None where users are left out.
        history: `{"history": (batch, steps) int32}`, item indices, oldest first, 0 in front where
            there is none → the same: `recommend_from_history`. A request may have thousands of
            steps: a model whose work grows with their square reads the last ones alone
            (`layers.history.most_recent`).
        index: Of vectors `(num_items, dim + 1)`, the last number of which is added to the product
            of the others with the query: only items that it finds are recommended.
        similarity: `{"item_id": (batch,) int32}` → `{"scores": (batch, num_items)}`:
            `similar_items`.
        encoder: Strings `(batch,)` → `(batch, text_dim)`, the language model with its tokenizer.
        search: `{"text": (batch, text_dim)}`, what `encoder` makes of a wish →
            `{"scores": (batch, num_items)}`: `search`.
        item_of_text: `{"text": (batch, text_dim)}` → `{"embedding": (batch, dim)}`, the vector of
            an item that is in no catalog: `embed_items`.
        score_of_text: `{"user_id": (batch,) int32, "text": (batch, text_dim)}` →
            `{"score": (batch,)}`: `score_text`.

    Raises:
        ValueError: When a model reads texts and there is no `encoder`, or the other way round; when
            neither users nor histories are answered, or texts are scored without users.
    """

    score: keras.Model | None
    history: keras.Model | None = None
    index: NearItems | None = None
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
            raise InvalidInput(
                "`encoder` and a model that reads its vectors go together. Received: encoder="
                f"{self.encoder}, reading: {', '.join(reading) or 'none'}."
            )
        if self.score is None and (self.history is None or self.score_of_text is not None):
            raise InvalidInput(
                "Without `score`, users are left out: `history` must be there and `score_of_text` "
                f"not. Received: history={self.history}, score_of_text={self.score_of_text}."
            )

    def ranker(self, popularity: np.ndarray) -> Ranker:
        """What orders items for users and histories.

        Args:
            popularity: `(num_items,)` scores for who is unknown.
        """
        by_name = {"user_id": self.score, "history": self.history}
        models = {name: model for name, model in by_name.items() if model is not None}
        if self.index is not None:
            return NearestRanker(models, self.index, popularity)
        fixed = tf.Variable(popularity.astype(np.float32), trainable=False, name="popularity")
        return ExactRanker(models, fixed)

    def layers(self) -> list[keras.layers.Layer]:
        """The layers of all that is there."""
        models = [one for one in vars(self).values() if isinstance(one, keras.Model)]
        return [layer for model in models for layer in model.layers]
