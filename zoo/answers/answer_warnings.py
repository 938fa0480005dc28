"""Warnings about unknown users, and about users with few items left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tfrec_fusion.answer_warnings import SHOWN, listed, warn
from tfrec_fusion.zoo.answers.near_misses import near_misses

_REMEDY = "`allow_seen=True` recommends seen items, too."
_OF_HISTORY = "`allow_seen=True` recommends those of the history, too."


def warn_of_unknown_users(
    users: Sequence[str], known: Iterable[bool], ids: Iterable[str], fallback: str
) -> None:
    """Warns once about all users of a question that the model has never seen.

    Args:
        users: Their ids.
        known: Which of them the model knows.
        ids: Those that it knows, for hints at near misses.
        fallback: A sentence without its period: what such a user gets.
    """
    asked = dict(zip(users, known, strict=True))
    if unknown := [user for user in asked if not asked[user]]:
        who = f"User {unknown[0]!r} was never seen"
        if len(asked) > 1:
            verb = "was" if len(unknown) == 1 else "were"
            who = f"{len(unknown)} of {len(asked)} users {verb} never seen ({listed(unknown)})"
        warn(f"{who}: {fallback}.{near_misses(unknown[:SHOWN], ids)}")


def warn_of_few_items(
    users: Sequence[str], lengths: Sequence[int], k: int, candidates: int | None = None
) -> None:
    """Warns once about users who have already seen nearly everything that may be answered.

    Args:
        users: Their ids.
        lengths: How many items each of them gets.
        k: How many were asked for.
        candidates: How many items filters leave; None without filters.
    """
    left = dict(zip(users, lengths, strict=True))
    few = [user for user in left if left[user] < k]
    if not few:
        return
    named = ", ".join(f"{user!r} ({left[user]})" for user in few[:SHOWN])
    named += f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
    if candidates is not None:
        seen = any(left[user] < candidates for user in few)
        who = f"User {few[0]!r} gets {counted_items(left[few[0]])}, fewer than k={k}."
        if len(left) > 1:
            who = f"{len(few)} of {len(left)} users get fewer than k={k} items: {named}."
        more = f", and those already seen are not recommended. {_REMEDY}" if seen else "."
        warn(f"{who} The filters leave {counted_items(candidates)}{more}")
        return
    if len(left) > 1:
        warn(
            f"{len(few)} of {len(left)} users have already seen so many items that fewer than "
            f"k={k} are left: {named}. {_REMEDY}"
        )
        return
    most = f"all items but {left[few[0]]}, which is fewer than k={k}"
    warn(f"User {few[0]!r} has already seen {most if left[few[0]] else 'every item'}. {_REMEDY}")


def warn_of_few_others(length: int, k: int, candidates: int | None = None) -> None:
    """Warns about a history that holds nearly everything that may be answered.

    Args:
        length: How many items are left.
        k: How many were asked for.
        candidates: How many items filters leave; None without filters.
    """
    if length >= k:
        return
    if candidates == length:
        warn(f"The filters leave {counted_items(length)}, fewer than k={k}.")
    elif candidates is not None:
        warn(
            f"The filters leave {counted_items(candidates)}, and the history holds all of them but "
            f"{length}, which is fewer than k={k}. {_OF_HISTORY}"
        )
    else:
        warn(f"The history holds all items but {length}, which is fewer than k={k}. {_OF_HISTORY}")


def counted_items(number: int) -> str:
    """The number of some items, in words."""
    return f"{number} item{'' if number == 1 else 's'}"
