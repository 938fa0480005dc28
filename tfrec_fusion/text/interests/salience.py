"""Which phrases tell what a user cares about, and which are what everybody writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from tfrec_fusion.text.interests.phrases import Mentions
from tfrec_fusion.text.interests.words import Tokens, distinct

# BM25's usual constants: a second mention counts less than the first; the more a user wrote, the
# later that sets in.
SATURATION = 1.2
LENGTH_SHARE = 0.75
# Draws the residual idf of rare phrases, which is noise, towards 0.
PRIOR_GROUPS = 2.0


@dataclass(frozen=True, eq=False)
class Heaviest:
    """Users' heaviest phrases: users ascending, a user's phrases by falling weight.

    Attributes:
        user: `(num_rows,)` int.
        phrase: `(num_rows,)` int, indices into the phrases of `Mentions`.
        weight: `(num_rows,)` float32; a user's weights sum to 1.
        support: `(num_rows,)` int32, the user's documents that show the phrase.
    """

    user: np.ndarray
    phrase: np.ndarray
    weight: np.ndarray
    support: np.ndarray


def specificity(tokens: Tokens, mentions: Mentions, item: np.ndarray | None) -> np.ndarray:
    """How much each phrase tells items apart, or is the text itself, rather than talk.

    The larger of two numbers. Residual idf over items: `log((e + 2) / (d + 2))`, d of the items
    having the phrase in their texts and e how many would, were the texts it is in strewn at
    random, long ones drawing more: 0 for what is said of everything. And the mean share that the
    phrase has of the words of its texts: 1 for a tag, next to nothing in a long review.

    Source: Church and Gale, Inverse document frequency (IDF): a measure of deviations from Poisson
    (1995); the added 2 is ours, against chance in few texts.

    Args:
        tokens: Words of the documents.
        mentions: Phrases in them.
        item: `(num_documents,)` int, what each document is about. Without it a document stands
            for an item, and a mention for a text, as in the source.

    Returns:
        `(num_phrases,)` float64, above 0.
    """
    num_phrases = len(mentions.phrases)
    num_documents = int(tokens.document.max(initial=-1)) + 1 if item is None else len(item)
    length = np.bincount(tokens.document, minlength=num_documents)
    part = mentions.length / length[mentions.document]
    share = np.bincount(mentions.phrase, part) / np.bincount(mentions.phrase)
    phrase, group = mentions.phrase.astype(np.int64), mentions.document
    if item is not None:
        phrase, document = np.divmod(distinct(phrase * num_documents + group), num_documents)
        group, length = item[document], np.bincount(item, length)
    total = np.bincount(phrase, minlength=num_phrases)
    having = np.bincount(distinct(phrase * len(length) + group) // len(length))
    # Items of one length expect the same, and so do phrases of one count.
    lengths, items = np.unique(length, return_counts=True)
    count, place = np.unique(total, return_inverse=True)
    expected = np.array([-np.expm1(-one * lengths / length.sum()) @ items for one in count])
    residual = np.log((expected[place] + PRIOR_GROUPS) / (having + PRIOR_GROUPS))
    return np.maximum(residual, share)


def heaviest(
    reads: sp.csr_array, mentions: Mentions, special: np.ndarray, max_phrases: int
) -> Heaviest:
    """Each user's phrases of the largest weight: BM25 times the phrases' specificity.

    With tf what a user's documents mention a phrase, `tf / (tf + k)` is multiplied by the square
    root of `idf = log(1 + (U - u + 0.5) / (u + 0.5))`, u of U users having the phrase, and by its
    specificity; `k = 1.2 (0.25 + 0.75 L / mean L)` with L what the user mentions in all. The root
    is ours: specificity tells rare phrases from common ones already.

    Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and beyond (2009).

    Args:
        reads: `(num_users, num_documents)`, what a mention in each counts for each user, above 0.
        mentions: Phrases in the documents.
        special: `(num_phrases,)`, see `specificity`.
        max_phrases: Phrases kept a user.
    """
    shape = (reads.shape[1], len(mentions.phrases))
    once = np.ones(len(mentions.phrase))
    counts = sp.coo_array((once, (mentions.document, mentions.phrase)), shape).tocsr()
    heard, shown = reads @ counts, (reads > 0).astype(np.int32) @ (counts > 0).astype(np.int32)
    # Both have the same cells, so in one order the same rows.
    heard.sort_indices()
    shown.sort_indices()
    user, phrase = heard.tocoo().coords
    length = np.bincount(user, heard.data, minlength=reads.shape[0])
    num_users = np.count_nonzero(length)
    relative = length / (length.sum() / max(num_users, 1) or 1)
    slack = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * relative)
    users = np.bincount(phrase, minlength=shape[1])
    idf = np.log1p((num_users - users + 0.5) / (users + 0.5))
    weight = heard.data / (heard.data + slack[user]) * (np.sqrt(idf) * special)[phrase]
    # Rounded, so that what is equal but for the order of sums stays in alphabetical order.
    order = np.lexsort((phrase, -np.round(weight, 9), user))
    order = order[np.arange(len(order)) - np.searchsorted(user[order], user[order]) < max_phrases]
    user, weight = user[order], weight[order]
    return Heaviest(
        user,
        phrase[order],
        (weight / np.bincount(user, weight)[user]).astype(np.float32),
        shown.data[order],
    )
