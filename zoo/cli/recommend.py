"""The commands that ask a model: items for users, a history or a text; items like an item."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.zoo.cli.asked import asked_items, asked_users
from tfrec_fusion.zoo.cli.printing import print_items, print_users, told_warnings
from tfrec_fusion.zoo.cli.shared_options import run_argument, shared

if TYPE_CHECKING:
    import pandas as pd

    from tfrec_fusion.zoo.cli.opened import Opened


@click.command()
@run_argument
@shared("user_id", multiple=True, help="A user, known or new; may be repeated.")
@shared("user_ids", "history", "text")
@click.option("--why", is_flag=True, help="Also show which of the user's interests an item meets.")
@shared("allow_seen", "k", "as_json")
def recommend(
    run: Path,
    user_id: tuple[str, ...],
    user_ids: Path | None,
    history: tuple[str, ...],
    text: str | None,
    why: bool,
    allow_seen: bool | None,
    k: int,
    as_json: bool,
) -> None:
    """Recommend items of RUN for users, for a new user's history, or for a text query.

    RUN is a run folder, or the name of a prebuilt model. A user without any event gets popular
    items; of a text query with a user, the user's taste orders what is found.
    """
    by_user = bool(user_id) or user_ids is not None
    if bool(history) == (by_user or text is not None):
        raise click.UsageError("Give --user-id, --text, or both; or give --history.")
    if why and (not by_user or text is not None):
        raise click.UsageError("--why goes with --user-id alone: it shows that user's interests.")
    if text is not None and not text.strip():
        raise click.UsageError("--text is empty. Give at least one word.")
    if text is not None and allow_seen is not None:
        raise click.UsageError(
            "--allow-seen goes with --user-id or --history: a text query finds items whether or "
            "not they were seen."
        )
    users = asked_users(user_id, user_ids)

    from tfrec_fusion.zoo.cli.opened import open_recommender

    recommender = open_recommender(run)
    asked: dict[str, Any] = {"k": k, "allow_seen": allow_seen}
    shown: dict[str, Any] = {} if text is None else {"text": text}
    if history:
        asked["history"] = shown["history"] = asked_items(history, "--history", _known(recommender))
    several = len(users) > 1 or user_ids is not None
    if users:
        asked["user_id"] = users if several else users[0]
        shown["user_id"] = asked["user_id"]
    with told_warnings():
        table = recommender.recommend(text=text, **asked)
    if why:
        table["why"] = _reasons(recommender, table, users)
    if several:
        print_users(table, users, shown, as_json)
    else:
        print_items(table, shown, as_json)


@click.command()
@run_argument
@shared("item_id", required=True)
@shared("k", "as_json")
def similar(run: Path, item_id: str, k: int, as_json: bool) -> None:
    """List the items of RUN that are most similar to an item."""
    from tfrec_fusion.zoo.cli.opened import open_recommender

    with told_warnings():
        table = open_recommender(run).similar(item_id, k)
    print_items(table, {"item_id": item_id}, as_json)


def _known(recommender: Opened) -> set[str]:
    items = recommender.items
    return {*items["item_id"].astype(str), *items["title"].astype(str)}


def _reasons(recommender: Opened, table: pd.DataFrame, users: list[str]) -> list[list[str]]:
    """The phrases that each recommendation of a table is made because of."""
    of_rows = table["user_id"] if "user_id" in table else users * len(table)
    return [
        [phrase.text for phrase in recommender.answers.reasons(user, item)]
        for user, item in zip(of_rows, table["item_id"], strict=True)
    ]
