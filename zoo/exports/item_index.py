"""An index over a trained model's items that looks as far as a stated recall asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.ranking import evaluate_ranking
from tfrec_fusion.serving.export.catalog import LOWEST
from tfrec_fusion.serving.export.top_k import NearItems
from tfrec_fusion.serving.index.inverted_file import InvertedFile
from tfrec_fusion.serving.index.kinds import Kind, Precision
from tfrec_fusion.serving.index.recommenders_index import RecommendersIndex
from tfrec_fusion.zoo.protocols import ScoresByVectors

K = 10
_MOST_USERS = 1000
_AT_ONCE = 64
_FIRST = 64  # the first share of ScaNN's lists that is looked through, as one in so many


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """Queries, and what finds items for them.

    Attributes:
        of_users: `{"user_id": (batch,)}` → `{"query": (batch, dim)}`.
        of_histories: `{"history": (batch, steps)}` → the same, or None.
        index: Over the model's `candidate_vectors`.
        recall: Share of the exact search's ten best new items that it finds, on average over users
            by whom it was not chosen how far to look.
    """

    of_users: keras.Model
    of_histories: keras.Model | None
    index: NearItems
    recall: float


def item_index(
    model: Any,
    known: Events,
    how: Precision | Kind = "float32",
    recall_floor: float = 0.95,
    capacity: int = 128,
    seed: int = 0,
) -> ItemIndex:
    """Makes an index that finds enough of what the exact search finds.

    Up to 1,000 users ask. With half of them the number of lists to look through is doubled until
    the recall is reached, less two standard errors; the other half says what recall there is.

    Args:
        model: A trained model of two towers.
        known: The users' interactions: read by the query, and not recommended again.
        how: An inverted file with vectors of these numbers, see `serving.inverted_file`; or an
            index of TensorFlow Recommenders, see `serving.recommenders_index`.
        recall_floor: The least recall at 10, above 0 and up to 1.
        capacity: Items a list of an inverted file holds at most.
        seed: Of k-means and the users.

    Raises:
        ValueError: When the model's scores are no products of vectors, the floor is out of range,
            there are fewer than two users or ten items, or the other half's recall is below the
            floor, as short numbers can make it.
    """
    if not 0 < recall_floor <= 1:
        raise InvalidInput(
            f"`recall_floor` must be above 0 and at most 1. Received: {recall_floor}."
        )
    by_vectors = isinstance(model, ScoresByVectors)
    vectors = model.candidate_vectors() if by_vectors else None
    if vectors is None:
        raise InvalidInput(
            f"{type(model).__name__} has no item vectors whose product with a query is the score: "
            "it cannot be indexed. Export it without an index, or take a model of two towers."
        )
    users = np.unique(known.user)
    if len(users) < 2 or len(vectors) <= K:
        raise InvalidInput(
            f"An index is measured with at least 2 users and {K} items. "
            f"Received: {len(users)} users, {len(vectors) - 1} items."
        )
    of_users, of_histories = model.query_models(known)
    rng = np.random.default_rng(seed)
    asking = rng.permutation(users)[:_MOST_USERS]
    queries = with_one(of_users.predict({"user_id": asking}, batch_size=256, verbose=0)["query"])
    seen = known.matrix()[asking]
    half = len(asking) // 2
    best = _best(lambda some: some @ vectors.T, queries, seen)

    def recalls(index: NearItems, some: slice) -> np.ndarray:
        """`(users,)` the share of the ten best that is found."""
        found = _best(lambda asked: found_scores(index, asked), queries[some], seen[some])
        pairs = zip(found, best[some], strict=True)
        return np.array([len(np.intersect1d(one, other)) / K for one, other in pairs])

    for index in _ever_further(vectors, how, capacity, seed):
        if _surely(recalls(index, slice(half))) >= recall_floor:
            break
    measured = float(recalls(index, slice(half, None)).mean())
    if measured < recall_floor:
        raise InvalidInput(
            f"The index finds {measured:.3f} of the ten best items, below recall_floor="
            f"{recall_floor}, looking through {index.num_probes} of {index.num_lists} lists "
            f"({how}). Take a longer precision or a lower floor."
        )
    return ItemIndex(of_users, of_histories, index, measured)


def ndcg_beside_exact(
    model: Any, found: ItemIndex, known: Events, heldout: Events
) -> tuple[float, float]:
    """NDCG@10 of the index and of the exact search.

    Args:
        model: The indexed model.
        found: Its index.
        known: What is known when the held-out events are predicted.
        heldout: What should be found.
    """
    vectors: Any = model.candidate_vectors()
    of_users, _ = model.query_models(known)
    candidates = np.arange(known.num_items) > 0

    def ndcg(scores: Callable[[np.ndarray], np.ndarray]) -> float:
        def score(users: np.ndarray) -> np.ndarray:
            return scores(with_one(np.asarray(of_users({"user_id": users})["query"])))

        parts = (known.matrix(), heldout.matrix())
        result = evaluate_ranking(
            score, *parts, ks=[K], candidates=candidates, batch_size=_AT_ONCE, num_bootstrap=0
        )
        return result.metrics[f"ndcg@{K}"]

    return ndcg(lambda asked: found_scores(found.index, asked)), ndcg(lambda one: one @ vectors.T)


def _ever_further(
    vectors: np.ndarray, how: Precision | Kind, capacity: int, seed: int
) -> Iterator[NearItems]:
    """Indices that look through twice as many lists each, until all are."""
    if how == "scann" or how == "brute_force":
        # It is built anew for each number of lists: a first guess saves builds of large ones.
        nearest = RecommendersIndex(vectors, how, max(1, round(len(vectors) ** 0.5 / _FIRST)))
        yield nearest
        while nearest.num_probes < nearest.num_lists:
            nearest = RecommendersIndex(vectors, how, 2 * nearest.num_probes)
            yield nearest
        return
    index = InvertedFile.of(vectors, capacity, 1, how, seed)
    yield index
    while index.num_probes < index.num_lists:
        index.num_probes = min(2 * index.num_probes, index.num_lists)
        yield index


def found_scores(index: NearItems, queries: np.ndarray) -> np.ndarray:
    """`(batch, num_items)` with the lowest finite value where the index does not look."""
    found = index(queries)
    scores = np.full((len(queries), index.num_items), LOWEST, np.float32)
    np.put_along_axis(scores, np.asarray(found["items"]), np.asarray(found["scores"]), axis=1)
    return scores


def with_one(query: np.ndarray) -> np.ndarray:
    """Queries as `candidate_vectors` want them."""
    return np.concatenate([query, np.ones_like(query[:, :1])], axis=1).astype(np.float32)


def _surely(values: np.ndarray) -> float:
    """The mean, less two standard errors."""
    return float(values.mean() - 2 * values.std() / np.sqrt(len(values)))


def _best(scores: Callable[[np.ndarray], np.ndarray], queries: np.ndarray, seen: Any) -> np.ndarray:
    """`(number, 10)` the best items that are not seen yet."""
    found = []
    for start in range(0, len(queries), _AT_ONCE):
        some = np.array(scores(queries[start : start + _AT_ONCE]))
        some[:, 0] = LOWEST
        some[seen[start : start + _AT_ONCE].toarray() > 0] = LOWEST
        found.append(np.argpartition(-some, K - 1, axis=1)[:, :K])
    return np.concatenate(found)
