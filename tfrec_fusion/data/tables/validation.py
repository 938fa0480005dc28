"""What makes each table of a `RecData` acceptable, and what is filled in where it is silent."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from tfrec_fusion.data.tables.cells import plain_cells
from tfrec_fusion.data.tables.columns import (
    check_columns,
    check_filled,
    check_unique,
    clean_ids,
    clean_ratings,
    clean_texts,
)
from tfrec_fusion.data.tables.near_misses import warn_of_near_misses
from tfrec_fusion.data.tables.timestamps import clean_timestamps

logger = logging.getLogger(__name__)

TRIPLE = ("head_id", "relation_id", "tail_id")
UNJOINED = ("user_id", "item_id", "text")  # columns of interactions that hold no labels
LINK = "entity_id"  # the items' column that says which entity of the graph an item is


def clean_interactions(frame: pd.DataFrame) -> pd.DataFrame:
    """Interactions with ids as strings, ratings as float32 and timestamps as int64 seconds.

    Raises:
        ValueError: When the table is empty or a column is missing or unsound.
    """
    table = "interactions"
    check_columns(frame, table, ("user_id", "item_id"))
    check_filled(frame, table, "Give at least one event.")
    frame = plain_cells(frame.reset_index(drop=True), table, UNJOINED)
    cleaned: dict[str, Any] = {
        name: clean_ids(frame[name], table) for name in ("user_id", "item_id")
    }
    if "rating" in frame:
        cleaned["rating"] = clean_ratings(frame["rating"])
    if "timestamp" in frame:
        cleaned["timestamp"] = clean_timestamps(frame["timestamp"])
    if "text" in frame:
        cleaned["text"] = clean_texts(frame["text"], table)
    frame = frame.assign(**cleaned)
    repeated = int(frame.duplicated(list(cleaned)).sum())
    if repeated:
        logger.warning("interactions: %d rows repeat another row exactly; kept.", repeated)
    return frame


def _keyed(frame: pd.DataFrame, table: str, key: str) -> pd.DataFrame:
    check_columns(frame, table, (key,))
    frame = plain_cells(frame.reset_index(drop=True), table, (key, "title", "text"))
    frame = frame.assign(**{key: clean_ids(frame[key], table)})
    check_unique(frame[key], table)
    return frame


def clean_items(frame: pd.DataFrame) -> pd.DataFrame:
    """A catalog with distinct ids; a missing title or text is the empty text, which is logged.

    Raises:
        ValueError: When the table is empty, or its ids are missing, null, blank or repeated.
    """
    check_columns(frame, "items", ("item_id",))
    check_filled(frame, "items", "Give the catalog, or `from_frames(items=None)`.")
    frame, names = _keyed(frame, "items", "item_id"), set(frame.columns)
    if "title" not in frame:
        logger.warning("items: no column `title`; ids are shown in its place.")
    for name in ("title", "text"):
        texts = clean_texts(frame[name], "items") if name in frame else ""
        frame = frame.assign(**{name: texts})
    if untitled := int((frame["title"] == "").sum()) if "title" in names else 0:
        logger.warning("items.title: %d empty values; their ids are shown instead.", untitled)
    if unread := int(((frame["title"] == "") & (frame["text"] == "")).sum()):
        logger.warning(
            "items: %d of %d have neither title nor text. Readers of texts see nothing of them; "
            "further columns are read with `text_columns`.",
            *(unread, len(frame)),
        )
    return frame


def clean_users(frame: pd.DataFrame) -> pd.DataFrame:
    """Users with distinct ids.

    Raises:
        ValueError: When the ids are missing, null, blank or repeated.
    """
    return _keyed(frame, "users", "user_id")


def clean_graph(frame: pd.DataFrame, items: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Triples whose three columns are strings, and items whose `entity_id` are strings like them.

    Raises:
        ValueError: When the table is empty, or an id is missing, null or blank.
    """
    check_columns(frame, "graph", TRIPLE)
    check_filled(frame, "graph", "Give `graph=None` when there is no graph.")
    frame = plain_cells(frame.reset_index(drop=True), "graph", TRIPLE)
    if LINK in items:
        items = items.assign(**{LINK: clean_ids(items[LINK], "items", optional=True)})
    return frame.assign(**{name: clean_ids(frame[name], "graph") for name in TRIPLE}), items


def report_near_misses(
    interactions: pd.DataFrame,
    items: pd.DataFrame,
    users: pd.DataFrame | None,
    graph: pd.DataFrame | None,
) -> None:
    """Logs ids that look alike, one line each for users, items, entities and relations."""
    people = interactions["user_id"].unique() if users is None else users["user_id"]
    warn_of_near_misses(people, "user_id")
    warn_of_near_misses(items["item_id"], "item_id")
    if graph is not None:
        linked = items[LINK] if LINK in items else items["item_id"]
        entities = pd.concat([graph["head_id"], graph["tail_id"], linked]).unique()
        warn_of_near_misses(entities, "entities of the graph and the items")
        warn_of_near_misses(graph["relation_id"].unique(), "graph.relation_id")
