"""The tables a recommender learns from: `RecData`, always valid, and the ways to make one."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables import columns, validation
from tfrec_fusion.data.tables.cells import plain_cells
from tfrec_fusion.data.tables.feedback import positive_events
from tfrec_fusion.data.tables.identifiers import natural_order
from tfrec_fusion.data.tables.text_tables import DECIMALS, read_decimals, read_text_table
from tfrec_fusion.errors import InvalidInput

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class RecData:
    """Interactions, the catalog, and where present the users and a knowledge graph.

    Making one validates it, so whoever holds a `RecData` holds sound tables: ids are non-empty
    strings, ratings finite float32, timestamps int64 seconds since 1970. The tables given are
    not changed. Repeated events of one user with one item are data and are kept. Every event
    is positive feedback, also one rated 0 or -1: `positives` drops those rated low.

    Attributes:
        interactions: `user_id`, `item_id`; optional `rating`, `timestamp`, `text` (a review).
        items: `item_id`, `title`, `text`; further columns are kept. A missing title or text is
            the empty text. Models read title and text joined (`data.item_texts`); where items are
            shown, the id stands for a missing title.
        users: `user_id` and further columns, or None.
        graph: `head_id`, `relation_id`, `tail_id`, or None.
        name: What the data set is called.
        license: Under which terms it may be used.
        citation: What to cite.

    Raises:
        TypeError: When a table is not a DataFrame.
        ValueError: Naming the table, the column, the first offending rows and the cure: a
            missing or duplicate column; null, empty or duplicate ids; ratings that are not
            finite; timestamps that are not seconds of the past; an empty table; interactions
            that name items (or users, when there is a table of them) nobody has heard of.

    Example:
    >>> events = pd.DataFrame({"user_id": [1, 1], "item_id": ["a", "b"], "rating": [5, 3]})
    >>> items = pd.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], "text": ["x", "y"]})
    >>> RecData(events, items, name="tiny")
    RecData(tiny: 2 interactions, 1 users, 2 items)
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None = None
    graph: pd.DataFrame | None = None
    name: str = ""
    license: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        items = validation.clean_items(self.items)
        interactions = validation.clean_interactions(self.interactions)
        columns.check_known(interactions["item_id"], items["item_id"], "interactions", "items")
        object.__setattr__(self, "interactions", interactions)
        object.__setattr__(self, "items", items)
        if self.users is not None:
            users = validation.clean_users(self.users)
            known = users["user_id"]
            columns.check_known(interactions["user_id"], known, "interactions", "users")
            object.__setattr__(self, "users", users)
        if self.graph is not None:
            graph, items = validation.clean_graph(self.graph, items)
            object.__setattr__(self, "graph", graph)
            object.__setattr__(self, "items", items)
        validation.report_near_misses(interactions, items, self.users, self.graph)

    def positives(
        self, lowest: float | None, say: Callable[[str], None] = logger.warning
    ) -> RecData:
        """These tables without the events that are rated below `lowest`; see `positive_events`.

        Args:
            lowest: The lowest rating of a positive event; None keeps every event.
            say: Called with a line about how many events were dropped, if any were.

        Raises:
            ValueError: When there are no ratings, or none is high enough.
        """
        if lowest is None:
            return self
        events, line = positive_events(self.interactions, lowest)
        if not line:
            return self
        say(line)
        kept = copy.copy(self)  # without a new validation: a part of sound events is sound
        object.__setattr__(kept, "interactions", events)
        return kept

    def __repr__(self) -> str:
        users = self.interactions["user_id"].nunique() if self.users is None else len(self.users)
        triples = "" if self.graph is None else f", {len(self.graph)} triples"
        counts = f"{len(self.interactions)} interactions, {users} users, {len(self.items)} items"
        return f"RecData({self.name or 'unnamed'}: {counts}{triples})"


def from_frames(
    interactions: pd.DataFrame,
    items: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
    graph: pd.DataFrame | None = None,
    *,
    user_id: str = "user_id",
    item_id: str = "item_id",
    rating: str | None = "rating",
    timestamp: str | None = "timestamp",
    text: str | None = "text",
    title: str | None = "title",
    item_text: str | None = "text",
    rating_range: tuple[float, float] | None = None,
    positive_from: float | None = None,
    name: str = "",
    license: str = "",
    citation: str = "",
) -> RecData:
    """Makes a `RecData` from one's own tables, whatever their columns are called.

    Args:
        interactions: One row an event.
        items: The catalog; by default the distinct items of the interactions, in natural
            order, without titles or texts.
        users: What is known of the users.
        graph: Triples `head_id`, `relation_id`, `tail_id`.
        user_id: Your column of user ids, of any type, in `interactions` and `users`.
        item_id: Your column of item ids, of any type, in `interactions` and `items`.
        rating: Your column of ratings; None leaves it out.
        timestamp: Your column of times: seconds since 1970, datetimes, or ISO 8601 texts (see
            `clean_timestamps`); None leaves it out.
        text: Your column of reviews in `interactions`; None leaves it out.
        title: Your column of titles in `items`; None leaves them without titles.
        item_text: Your column of descriptions in `items`, without the titles; None leaves it out.
        rating_range: Smallest and largest rating allowed, e.g. `(1, 5)`.
        positive_from: The lowest rating of a positive event: events below it are dropped, and
            counted in a warning. Every event counts as positive otherwise, whatever its rating.
        name: What the data set is called.
        license: Under which terms it may be used.
        citation: What to cite.

    Raises:
        ValueError: When a named column is missing or collides with another, a rating leaves
            `rating_range`, or a table is unsound (see `RecData`).

    Example: the layout of Amazon reviews, and no table of items.

    >>> reviews = pd.DataFrame({"reviewerID": ["A2", "A7"], "asin": ["B01", "B01"],
    ...     "overall": [5.0, 4.0], "unixReviewTime": [1400000000, 1400000060],
    ...     "reviewText": ["Stays in tune.", "Good strings."]})
    >>> from_frames(reviews, user_id="reviewerID", item_id="asin", rating="overall",
    ...     timestamp="unixReviewTime", text="reviewText", rating_range=(1, 5))
    RecData(unnamed: 2 interactions, 2 users, 1 items)
    """
    names = {"rating": rating, "timestamp": timestamp, "text": text}
    keys = {"user_id": user_id, "item_id": item_id}
    events = _renamed(interactions, "interactions", keys, names)
    if rating_range is not None and "rating" in events:
        columns.clean_ratings(events["rating"].reset_index(drop=True), rating_range)
    if items is None:
        columns.check_filled(events, "interactions", "Give at least one event.")
        events = plain_cells(events.reset_index(drop=True), "interactions", validation.UNJOINED)
        events = events.assign(item_id=columns.clean_ids(events["item_id"], "interactions"))
        items = pd.DataFrame({"item_id": natural_order(events["item_id"].unique())})
    else:
        described = {"title": title, "text": item_text}
        items = _renamed(items, "items", {"item_id": item_id}, described)
    if users is not None:
        users = _renamed(users, "users", {"user_id": user_id}, {})
    data = RecData(events, items, users, graph, name, license, citation)
    return data.positives(positive_from)


def _renamed(
    frame: pd.DataFrame, table: str, keys: dict[str, str], others: dict[str, str | None]
) -> pd.DataFrame:
    """Gives columns their `RecData` names; keys there must be, under either name."""
    columns.check_columns(frame, table)
    names: dict[str, str | None] = {**keys, **others}
    own = {target: column for target, column in names.items() if column in frame.columns}
    for target, column in names.items():
        if target in keys and target not in own and target not in frame.columns:
            columns.check_columns(frame, table, (str(column),))
        if target in others and target not in own and column not in (None, target):
            columns.check_columns(frame, table, (str(column),))
    unused = {target for target, column in names.items() if column is None}
    taken = set(own.values()) | unused
    rest = [column for column in frame.columns if column not in taken]
    for target, column in own.items():
        if target in rest:
            raise InvalidInput(
                f"`{table}` has a column `{target}` besides `{column}`, which is to become "
                f"`{target}`. Drop or rename one of them."
            )
    renamed = {target: frame[column] for target, column in own.items()}
    return pd.DataFrame({**renamed, **{column: frame[column] for column in rest}})


def load_csv(
    interactions_path: str | Path,
    items_path: str | Path | None = None,
    users_path: str | Path | None = None,
    graph_path: str | Path | None = None,
    *,
    sep: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    **names: Any,
) -> RecData:
    """Makes a `RecData` from one's own CSV files; ids stay as they are written.

    Args:
        interactions_path: File of events, its first line naming the columns.
        items_path: File of the catalog, if any.
        users_path: File of users, if any.
        graph_path: File of triples, if any.
        sep: What separates columns; by default a tab for .tsv and a comma otherwise.
        encoding: The files' encoding.
        decimal: What separates the fraction of a rating or timestamp.
        **names: The keywords of `from_frames`: your columns' names, `rating_range`, `name`, ….

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When a file is no table, or a table is unsound (see `RecData`).

    Example: the layout of MovieLens.

    >>> data = load_csv("ml-latest-small/ratings.csv", "ml-latest-small/movies.csv",
    ...     user_id="userId", item_id="movieId", rating_range=(0.5, 5))  # doctest: +SKIP
    """
    interactions = read_text_table(interactions_path, sep, encoding)
    items, users, graph = (
        None if path is None else read_text_table(path, sep, encoding)
        for path in (items_path, users_path, graph_path)
    )
    if decimal != ".":
        kept = [names.get(one, one) for one in DECIMALS]
        interactions = read_decimals(interactions, kept, decimal)
    return from_frames(interactions, items, users, graph, **names)


def checksum(data: RecData) -> str:
    """Sha256 of what the tables hold, in hexadecimal, whatever the order of rows and columns.

    Equal tables have equal checksums in every process and on every machine; the name, license
    and citation do not count.
    """
    digest = hashlib.sha256()
    for table in ("interactions", "items", "users", "graph"):
        frame = getattr(data, table)
        if frame is None:
            continue
        names = sorted(str(column) for column in frame.columns)
        digest.update(f"{table}:{len(frame)}:{','.join(names)};".encode())
        plain = {name: _plain(frame[name]) for name in names}
        rows = pd.util.hash_pandas_object(pd.DataFrame(plain), index=False).to_numpy(np.uint64)
        digest.update(np.sort(rows).astype("<u8").tobytes())
    return digest.hexdigest()


def _plain(column: pd.Series) -> pd.Series:
    """Numbers as they are, anything else as objects, so that the storage does not count."""
    return column if pd.api.types.is_numeric_dtype(column.dtype) else column.astype(object)
