"""A byte-level byte-pair tokenizer trained on one's own text, as GPT-2 has it.

Sennrich et al. (2016), https://arxiv.org/abs/1508.07909, on bytes as in Radford et al. (2019).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import keras_hub
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tfrec_fusion.errors import InvalidInput

END = "<|endoftext|>"
NUM_BYTES = 256


def train_tokenizer(texts: Sequence[str], vocabulary_size: int) -> Tokenizer:
    """Learns merges of byte pairs from texts; a pair must occur twice to be merged.

    Args:
        texts: What to learn from.
        vocabulary_size: Tokens in all: the 256 bytes, the merges, and the end of a text, which is
            the last one as in GPT-2. That token is never made of a text's own letters.

    Raises:
        ValueError: When `vocabulary_size` is smaller than bytes and end, or larger than the texts
            support.

    Example:
    >>> tokenizer = train_tokenizer(["a good cable", "a good stand"], 260)
    >>> tokenizer.encode("good").tokens
    ['go', 'od']
    """
    if vocabulary_size <= NUM_BYTES:
        raise InvalidInput(
            f"`vocabulary_size` must be more than {NUM_BYTES}, for every byte and the end of a "
            f"text. Received: {vocabulary_size}."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - 1,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts, trainer)
    if (most := tokenizer.get_vocab_size() + 1) < vocabulary_size:
        raise InvalidInput(
            f"`vocabulary_size` must be at most {most} for these texts: they have no more pairs "
            f"that occur twice. Received: {vocabulary_size}, {len(texts)} texts."
        )
    return tokenizer


def token_sequences(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Each text's tokens with the end token before and after them, int32.

    All but the first are predicted, the first token of a text from the end of another.

    Args:
        tokenizer: From `train_tokenizer`.
        texts: Any texts.
    """
    end = [tokenizer.get_vocab_size()]
    encoded = tokenizer.encode_batch(list(texts))
    return [np.array(end + one.ids + end, np.int32) for one in encoded]


def keras_tokenizer(tokenizer: Tokenizer) -> keras_hub.models.GPT2Tokenizer:
    """The same tokenizer as KerasHub has it, which knows the end token and can be saved.

    Args:
        tokenizer: From `train_tokenizer`.
    """
    model = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    vocabulary = {**model["vocab"], END: len(model["vocab"])}
    return keras_hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
