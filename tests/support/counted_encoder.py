"""An encoder that counts what it encodes, and the vectors of a store."""

import hashlib

import numpy as np


def vector_of(text, dim=3):
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=dim).astype(np.float32)


def vectors_of(texts, dim=3):
    return np.stack([vector_of(text, dim) for text in texts])


class Encoder:
    """A text's vector is drawn from its hash; remembers what it was asked."""

    def __init__(self, dim=3, fingerprint="v1", spoil=None):
        self.dim, self.fingerprint, self.spoil = dim, fingerprint, spoil
        self.calls = []

    @property
    def encoded(self):
        return [text for call in self.calls for text in call]

    def encode(self, texts):
        self.calls.append(list(texts))
        vectors = vectors_of(texts, self.dim)
        return vectors if self.spoil is None else self.spoil(vectors, texts)


def files(folder, pattern="*.npy"):
    return sorted(folder.rglob(pattern))
