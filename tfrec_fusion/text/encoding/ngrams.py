"""Unigram and bigram language models: what a neural one must beat to have learned anything.

All of them see the same sequences of tokens, each beginning and ending with the end token, and
predict all but the first of each; so their perplexities are comparable. What they are free to
choose is chosen on validation sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.sparse as sp

MOST_PSEUDO_COUNT = 100.0
NEAR_ZERO = 1e-6


def perplexity(nats: np.ndarray) -> float:
    """The exponential of the mean of the tokens' negative log-probabilities, in nats.

    Example:
    >>> round(perplexity(np.log([2.0, 8.0])), 6)
    4.0
    """
    return float(np.exp(np.mean(nats, dtype=np.float64)))


@dataclass(frozen=True)
class Unigram:
    """Each token by how often it occurs, whatever came before.

    Attributes:
        probabilities: `(vocabulary_size,)` float64, none of them 0.
    """

    probabilities: np.ndarray

    @classmethod
    def fit(
        cls, train: Sequence[np.ndarray], validation: Sequence[np.ndarray], vocabulary_size: int
    ) -> Unigram:
        """Counts tokens; the pseudo-count added to each is chosen on validation.

        Args:
            train: Sequences of token ids.
            validation: Sequences of token ids.
            vocabulary_size: How many tokens there are.
        """
        counts = np.bincount(pairs(train)[1], minlength=vocabulary_size).astype(np.float64)
        seen = pairs(validation)[1]

        def smoothed(log_pseudo_count: float) -> np.ndarray:
            raised = counts + np.exp(log_pseudo_count)
            return raised / raised.sum()

        chosen = scipy.optimize.minimize_scalar(
            lambda one: -np.log(smoothed(one)[seen]).mean(),
            bounds=(np.log(NEAR_ZERO), np.log(MOST_PSEUDO_COUNT)),
            method="bounded",
        )
        return cls(smoothed(chosen.x))

    def nats(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Negative log-probability of every predicted token, one after the other."""
        return -np.log(self.probabilities[pairs(sequences)[1]])


@dataclass(frozen=True)
class Bigram:
    """Each token by the one before it: interpolated, modified Kneser-Ney smoothing.

    With c the counts of pairs and N how many different tokens were seen before a token (or after,
    for a context v), p(w | v) = (c(v, w) - D(c(v, w)) + D's sum over v's pairs * q(w)) / c(v) and
    q(w) = (N(w) - d) / sum of N, where what d takes goes to all tokens evenly. D is one discount
    for pairs seen once, one for twice, one for more often; a context never seen leaves q.

    Source: Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling
    (1999), section 3, discounts tuned on held-out data (their "mod-kn-cv"). Its perplexity on
    one's own text is what a language model with a longer memory has to be below.

    Attributes:
        counts: `(vocabulary_size, vocabulary_size)` sparse, how often w came after v.
        discounts: `(4,)`, taken from pairs seen once, twice, more often; and from N.
    """

    counts: sp.csr_array
    discounts: np.ndarray

    @classmethod
    def fit(
        cls, train: Sequence[np.ndarray], validation: Sequence[np.ndarray], vocabulary_size: int
    ) -> Bigram:
        """Counts pairs; the discounts are chosen on validation.

        Args:
            train: Sequences of token ids.
            validation: Sequences of token ids.
            vocabulary_size: How many tokens there are.
        """
        before, after = pairs(train)
        shape = (vocabulary_size, vocabulary_size)
        counts = sp.coo_array((np.ones(len(before)), (before, after)), shape=shape).tocsr()
        chosen = scipy.optimize.minimize(
            lambda discounts: cls(counts, discounts).nats(validation).mean(),
            x0=(0.5, 0.9, 1.2, 0.5),
            bounds=[(NEAR_ZERO, most - NEAR_ZERO) for most in (1, 2, 3, 1)],
            method="Powell",
            options={"xtol": 1e-3, "ftol": 1e-6},
        )
        return cls(counts, chosen.x)

    def probabilities(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """p(after | before), elementwise.

        Args:
            before: `(n,)` token ids.
            after: `(n,)` token ids.

        Returns:
            `(n,)` float64, none of them 0.
        """
        taken = np.choose(np.minimum(self.counts.data, 3).astype(int) - 1, self.discounts[:3])
        left = self.counts.copy()
        left.data = left.data - taken
        total = self.counts.sum(axis=1)  # (vocabulary_size,)
        freed = total - left.sum(axis=1)
        seen = total[before] > 0
        divisor = np.where(seen, total[before], 1)
        general = self._continuation()[after]
        direct = np.asarray(left[before, after]).ravel() / divisor
        return direct + np.where(seen, freed[before] / divisor, 1) * general

    def _continuation(self) -> np.ndarray:
        """q: each token by how many different ones it was seen after."""
        contexts = np.bincount(self.counts.indices, minlength=self.counts.shape[1]).astype(float)
        left = np.maximum(contexts - self.discounts[3], 0)
        return (left + (contexts - left).sum() / len(left)) / contexts.sum()

    def nats(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Negative log-probability of every predicted token, one after the other."""
        return -np.log(self.probabilities(*pairs(sequences)))


def pairs(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The tokens that are followed by one, and those that follow, never across sequences.

    Example:
    >>> pairs([np.array([9, 1, 9]), np.array([9, 2, 9])])
    (array([9, 1, 9, 2]), array([1, 9, 2, 9]))
    """
    before = np.concatenate([sequence[:-1] for sequence in sequences])
    return before, np.concatenate([sequence[1:] for sequence in sequences])
