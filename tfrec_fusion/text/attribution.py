"""Which words of a text carried a score: by leaving them out, and by integrated gradients."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.tokens import TextTokens
from tfrec_fusion.text.language_models.adaptation import sequence_output
from tfrec_fusion.text.language_models.tower import TextTower

_WORD = re.compile(r"\S+")


class WordEffects:
    """What each word of a text adds to a score, in two ways.

    The effect is by how much the score falls when the word is left out of the text.

    The gradient is the word's share by integrated gradients (Sundararajan et al. 2017,
    https://arxiv.org/abs/1703.01365) along the straight line from a text of average words to the
    text itself:
    `gradient(token) = (e - mean) · ∫ ∂score/∂e`, e the token's embedding, `mean` that of all tokens
    of the vocabulary, the integral by the midpoint rule. A word's gradient is the sum of its
    tokens'; all together are `score(text) - score(average words)`, up to the rule's error.

    An average word is no missing word, so the two differ; `benchmarks/explanation_check.py` removes
    words by either.

    Args:
        tower: The language model with its pooling.
        tokens: What makes its tokens.
        steps: Points of the midpoint rule; more are more exact and cost as much more.

    Raises:
        ValueError: When the language model has no table of token embeddings to start from.

    Example:

    >>> import keras_hub
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "quiet", "film"]
    >>> tokens = TextTokens(keras_hub.models.BertTokenizer(words), max_length=6)
    >>> backbone = keras_hub.models.BertBackbone(
    ...     vocabulary_size=7, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=8)
    >>> effects = WordEffects(TextTower(backbone), tokens).of("quiet film", lambda v: v[:, 0])
    >>> [word for word, effect, gradient in effects]
    ['quiet', 'film']
    """

    def __init__(self, tower: TextTower, tokens: TextTokens, steps: int = 32) -> None:
        self.tower, self.tokens, self.steps = tower, tokens, steps
        self.table, self.after = _after_embedding(tower.backbone)

    def of(self, text: str, score: Callable[[Any], Any]) -> list[tuple[str, float, float]]:
        """The effects and gradients of a text's words.

        Args:
            text: One text.
            score: `(batch, dim)` text vectors → `(batch,)`, differentiable.

        Returns:
            Words in the order of the text with their effects and gradients; of a text that is cut
            only those that are read.
        """
        words = _WORD.findall(text)
        if not words:
            return []
        prefixes = [" ".join(words[: number + 1]) for number in range(len(words))]
        found = self.tokens(tf.constant(prefixes))
        special = int(self.tokens.add_special_tokens)
        # (words,): where each word's tokens end; the end token of a BERT is no word's.
        ends = found["num_tokens"].numpy() - special
        whole = found["token_ids"][-1:, : ends[-1] + special]  # the longest prefix is the text
        gradients = self._gradients(whole, special, score)
        starts = np.concatenate([[special], ends[:-1]])
        read = np.flatnonzero(ends > starts)
        effects = self._effects(words, read, score)
        return [
            (words[place], float(effect), float(gradients[starts[place] : ends[place]].sum()))
            for place, effect in zip(read, effects, strict=True)
        ]

    def _effects(
        self, words: list[str], read: np.ndarray, score: Callable[[Any], Any]
    ) -> np.ndarray:
        """`(len(read),)` what the score loses without each of the words at `read`."""
        without = (" ".join(words[:place] + words[place + 1 :]) for place in read)
        texts = [" ".join(words), *without]
        found = self.tokens(tf.constant(texts))
        numbers = found["num_tokens"]
        width = int(tf.reduce_max(numbers))
        vectors = self.tower(found["token_ids"][:, :width], numbers, training=False)
        silent = tf.constant([not text for text in texts])
        scores = np.asarray(score(tf.where(silent[:, None], 0.0, vectors)))
        return scores[0] - scores[1:]

    def _gradients(
        self, token_ids: tf.Tensor, special: int, score: Callable[[Any], Any]
    ) -> np.ndarray:
        """`(length,)` gradients of one text's tokens, 0 for the special ones at its ends."""
        length = token_ids.shape[1]
        embedded = ops.convert_to_tensor(self.table(token_ids))  # (1, length, dim)
        average = ops.mean(ops.convert_to_tensor(self.table.embeddings), axis=0)
        places = np.arange(length)
        is_word = ((places >= special) & (places < length - special)).astype(np.float32)
        change = (embedded - average) * is_word[None, :, None]
        shares = (np.arange(self.steps, dtype=np.float32) + 0.5) / self.steps
        path = embedded - (1 - shares)[:, None, None] * change  # (steps, length, dim)
        ones = tf.ones((self.steps, length), tf.int32)
        inputs = {"padding_mask": ones, "segment_ids": 0 * ones}
        others = [inputs[one.name] for one in self.after.inputs[1:]]
        with tf.GradientTape() as tape:
            tape.watch(path)
            states = self.after([path, *others], training=False)
            total = tf.reduce_sum(score(self.tower.pool(states, tf.fill([self.steps], length))))
        slope = tf.reduce_mean(tape.gradient(total, path), axis=0)  # (length, dim)
        return np.asarray(tf.reduce_sum(slope * change[0], axis=-1))


def _after_embedding(backbone: keras.Model) -> tuple[Any, keras.Model]:
    """A language model's table of tokens, and the rest of it as a model of its own."""
    table = getattr(backbone, "token_embedding", None)
    if table is None:
        raise InvalidInput(
            f"{type(backbone).__name__} has no `token_embedding`: the effects of its words cannot "
            "be computed."
        )
    others = [one for one in backbone.inputs if one.name != "token_ids"]
    return table, keras.Model([table.output, *others], sequence_output(backbone))
