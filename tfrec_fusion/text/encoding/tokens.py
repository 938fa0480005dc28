"""Strings to token ids: one way in the graph, and a faster equal one for byte-pair tokenizers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.seen_words import SeenWords

if TYPE_CHECKING:
    import tokenizers

# Longer texts are cut before they are tokenized. Words, numbers and signs make tokens of some four
# characters on average, so what is cut off was not among the first `max_length` tokens; only a
# text of words without a single space or sign, dozens of characters long each, could tell.
CHARACTERS_PER_TOKEN = 64

# Byte-pair tokenizers join the parts of a word in as many steps as it has parts, and each step
# reads those of all words. What is longer than any word is read as several.
_LONG_WORD = "([^ ]{128})([^ ])"
_AS_TWO = r"\1 \2"

# How GPT-2 writes the bytes from 128 on.
_BYTES_BEYOND_ASCII = [*map(chr, [*range(0xA1, 0xAD), *range(0xAE, 0x100), *range(290, 324)])]

# What Python's `str.split` calls white space, in RE2's words.
WHITE_SPACE = r"[\t-\r\x1c-\x20\x{85}\p{Z}]+"


@keras.saving.register_keras_serializable("tfrec_fusion")
class TextTokens(keras.layers.Layer):
    """Strings to padded token ids, in the graph.

    White space of any kind and length counts as one space and none at the ends, so that an empty
    text is one that shows nothing. The text's tokens stand between the tokenizer's start and end
    tokens (BERT's [CLS] and [SEP]) with `add_special_tokens`; an empty text has none at all.
    Decoders such as GPT-2 are read without: its published tokenizer adds none, and the
    vector of a text is that of its own last token.

    Args:
        tokenizer: A KerasHub tokenizer.
        max_length: The most tokens of a text, special ones included; the rest is cut off.
        add_special_tokens: Whether to add the start and end tokens.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        texts: `(batch,)` UTF-8 strings; what is not UTF-8 in them becomes U+FFFD.

    Returns:
        A dict: `token_ids` `(batch, longest)` int32 padded with 0; `num_tokens` `(batch,)` int32;
        `is_truncated` `(batch,)` bool.

    Raises:
        ValueError: When `max_length` leaves no room for a token.

    Example:

    >>> import keras_hub
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "quiet", "film"]
    >>> tokens = TextTokens(keras_hub.models.BertTokenizer(words), max_length=3)
    >>> found = tokens(tf.constant(["quiet  film", ""]))
    >>> found["token_ids"].numpy().tolist(), found["num_tokens"].numpy().tolist()
    ([[2, 5, 3], [0, 0, 0]], [3, 0])
    """

    def __init__(
        self,
        tokenizer: keras.layers.Layer,
        max_length: int,
        add_special_tokens: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_length = max_length
        self.add_special_tokens = add_special_tokens
        self.tokenizer = tokenizer
        self.tokenizer.built = True  # what it needs it has; the export asks
        # Outside graphs KerasHub takes other ways, which give other ids.
        self._in_graph = tf.function(
            self._tokenize, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False
        )
        special = 2 if add_special_tokens else 0
        if max_length <= special:
            raise InvalidInput(
                f"`max_length` must be more than {special}, or no token of a text fits. "
                f"Received: max_length={max_length}."
            )
        self.room = max_length - special
        self.max_characters = max_length * CHARACTERS_PER_TOKEN

    def call(self, texts: Any) -> dict[str, Any]:
        """Computes what the class describes."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = tf.strings.strip(tf.strings.regex_replace(texts, WHITE_SPACE, " "))
        cut = tf.strings.substr(texts, 0, self.max_characters, unit="UTF8_CHAR")
        found = tf.cast(self._in_graph(cut), tf.int32)  # (batch, (tokens))
        found = tf.ragged.boolean_mask(found, found >= 0)  # -1: not in a byte-pair vocabulary
        is_truncated = (found.row_lengths() > self.room) | (cut != texts)
        found = self._framed(found[:, : self.room])
        return {
            "token_ids": found.to_tensor(0),  # (batch, longest)
            "num_tokens": tf.cast(found.row_lengths(), tf.int32),
            "is_truncated": is_truncated,
        }

    def _tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if not _is_byte_pair(self.tokenizer):
            return self.tokenizer.tokenize(texts)
        self.tokenizer._maybe_initialized_tf()  # makes the cache
        if not isinstance(self.tokenizer.cache, SeenWords):
            self.tokenizer.cache = SeenWords(self.tokenizer.cache)
        return self.tokenizer.tokenize(tf.strings.regex_replace(texts, _LONG_WORD, _AS_TWO))

    def _framed(self, found: tf.RaggedTensor) -> tf.RaggedTensor:
        if not self.add_special_tokens:
            return found
        repeats = tf.expand_dims(tf.cast(found.row_lengths() > 0, tf.int64), -1)
        start, end = (
            tf.RaggedTensor.from_row_lengths(
                tf.fill([tf.reduce_sum(repeats)], self.special_id(which)), repeats[:, 0]
            )
            for which in ("start", "end")
        )
        return tf.concat([start, found, end], axis=1)

    def special_id(self, which: str) -> int:
        """The id of the `start` or `end` token."""
        older = {"start": "cls_token_id", "end": "sep_token_id"}[which]
        known = (getattr(self.tokenizer, name, None) for name in (f"{which}_token_id", older))
        return next(one for one in known if one is not None)

    def compute_output_spec(self, texts: Any) -> dict[str, keras.KerasTensor]:
        """Shapes and types of what `call` returns."""
        batch = texts.shape[0]
        return {
            "token_ids": keras.KerasTensor((batch, None), dtype="int32"),
            "num_tokens": keras.KerasTensor((batch,), dtype="int32"),
            "is_truncated": keras.KerasTensor((batch,), dtype="bool"),
        }

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again; the vocabulary is a file beside it."""
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "max_length": self.max_length,
            "add_special_tokens": self.add_special_tokens,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextTokens:
        """Builds it again, the tokenizer included."""
        tokenizer = keras.saving.deserialize_keras_object(config["tokenizer"])
        return cls(**{**config, "tokenizer": tokenizer})


def _is_byte_pair(tokenizer: keras.layers.Layer) -> bool:
    import keras_hub

    return isinstance(tokenizer, keras_hub.tokenizers.BytePairTokenizer)


def byte_pair_twin(tokenizer: keras.layers.Layer) -> tokenizers.Tokenizer | None:
    """A `tokenizers.Tokenizer` equal to a GPT-2-like tokenizer of KerasHub.

    In the graph a word that was never seen takes hundreds of small steps, which a catalog of
    reviews is full of. KerasHub's own way outside of graphs splits words as Llama does.

    Args:
        tokenizer: A KerasHub tokenizer.

    Returns:
        Its twin; None when it is of another kind than GPT-2's.

    Example:

    >>> import keras_hub
    >>> one = keras_hub.models.GPT2Tokenizer({"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}, ["a b"])
    >>> byte_pair_twin(one).encode("abb").ids
    [3, 2]
    """
    import keras_hub
    from tokenizers import Tokenizer, models, pre_tokenizers

    if not isinstance(tokenizer, keras_hub.models.GPT2Tokenizer):
        return None
    merges = [tuple(rule.split(" ")) for rule in tokenizer.merges if "#version:" not in rule]
    twin = Tokenizer(models.BPE(vocab=dict(tokenizer.vocabulary), merges=merges))
    twin.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=tokenizer.add_prefix_space)
    twin.add_special_tokens(tokenizer.unsplittable_tokens)
    return twin


def unknown_ids(tokenizer: keras.layers.Layer) -> np.ndarray:
    """Ids of tokens that tell nothing of what is written.

    The token of unknown words; of byte-pair tokenizers, which know every byte, those that are one
    byte of a letter beyond ASCII: such letters occurred too seldom to become tokens.

    Args:
        tokenizer: A KerasHub tokenizer.

    Example:

    >>> import keras_hub
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film"]
    >>> unknown_ids(keras_hub.models.BertTokenizer(words)).tolist()
    [1]
    """
    import keras_hub

    if _is_byte_pair(tokenizer):
        known = tokenizer.vocabulary
        return np.array([known[byte] for byte in _BYTES_BEYOND_ASCII if byte in known], np.int32)
    if isinstance(tokenizer, keras_hub.tokenizers.WordPieceTokenizer):
        return np.array([tokenizer.token_to_id(tokenizer.oov_token)], np.int32)
    if isinstance(tokenizer, keras_hub.tokenizers.SentencePieceTokenizer):
        return np.array([tokenizer.token_to_id("<unk>")], np.int32)
    return np.array([], np.int32)


def twin_tokens(
    twin: tokenizers.Tokenizer, texts: Sequence[str], max_length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `TextTokens` without special tokens gives, from a `byte_pair_twin`.

    Args:
        twin: The tokenizer.
        texts: Strings.
        max_length: The most tokens of a text.

    Returns:
        `token_ids` `(num_texts, max_length)` int32 padded with 0, `num_tokens` `(num_texts,)`
        int32, `is_truncated` `(num_texts,)` bool.

    Example:

    >>> import keras_hub
    >>> one = keras_hub.models.GPT2Tokenizer({"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3}, ["a b"])
    >>> ids, counts, is_truncated = twin_tokens(byte_pair_twin(one), [" abb ", "a"], 1)
    >>> ids.tolist(), counts.tolist(), is_truncated.tolist()
    ([[3], [1]], [1, 1], [True, False])
    """
    whole = [" ".join(text.split()) for text in texts]
    cut = [text[: max_length * CHARACTERS_PER_TOKEN] for text in whole]
    read = [re.sub(_LONG_WORD, _AS_TWO, text) for text in cut]
    found = [one.ids for one in twin.encode_batch(read)]
    token_ids = np.zeros((len(texts), max_length), np.int32)
    for row, ids in zip(token_ids, found, strict=True):
        row[: len(ids)] = ids[:max_length]
    lengths = np.array([len(ids) for ids in found], np.int64)
    num_cut = np.array([len(text) for text in whole]) > max_length * CHARACTERS_PER_TOKEN
    return (
        token_ids,
        np.minimum(lengths, max_length).astype(np.int32),
        ((lengths > max_length) | num_cut),
    )
