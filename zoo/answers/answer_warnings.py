"""Warnings about unknown users, and about users with few items left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tfrec_fusion.answer_warnings import SHOWN, listed, warn
from tfrec_fusion.zoo.answers.near_misses import near_misses


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


def warn_of_few_items(users: Sequence[str], lengths: Sequence[int], k: int) -> None:
    """Warns once about users who have already seen nearly everything.

    Args:
        users: Their ids.
        lengths: How many items each of them gets.
        k: How many were asked for.
    """
    left = dict(zip(users, lengths, strict=True))
    few = [user for user in left if left[user] < k]
    if not few:
        return
    remedy = "`allow_seen=True` recommends seen items, too."
    if len(left) > 1:
        named = ", ".join(f"{user!r} ({left[user]})" for user in few[:SHOWN])
        more = f" and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
        warn(
            f"{len(few)} of {len(left)} users have already seen so many items that fewer than "
            f"k={k} are left: {named}{more}. {remedy}"
        )
        return
    most = f"all items but {left[few[0]]}, which is fewer than k={k}"
    warn(f"User {few[0]!r} has already seen {most if left[few[0]] else 'every item'}. {remedy}")
