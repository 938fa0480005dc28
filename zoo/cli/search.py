"""The command that searches a catalog by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfrec_fusion.zoo.cli.printing import print_items, told_warnings
from tfrec_fusion.zoo.cli.shared_options import reads_tables, shared


@click.command()
@click.argument("query")
@reads_tables(help="A public data set by name (SETS), or a folder of tables: the catalog.")
@shared("run", help="Instead: the catalog of a run folder or a prebuilt model.")
@shared("user_id", help="With --run: order what is found by this user's taste.")
@shared("text_preset", "text_length", "text_columns", "k", "as_json")
def search(
    query: str,
    data: str | None,
    data_dir: Path | None,
    csv: dict[str, str],
    run: Path | None,
    user_id: str | None,
    text_preset: str,
    text_length: int | None,
    text_columns: tuple[str, ...],
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
    if user_id is not None and run is None:
        raise click.UsageError("--user-id needs --run, the model that knows the user's taste.")
    if not query.strip():
        raise click.UsageError("QUERY is empty. Give at least one word.")
    recommender, catalog = None, None
    if run is not None:
        from tfrec_fusion.zoo.prebuilt.load import open_run

        loaded = open_run(run)
        recommender = loaded.recommender if user_id is not None else None
        catalog = (loaded.items.ids, loaded.titles, loaded.texts)
    else:
        catalog = _catalog(data or "movielens-100k", data_dir, csv, text_columns)

    from tfrec_fusion.text.encoding.item_vectors import item_encoder
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

    index = SemanticSearch.over(*catalog, item_encoder(text_preset, text_length))
    with told_warnings():
        found = index.search(query, k, recommender, user_id)
    print_items(found, {"query": query, "user_id": user_id}, as_json)


def _catalog(
    data: str, data_dir: Path | None, csv: dict[str, str], text_columns: tuple[str, ...]
) -> tuple[Any, Any, Any]:
    """Ids, titles and texts of a data set's items, after those of the OOV item."""
    import numpy as np

    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.data.tables.item_texts import joined_texts, shown_titles

    items = read_tables(data, data_dir, **csv).items
    columns = (items["item_id"], shown_titles(items), joined_texts(items, text_columns))
    ids, titles, texts = (np.array(["", *column], object) for column in columns)
    return ids, titles, texts
