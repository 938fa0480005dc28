"""Small texts with a grammar, and a language model that learns them in seconds."""

import numpy as np

from tfrec_fusion.text.language_models.causal import (
    GPT2Size,
    Schedule,
)

SMALL = GPT2Size(
    vocabulary_size=300, num_layers=1, num_heads=2, hidden_dim=32, max_length=32, dropout=0.0
)
QUICK = Schedule(epochs=8, learning_rate=1e-2, batch_size=8)


def stories(count, seed=0):
    """Texts whose last word is told by their first: more than a bigram can know."""
    rng = np.random.default_rng(seed)
    ends = {"guitar": "strings", "drum": "sticks", "flute": "wind", "piano": "keys"}
    words = ["good", "cheap", "loud", "fine", "new"]
    texts = []
    for first in rng.choice(list(ends), count):
        middle = " ".join(rng.choice(words, 3))
        texts.append(f"{first} {middle}: {ends[first]} no. {rng.integers(10_000)}")
    return texts
