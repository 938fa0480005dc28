"""The command that searches a catalog by meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.zoo.cli.asked import asked_filters, asked_users, known_names
from tfrec_fusion.zoo.cli.printing import print_items, print_users, told_warnings
from tfrec_fusion.zoo.cli.shared_options import FILTERS, reads_tables, shared

if TYPE_CHECKING:
    import pandas as pd

    from tfrec_fusion.zoo.recommender import Recommender

DATA = "movielens-100k"


@click.command()
@click.argument("query")
@reads_tables(help="A public data set by name (SETS), or a folder of tables: the catalog.")
@shared("run", help="Instead: the catalog of a run folder or a prebuilt model.")
@shared(
    "user_id",
    multiple=True,
    help="With --run: order what is found by this user's taste; may be repeated.",
)
@shared("user_ids")
@shared("text_preset", default=None, show_default="minilm; with --run the one that reads its texts")
@shared("text_length", "text_columns", *FILTERS)
@shared("k", "as_json")
def search(
    query: str,
    data: str | None,
    data_dir: Path | None,
    csv: dict[str, str],
    run: Path | None,
    user_id: tuple[str, ...],
    user_ids: Path | None,
    text_preset: str | None,
    text_length: int | None,
    text_columns: tuple[str, ...],
    exclude: tuple[str, ...],
    allow: tuple[str, ...],
    where: tuple[tuple[str, str], ...],
    k: int,
    as_json: bool,
) -> None:
    """Find items by the meaning of QUERY, in MovieLens-100K unless --data or --run is given."""
    if text_columns and run is not None:
        raise click.UsageError(
            "--text-columns goes with --data: a run reads those it was trained with."
        )
    if run is not None and (data or data_dir or csv):
        raise click.UsageError("Give --run or --data, not both.")
    if run is None and (user_id or user_ids is not None):
        raise click.UsageError("--user-id needs --run, the model that knows the user's taste.")
    if not query.strip():
        raise click.UsageError("QUERY is empty. Give at least one word.")
    users = asked_users(user_id, user_ids)
    asked: dict[str, Any] = {"query": query}
    if run is None:
        from tfrec_fusion.data.sources.reading import read_tables

        items = read_tables(data or DATA, data_dir, **csv).items
        found = _Searched(items, text_columns, text_preset or "minilm", text_length)
        filters = asked_filters(exclude, allow, where, known_names(found.names))
        with told_warnings():
            table = found.search(query, k, filters)
        print_items(table, {**asked, "user_id": None}, as_json)
        return

    recommender = _opened(run, text_preset, text_length)
    filters = asked_filters(exclude, allow, where, known_names(recommender.items))
    several = len(users) > 1 or user_ids is not None
    asked["user_id"] = (users if several else users[0]) if users else None
    with told_warnings():
        table = recommender.search(query, k, user_id=asked["user_id"], **filters)
    if several:
        print_users(table, users, {"query": query}, as_json)
    else:
        print_items(table, asked, as_json)


def _opened(run: Path, text_preset: str | None, text_length: int | None) -> Recommender:
    """A run, whose texts another language model reads where one is given."""
    from tfrec_fusion.zoo.prebuilt.load import open_recommender

    recommender = open_recommender(run)
    if text_preset is None:
        if text_length is not None:
            raise click.UsageError("--text-length needs --text-preset, or --data.")
        return recommender

    from tfrec_fusion.text.encoding.item_vectors import item_encoder
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

    held, encoder = recommender.run, item_encoder(text_preset, text_length)
    columns = (held.items.ids, held.titles, held.texts)
    return replace(recommender, open_search=lambda: SemanticSearch.over(*columns, encoder))


class _Searched:
    """A catalog that is no model's.

    Args:
        items: A table of items.
        text_columns: Columns that are read after title and text.
        text_preset: The language model that reads them.
        text_length: Most tokens that it reads of a text.
    """

    def __init__(
        self,
        items: pd.DataFrame,
        text_columns: tuple[str, ...],
        text_preset: str,
        text_length: int | None,
    ) -> None:
        from tfrec_fusion.data.tables.item_texts import joined_texts, shown_titles

        self.names = items[["item_id"]].assign(title=shown_titles(items))
        self.further = items.drop(columns=["item_id", "title", "text"], errors="ignore")
        self.texts = joined_texts(items, text_columns)
        self.reader = (text_preset, text_length)

    def search(self, query: str, k: int, filters: dict[str, Any]) -> pd.DataFrame:
        """As `zoo.Recommender.search`."""
        import numpy as np

        from tfrec_fusion.data.vocabulary import Vocabulary
        from tfrec_fusion.text.encoding.item_vectors import item_encoder
        from tfrec_fusion.zoo.answers.catalog import Catalog
        from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

        items, titles = Vocabulary(self.names["item_id"]), ["", *self.names["title"]]
        catalog = Catalog.of_run(items, np.array(titles, object), self.further, {})
        allowed = catalog.candidates(**filters)
        index = SemanticSearch.over(
            items.ids, titles, ["", *self.texts], item_encoder(*self.reader)
        )
        return catalog.described(index.search(query, k, allowed=allowed))
