"""Full-ranking metrics of any model of the zoo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.evaluation.ranking import RankingResult, evaluate_ranking
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores

KS = (10, 20)


def ranking_of(
    model: Any,
    known: Events,
    heldout: Events,
    num_bootstrap: int = 1000,
    *,
    allow_seen: bool = False,
    auc: bool = False,
) -> Callable[[], RankingResult]:
    """A function that measures a model as it stands, its scoring graph built once.

    A metric that the data leave undefined is missing, and the result's `notes` say why.

    Args:
        model: A model of the zoo.
        known: What is known when the held-out events are predicted.
        heldout: What should be found.
        num_bootstrap: Resamples for the 95% intervals.
        allow_seen: Whether items that a user has already are ranked too.
        auc: Whether AUC over the catalog is measured, in the same pass over the users.

    Example:

    >>> few = Events(np.array([1]), np.array([2]), np.ones(1), np.zeros(1), 2, 4)
    >>> class Model:
    ...     def score(self, users):
    ...         return np.array([[0.0, 1.0, 3.0, 2.0]])[np.zeros_like(users)]
    >>> result = ranking_of(Model(), replace(few, item=np.array([3])), few)()
    >>> result.metrics, len(result.notes)
    ({'ndcg@10': 1.0, 'mrr@10': 1.0}, 2)
    """
    # A baseline scores by sparse arithmetic, faster than its own graph does.
    score = getattr(model, "score", None) or compiled_scores(model.score_model(known))
    seen, positives = known.matrix(), heldout.matrix()
    candidates = np.arange(known.num_items) > 0

    def measure() -> RankingResult:
        if not positives.nnz:
            note = "No event is held out, so nothing is measured."
            return RankingResult({}, {}, {}, np.zeros(0, int), 0.0, (note,))
        result = evaluate_ranking(
            score,
            seen,
            positives,
            ks=KS,
            candidates=candidates,
            num_bootstrap=num_bootstrap,
            allow_seen=allow_seen,
            auc=auc,
        )
        return _within(known.num_items - 1, result)

    return measure


def _within(num_items: int, result: RankingResult) -> RankingResult:
    """The result without what lists that hold the whole catalog say of any model alike."""
    whole = [k for k in KS if k > num_items]
    if not whole:
        return result
    # The order of the items still tells models apart; a second list holds nothing more.
    kept = {f"{name}@{KS[0]}" for name in ("ndcg", "mrr")} if KS[0] in whole else set()
    omitted = {
        name
        for name in {**result.metrics, **result.per_user}
        if name.endswith(tuple(f"@{k}" for k in whole)) and name not in kept
    }
    note = (
        f"The catalog has {num_items} items, so a list of {whole[0]} holds all of them: what is "
        f"the same for every model is omitted (metrics at {' and '.join(map(str, whole))}"
        f"{', except ' + ' and '.join(sorted(kept)) if kept else ''})."
    )
    return replace(
        result,
        metrics={name: one for name, one in result.metrics.items() if name not in omitted},
        intervals={name: one for name, one in result.intervals.items() if name not in omitted},
        per_user={name: one for name, one in result.per_user.items() if name not in omitted},
        notes=(note, *result.notes),
    )


def count_seen(known: Events, heldout: Events) -> int:
    """Counts the held-out events of an item that their user has already."""
    pairs, held = (
        one.user.astype(np.int64) * known.num_items + one.item for one in (known, heldout)
    )
    return int(np.isin(held, pairs).sum())


def seen_note(known: Events, heldout: Events, *, allow_seen: bool, part: str = "test") -> str:
    """Counts held-out events of items already seen, in a sentence; empty where there are none."""
    seen, every = count_seen(known, heldout), len(heldout)
    if not seen:
        return ""
    what = f"{seen:,} of {every:,} {part} events are of items that their users have already"
    if allow_seen:
        return f"{what}; items already seen are ranked too."
    if seen < every:
        return f"{what}: they are never ranked, so never hit. --allow-seen ranks them too."
    return (
        f"{what}: none of them can be ranked, so every metric of the lists is 0 for any model. "
        "--allow-seen ranks them too."
    )


def why_undefined(monitor: str, known: Events, heldout: Events, *, allow_seen: bool = False) -> str:
    """Returns why a ranking metric is undefined on held-out events; empty where it is defined.

    Args:
        monitor: `auc`, or a metric of the lists, such as `ndcg@10`.
        known: What is known when the held-out events are predicted.
        heldout: What should be found.
        allow_seen: Whether items that a user has already are ranked too.
    """
    held, past = heldout.matrix() > 0, known.matrix() > 0
    new = held.copy() if allow_seen else held > past
    rankable = np.diff(new.tocsr().indptr)
    if not rankable.any():
        return "no event of validation is of an item that is new to its user"
    others = known.num_items - 1 - np.diff((held if allow_seen else held.maximum(past)).indptr)
    if monitor == "auc" and not (others[rankable > 0] > 0).any():
        return "no user of validation has an item left to compare with"
    return ""
