"""Tables and a split, turned into vocabularies and index arrays in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.split import SPLITS, Split
from tfrec_fusion.data.tables.item_texts import joined_texts, shown_titles
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class IndexedData:
    """What a recommender is trained and evaluated on.

    Attributes:
        users: Vocabulary of every user in the interactions.
        items: Vocabulary of the whole catalog, also items without events.
        item_table: The catalog's rows in index order; its first row is item index 1.
        train: Events to learn from.
        validation: Events that choose epochs and hyperparameters.
        test: Events for the reported numbers.
        description: How the rows were divided.
        user_table: What is known of the users, in index order; its first row is user index 1.
            None where the data has no such table.
        graph: The triples, `head_id`, `relation_id`, `tail_id`, where there are some.
    """

    users: Vocabulary
    items: Vocabulary
    item_table: pd.DataFrame
    train: Events
    validation: Events
    test: Events
    description: str
    user_table: pd.DataFrame | None = None
    graph: pd.DataFrame | None = None

    @property
    def train_and_validation(self) -> Events:
        """What is known when the test events are predicted."""
        return merge(self.train, self.validation)

    @property
    def everything(self) -> Events:
        """All events: what is known when the model serves."""
        return merge(self.train, self.validation, self.test)

    def item_column(self, name: str) -> np.ndarray:
        """`(num_items,)` strings of one catalog column; the empty string for the unseen item."""
        return np.array(["", *self.item_table[name].fillna("").astype(str)], dtype=object)

    @property
    def titles(self) -> np.ndarray:
        """`(num_items,)` what stands for each item where items are shown: its title, or its id."""
        return np.array(["", *shown_titles(self.item_table)], dtype=object)

    def item_texts(self, columns: Sequence[str] = ()) -> np.ndarray:
        """`(num_items,)` texts, as every reader of texts reads them; empty where nothing is known.

        Args:
            columns: Catalog columns that are read after the title and the text.

        Raises:
            ValueError: When there is no such column.
        """
        return np.array(["", *joined_texts(self.item_table, columns)], dtype=object)

    @property
    def candidates(self) -> np.ndarray:
        """`(num_items,)` bool: what may be recommended, all but the unseen index 0."""
        return np.arange(len(self.items)) > 0


def index_data(
    data: RecData,
    split: str | Split = "temporal",
    *,
    seed: int = 0,
    known: tuple[Vocabulary, Vocabulary] | None = None,
    trained: pd.DataFrame | None = None,
) -> IndexedData:
    """Builds vocabularies and splits the interactions.

    Args:
        data: Validated tables.
        split: `"temporal"`, `"leave_one_out"`, `"cold_item"`, or a ready `Split`.
        seed: For the splits that draw.
        known: Vocabularies of users and items whose ids keep their indices; what is new comes
            after them. All their items must be in the catalog.
        trained: Pairs, `user_id` and `item_id`, that a model which continues training has
            learned from: no named split holds them out, see `data.split`.

    Raises:
        ValueError: When `split` names none of these.

    Example:

    >>> from tfrec_fusion.data import generate
    >>> indexed = index_data(generate(20, 30, 200, seed=1))
    >>> len(indexed.users), len(indexed.items)
    (21, 31)
    """
    if isinstance(split, str):
        if split not in SPLITS:
            raise InvalidInput(f"`split` must be one of {sorted(SPLITS)}. Received: {split!r}.")
        split = SPLITS[split](data, seed=seed, trained=trained)
    users, items = known or (Vocabulary([]), Vocabulary([]))
    users = users.grown(data.interactions["user_id"])
    items = items.grown(data.items["item_id"])
    table = data.items.set_index("item_id").loc[items.ids[1:]].reset_index()
    people = None
    if data.users is not None:
        people = data.users.set_index("user_id").loc[users.ids[1:]].reset_index()
    return IndexedData(
        users,
        items,
        table,
        train=Events.from_frame(split.train, users, items),
        validation=Events.from_frame(split.validation, users, items),
        test=Events.from_frame(split.test, users, items),
        description=split.description,
        user_table=people,
        graph=data.graph,
    )


def merge(*parts: Events) -> Events:
    """One `Events` of several with the same vocabularies, again in (user, time, item) order."""
    user, item, rating, timestamp = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("user", "item", "rating", "timestamp")
    )
    order = np.lexsort((item, timestamp, user))
    sizes = (parts[0].num_users, parts[0].num_items)
    texts = [part.text for part in parts if part.text is not None]
    text = np.concatenate(texts)[order] if len(texts) == len(parts) else None
    return Events(user[order], item[order], rating[order], timestamp[order], *sizes, text)
