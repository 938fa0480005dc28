"""The evaluation protocol restated as plainly as possible: the yardstick of the agreement tests.

Slow loops over users on purpose, sharing no code with what it checks.
"""

from __future__ import annotations

import math

import numpy as np


def reference_split(
    user: np.ndarray, timestamp: np.ndarray, item: np.ndarray, test: float = 0.2, val: float = 0.1
) -> np.ndarray:
    """`"train"`, `"validation"` or `"test"` for each event.

    In each user's order of (timestamp, item), of n events the last max(1, floor(0.2 n)) are test,
    the max(1, floor(0.1 n)) before them validation.
    """
    part = np.full(len(user), "train", dtype=object)
    for one in set(user.tolist()):
        rows = [row for row in range(len(user)) if user[row] == one]
        rows.sort(key=lambda row: (timestamp[row], item[row]))
        num_test = max(1, math.floor(test * len(rows) + 1e-9))
        num_validation = max(1, math.floor(val * len(rows) + 1e-9))
        part[rows[-num_test:]] = "test"
        part[rows[:-num_test][-num_validation:]] = "validation"
    return part


def reference_ranking(
    scores: np.ndarray, known: np.ndarray, heldout: np.ndarray, ks: tuple[int, ...] = (10, 20)
) -> dict[str, float]:
    """Recall, NDCG, HR and MRR at each k, from dense (num_users, num_items) arrays."""
    collected: dict[str, list[float]] = {}
    for user in range(len(scores)):
        wanted = set(np.flatnonzero(heldout[user]))
        if not wanted:
            continue
        allowed = [item for item in range(scores.shape[1]) if not known[user, item]]
        ranked = sorted(allowed, key=lambda item: (-scores[user, item], item))
        for k in ks:
            ranks = [rank for rank, item in enumerate(ranked[:k], 1) if item in wanted]
            best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(wanted)) + 1))
            values = {
                f"recall@{k}": len(ranks) / len(wanted),
                f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in ranks) / best,
                f"hr@{k}": 1.0 if ranks else 0.0,
                f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
            }
            for name, value in values.items():
                collected.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in collected.items()}


def assert_ranked(
    received: dict[str, float],
    scores: np.ndarray,
    known: np.ndarray,
    heldout: np.ndarray,
    ks: tuple[int, ...] = (10, 20),
    rounding: float = 1e-5,
    digits: int = 6,
) -> None:
    """Asserts that `received` holds the metrics of `scores`, whichever way rounding breaks ties.

    Another batch size, thread count or processor gives other last bits, and so may swap two items
    whose scores differ by less than `rounding` of the user's largest score. Each metric must lie
    between its values with the held-out items moved down and up by that much; `received` is
    compared to so many `digits`.
    """
    sizes = np.where(np.abs(scores) < 1e30, np.abs(scores), 0)  # a mask's lowest is no score
    margin = rounding * sizes.max(axis=1, keepdims=True) * heldout
    lowest, highest = (
        reference_ranking(scores + sign * margin, known, heldout, ks) for sign in (-1, 1)
    )
    last = 10**-digits
    compared = lowest.keys() & received.keys()
    assert compared, f"no ranking metric in {list(received)}"
    for name in compared:
        assert lowest[name] - last <= received[name] <= highest[name] + last, (
            f"{name} is {received[name]}, expected {lowest[name]} to {highest[name]}"
        )
