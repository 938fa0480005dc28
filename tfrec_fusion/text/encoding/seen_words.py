"""What a byte-pair tokenizer in a graph remembers of the words it met, up to a limit."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

MAX_WORDS = 2**16  # some megabytes


class SeenWords(tf.Module):
    """The cache of a KerasHub byte-pair tokenizer that stops to grow.

    KerasHub's own keeps every word for good, which fills the memory of a server that is asked ever
    new ones. A word beyond the limit is divided anew each time.

    Args:
        cache: The tokenizer's cache (`keras_hub.tokenizers.BytePairTokenizer.cache`).

    Example: see `TextTokens`, which puts it in the place of the tokenizer's.
    """

    def __init__(self, cache: Any) -> None:
        super().__init__(name="seen_words")
        self.cache = cache
        self._found: Any = None
        self._divided: Any = None

    def lookup(self, words: tf.Tensor) -> tf.Tensor:
        """Returns what is known of words `(number,)`, "" of unknown ones; after `insert` of all."""
        if self._divided is None:
            self._found = self.cache.lookup(words)
            return self._found
        places = tf.where(self._found == "")
        found = tf.tensor_scatter_nd_update(self._found, places, self._divided)
        self._divided = None
        return found

    def insert(self, words: tf.Tensor, divided: tf.Tensor) -> None:
        """Takes the words that were unknown, in order, each with its parts joined by spaces."""
        self._divided = divided
        room = self.cache.id2value.size() < MAX_WORDS
        number = tf.where(room, MAX_WORDS, 0)  # none of them where there is no room left
        self.cache.insert(words[:number], divided[:number])
