"""The commands that ask a model: items for users, a history or a text; items like an item."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.zoo.cli.asked import asked_filters, asked_items, asked_users, known_names
from tfrec_fusion.zoo.cli.printing import print_items, print_users, told_warnings
from tfrec_fusion.zoo.cli.shared_options import FILTERS, run_argument, shared

if TYPE_CHECKING:
    import pandas as pd

    from tfrec_fusion.zoo.recommender import Recommender


@click.command()
@run_argument
@shared("user_id", multiple=True, help="A user, known or new; may be repeated.")
@shared("user_ids", "history", "text")
@click.option("--why", is_flag=True, help="Also show which of the user's interests an item meets.")
@shared(*FILTERS)
@shared("allow_seen", "k", "as_json")
def recommend(
    run: Path,
    user_id: tuple[str, ...],
    user_ids: Path | None,
    history: tuple[str, ...],
    text: str | None,
    why: bool,
    exclude: tuple[str, ...],
    allow: tuple[str, ...],
    where: tuple[tuple[str, str], ...],
    allow_seen: bool | None,
    k: int,
    as_json: bool,
) -> None:
    """Recommend items of RUN for users, for a new user's history, or for a text query.

    RUN is a run folder, or the name of a prebuilt model. A user without any event gets popular
    items; with --text and a user, the user's taste orders what the text finds.
    """
    by_user = bool(user_id) or user_ids is not None
    if bool(history) == (by_user or text is not None):
        raise click.UsageError("Give --user-id, --text, or both; or give --history.")
    if why and (not by_user or text is not None):
        raise click.UsageError("--why goes with --user-id alone: it shows that user's interests.")
    if text is not None and allow_seen is not None:
        raise click.UsageError(
            "--allow-seen goes with --user-id or --history: a text query finds items whether or "
            "not they were seen."
        )
    users = asked_users(user_id, user_ids)
    several = len(users) > 1 or user_ids is not None

    from tfrec_fusion.zoo.prebuilt.load import open_recommender

    recommender = open_recommender(run)
    known = known_names(recommender.items)
    asked: dict[str, Any] = {}
    if text is not None:
        asked["text"] = text
    if history:
        asked["history"] = asked_items(history, "--history", known)
    if users:
        asked["user_id"] = users if several else users[0]
    filters = asked_filters(exclude, allow, where, known)
    with told_warnings():
        table = recommender.recommend(k=k, allow_seen=allow_seen, **asked, **filters)
    if why:
        table["why"] = _reasons(recommender, table, users)
    if several:
        print_users(table, users, {key: asked[key] for key in asked if key != "user_id"}, as_json)
    else:
        print_items(table, asked, as_json)


@click.command()
@run_argument
@shared("item_id", required=True)
@shared(*FILTERS)
@shared("k", "as_json")
def similar(
    run: Path,
    item_id: str,
    exclude: tuple[str, ...],
    allow: tuple[str, ...],
    where: tuple[tuple[str, str], ...],
    k: int,
    as_json: bool,
) -> None:
    """List the items of RUN that are most similar to an item."""
    from tfrec_fusion.zoo.prebuilt.load import open_recommender

    recommender = open_recommender(run)
    filters = asked_filters(exclude, allow, where, known_names(recommender.items))
    with told_warnings():
        table = recommender.similar(item_id, k, **filters)
    print_items(table, {"item_id": item_id}, as_json)


@click.command()
@run_argument
@shared("user_id", multiple=True, help="A user; may be repeated.")
@shared("user_ids")
@shared("item_id", multiple=True, required=True, help="An item: its id or title; may be repeated.")
@shared("as_json")
def score(
    run: Path,
    user_id: tuple[str, ...],
    user_ids: Path | None,
    item_id: tuple[str, ...],
    as_json: bool,
) -> None:
    """Score items for users by the model of RUN, items already seen included."""
    users = asked_users(user_id, user_ids)
    if not users:
        raise click.UsageError("Give the users by --user-id or --user-ids.")

    from tfrec_fusion.zoo.prebuilt.load import open_recommender

    recommender = open_recommender(run)
    items = asked_items(item_id, "--item-id", known_names(recommender.items))
    with told_warnings():
        table = recommender.score(users, items)
    if len(users) > 1 or user_ids is not None:
        print_users(table, users, {}, as_json)
    else:
        print_items(table.drop(columns="user_id"), {"user_id": users[0]}, as_json)


def _reasons(recommender: Recommender, table: pd.DataFrame, users: list[str]) -> list[list[str]]:
    """The phrases that each recommendation of a table is made because of."""
    of_rows = table["user_id"] if "user_id" in table else users * len(table)
    return [
        [phrase.text for phrase in recommender.answers.reasons(user, item)]
        for user, item in zip(of_rows, table["item_id"], strict=True)
    ]
