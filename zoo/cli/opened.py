"""What answers for a run folder or a prebuilt model: the one place where commands open it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.explanation import Explanation
from tfrec_fusion.zoo.answers.item_titles import ItemTitles
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import load, open_run
from tfrec_fusion.zoo.runs.explainer import explainer_of
from tfrec_fusion.zoo.runs.run import Run


class Opened:
    """A run's answers, with the signatures of `zoo.Recommender`.

    Args:
        run: The run.
        name: Its folder, or the name of a prebuilt model.
    """

    def __init__(self, run: Run, name: str) -> None:
        self.run, self.name = run, name

    @property
    def answers(self) -> CatalogAnswers:
        """Answers by ids alone."""
        return self.run.recommender

    @cached_property
    def items(self) -> pd.DataFrame:
        """The catalog: `item_id` and `title`."""
        return pd.DataFrame({"item_id": self.run.items.ids[1:], "title": self.run.titles[1:]})

    def recommend(
        self,
        user_id: Any = None,
        k: int = 10,
        *,
        history: Iterable[str] | None = None,
        text: str | None = None,
        allow_seen: bool | None = None,
    ) -> pd.DataFrame:
        """Recommends items for users, a history, or a text query."""
        if text is not None:
            return self.search(text, k, user_id=user_id)
        if history is not None:
            taken = [self._names.item_id(one, "history") for one in history]
            return self.answers.recommend_from_history(taken, k, allow_seen=allow_seen)
        return self.answers.recommend(user_id, k, allow_seen=allow_seen)

    def similar(self, item_id: str, k: int = 10) -> pd.DataFrame:
        """Ranks the items most like one."""
        return self.answers.similar(self._names.item_id(item_id, "item_id"), k)

    def search(self, text: str, k: int = 10, *, user_id: Any = None) -> pd.DataFrame:
        """Finds items by the meaning of a query."""
        if not self.run.folder.exists() or self.name in cards():
            return load(self.name).recommend(user_id, text=text, k=k)
        from tfrec_fusion.text.encoding.item_vectors import item_encoder
        from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

        options = self.run.info["options"]
        encoder = item_encoder(options.get("text_preset", "minilm"), options.get("text_length"))
        index = SemanticSearch.over(self.run.items.ids, self.run.titles, self.run.texts, encoder)
        return index.search(text, k, None if user_id is None else self.answers, user_id)

    def explain(
        self, user_id: str, item_id: str | None = None, *, words: bool = False
    ) -> Explanation:
        """Explains an item's score."""
        item = None if item_id is None else self._names.item_id(item_id, "item_id")
        return explainer_of(self.run, words=words).explain(user_id, item)

    @cached_property
    def _names(self) -> ItemTitles:
        return ItemTitles(self.items["item_id"], self.items["title"])


def open_recommender(run: str | Path) -> Opened:
    """Opens a run folder, or a prebuilt model by its name.

    Raises:
        BrokenRun: When there is neither.
    """
    return Opened(open_run(run), str(run))
