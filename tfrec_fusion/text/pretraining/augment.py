"""Small changes of tokenized texts in training: words left out, spans exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class TextAugmentation:
    """Changes token ids on their way into training; `training.fit(..., augment=this)`.

    Attributes:
        inputs: Names of the texts: of `"user"` the inputs `user_token_ids (batch, length)`, padded
            on the right, and `user_num_tokens (batch,)` are read; both may have further axes in
            front of the length, such as several texts a row.
        word_dropout: Rate at which a token becomes `unknown_id` (Iyyer et al. 2015).
        unknown_id: The token of what is not said: [MASK], [UNK] or the end of a text.
        span_swap: Rate of texts in which two neighboring spans change places; the order of words
            changes, the words stay (random swap of EDA: Wei and Zou 2019, by spans).
        kept: Tokens at either end that stay, such as [CLS] and [SEP].

    Raises:
        ValueError: When a rate is outside [0, 1] or `kept` is negative.

    Example:

    >>> swap = TextAugmentation(("item",), span_swap=1.0)
    >>> batch = {"item_token_ids": tf.constant([[7, 8, 0]]), "item_num_tokens": tf.constant([2])}
    >>> swap(batch, seed=[1, 2])["item_token_ids"].numpy().tolist()
    [[8, 7, 0]]
    """

    inputs: Sequence[str]
    word_dropout: float = 0.0
    unknown_id: int = 0
    span_swap: float = 0.0
    kept: int = 0

    def __post_init__(self) -> None:
        for name in ("word_dropout", "span_swap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(
                    f"`{name}` must be between 0 and 1. Received: {getattr(self, name)}."
                )
        if self.kept < 0:
            raise InvalidInput(f"`kept` must not be negative. Received: {self.kept}.")

    def __call__(self, x: dict[str, Any], seed: Any) -> dict[str, Any]:
        """The inputs with changed token ids.

        Args:
            x: A batch's inputs.
            seed: Two whole numbers; the same ones change the same.

        Raises:
            ValueError: When an input is missing.
        """
        changed = dict(x)
        seeds = tf.random.split(tf.cast(seed, "int32"), 3 * len(self.inputs))
        for turn, name in enumerate(self.inputs):
            ids, number = f"{name}_token_ids", f"{name}_num_tokens"
            if ids not in x or number not in x:
                raise InvalidInput(
                    f"`inputs` names the text {name!r}, which needs {ids} and {number}. "
                    f"Received: {', '.join(sorted(x))}."
                )
            own = seeds[3 * turn : 3 * turn + 3]
            rows = tf.reshape(x[ids], (-1, tf.shape(x[ids])[-1]))
            numbers = tf.reshape(x[number], (-1,))
            rows = self._dropped(self._swapped(rows, numbers, own), numbers, own[2])
            changed[ids] = tf.ensure_shape(tf.reshape(rows, tf.shape(x[ids])), x[ids].shape)
        return changed

    def _swapped(self, ids: tf.Tensor, number: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        """Of some rows `a | b c | d` becomes `a | c b | d`, cut at three random places."""
        if not self.span_swap:
            return ids
        rows = tf.shape(ids)[0]
        inside = tf.maximum(number - 2 * self.kept, 0)  # (batch,) tokens that may move
        # Three different cuts 0 <= first < middle < last <= inside, where there are two tokens.
        cuts = tf.sort(tf.random.stateless_uniform((rows, 3), seeds[0]), axis=1) * tf.cast(
            inside[:, None] - 1, "float32"
        )
        first, middle, last = tf.unstack(
            tf.cast(cuts, number.dtype) + tf.range(3, dtype=number.dtype), axis=1
        )
        last = tf.minimum(last, inside)
        middle = tf.minimum(middle, last - 1)
        first = tf.minimum(first, middle - 1)
        chosen = (tf.random.stateless_uniform((rows,), seeds[1]) < self.span_swap) & (inside >= 2)
        place = tf.range(tf.shape(ids)[1], dtype=number.dtype)[None, :] - self.kept
        size_b, size_c = last - middle, middle - first  # what comes first is `last - middle` long
        moved = tf.where(
            place - first[:, None] < size_b[:, None],
            place + size_c[:, None],
            place - size_b[:, None],
        )
        within = (place >= first[:, None]) & (place < last[:, None]) & chosen[:, None]
        return tf.gather(ids, tf.where(within, moved, place) + self.kept, batch_dims=1)

    def _dropped(self, ids: tf.Tensor, number: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if not self.word_dropout:
            return ids
        place = tf.range(tf.shape(ids)[1], dtype=number.dtype)[None, :]
        within = (place >= self.kept) & (place < number[:, None] - self.kept)
        left_out = within & (tf.random.stateless_uniform(tf.shape(ids), seed) < self.word_dropout)
        return tf.where(left_out, tf.cast(self.unknown_id, ids.dtype), ids)
