"""The commands that ask a model: items for a user or a history, items like an item."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pandas as pd

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.zoo.answers.catalog_answers import POPULARITY
from tfrec_fusion.zoo.answers.printable import printable
from tfrec_fusion.zoo.prebuilt.load import open_run

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
run_folder = click.argument("run", type=click.Path(path_type=Path))
top_k = click.option("-k", default=10, show_default=True, help="How many items.")


@click.command()
@run_folder
@click.option("--user-id", help="Any id; a new one is offered what is popular.")
@click.option("--history", help="Instead: item ids somebody took, oldest first, e.g. 1,50,181.")
@click.option("--why", is_flag=True, help="Also what the user cares about and the item has.")
@click.option(
    "--allow-seen/--no-allow-seen",
    default=None,
    help="Also recommend items already seen; by default as the run was measured.",
)
@top_k
@as_json_option
def recommend(
    run: Path,
    user_id: str | None,
    history: str | None,
    why: bool,
    allow_seen: bool | None,
    k: int,
    as_json: bool,
) -> None:
    """Recommend items for a user, or for a history."""
    if (user_id is None) == (history is None) or (why and history is not None):
        raise click.UsageError("Give --user-id, with or without --why, or --history.")
    ids = None if history is None else [one.strip() for one in history.split(",")]
    if ids is not None and not all(ids):
        raise click.UsageError(
            f"--history must be item ids with commas between them, such as 1,50,181. "
            f"Received: {history!r}{'' if any(ids) else ', which is empty'}."
        )
    recommender = open_run(run).recommender
    if ids is not None:
        with told_warnings():
            table = recommender.recommend_from_history(ids, k, allow_seen=allow_seen)
        print_items(table, {"history": history}, as_json)
        return
    with told_warnings():
        table = recommender.recommend(str(user_id), k, allow_seen=allow_seen)
    if why:
        found = [recommender.reasons(user_id, item) for item in table["item_id"]]
        table["why"] = [[phrase.text for phrase in phrases] for phrases in found]
    print_items(table, {"user_id": user_id}, as_json)


@click.command()
@run_folder
@click.option("--item-id", required=True, help="An item of the catalogue.")
@top_k
@as_json_option
def similar(run: Path, item_id: str, k: int, as_json: bool) -> None:
    """List the items most like an item."""
    with told_warnings():
        table = open_run(run).recommender.similar(item_id, k)
    print_items(table, {"item_id": item_id}, as_json)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Prints warnings about answers as lines on stderr, with the options of the command line."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", AnswerWarning)
        show = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if not issubclass(category, AnswerWarning):
                show(message, category, *where)
                return
            said = str(message).replace("`allow_seen=True`", "--allow-seen")
            click.echo(printable(said), err=True)

        warnings.showwarning = tell  # type: ignore[assignment]
        yield


def print_items(table: pd.DataFrame, asked: dict[str, str | None], as_json: bool) -> None:
    """Prints ranked items, a line each or as one JSON object.

    Args:
        table: As `CatalogAnswers.recommend` answers; `why` holds lists of phrases.
        asked: What the JSON object repeats of the question.
        as_json: Whether to print that object.
    """
    if as_json:
        click.echo(json.dumps({**asked, "items": table.to_dict("records")}, ensure_ascii=False))
        return
    for rank, row in enumerate(table.to_dict("records"), 1):
        source = f"  ({POPULARITY})" if row.get("source") == POPULARITY else ""
        why = f"  because of: {', '.join(row['why'])}" if row.get("why") else ""
        line = f"{row['title']}  [{row['item_id']}]  {row['score']:.3f}{source}{why}"
        click.echo(f"{rank:3}. {printable(line)}")
