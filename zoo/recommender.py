"""One face for every way to get an answer: of a prebuilt model, a run folder, or a training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import pandas as pd

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.questions import checked_history, checked_text
from tfrec_fusion.zoo.answers.catalog import Catalog
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers, Users
from tfrec_fusion.zoo.answers.embeddings import (
    item_vectors,
    user_events,
    user_vectors,
    write_projector,
)
from tfrec_fusion.zoo.answers.summary import metric_table, summary_line, summary_table
from tfrec_fusion.zoo.protocols import Model
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.comparison import shown_metrics
from tfrec_fusion.zoo.runs.measurement import evaluated
from tfrec_fusion.zoo.runs.run import Run
from tfrec_fusion.zoo.runs.run_copy import save_copy
from tfrec_fusion.zoo.runs.shown_report import shown_report

if TYPE_CHECKING:
    from tfrec_fusion.serving.export.export import ExportReport
    from tfrec_fusion.zoo.answers.explanation import Explanation
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch
    from tfrec_fusion.zoo.prebuilt.card import Card


@dataclass(frozen=True, eq=False, repr=False)
class Recommender:
    """A trained model that can be asked at once; of `zoo.load`, `zoo.load_run` and `zoo.train`.

    Items are given by id, or by title in the forms that people type: "Toy Story (1995)", "The
    Matrix" for "Matrix, The". Several are given as a list; a lone string is refused there. Methods
    that answer items narrow them by `exclude` and `allow`, lists of items, and by `where`, values
    by catalog column such as `{"genres": ["Comedy", "War"], "year": 1995}`. Where fewer than `k`
    are left an `AnswerWarning` says so. Answers have the catalog's further columns at their end.

    Attributes:
        run: The model with its vocabularies, catalog and events.
        card: Of a prebuilt model: its data, numbers and limits.
        open_search: Makes what finds items by text; by default from the run.

    Example:

    >>> from tfrec_fusion import zoo
    >>> model = zoo.load("ease.ml_latest_small")
    >>> model.recommend(history=["Toy Story (1995)"], k=1)["title"].tolist()
    ['Independence Day (a.k.a. ID4)']
    >>> model.recommend(["1", "2"], k=1).columns.tolist()
    ['user_id', 'item_id', 'title', 'score', 'source']
    """

    run: Run
    card: Card | None = None
    open_search: Callable[[], SemanticSearch] | None = None

    def recommend(
        self,
        user_id: Users | None = None,
        k: int = 10,
        *,
        history: Iterable[object] | None = None,
        text: str | None = None,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        where: Mapping[str, object] | None = None,
        allow_seen: bool | None = None,
    ) -> pd.DataFrame:
        """Recommends items for known users, for a new one by their history, or for a text query.

        Args:
            user_id: A user; or a list, array, Series or Index of users, or a DataFrame with a
                column `user_id`. A user never seen is offered what is popular, with a warning.
            k: How many for each user.
            history: Instead, the items of a new user's history, oldest first.
            text: Instead, a query in any words; with `user_id` what fits it is ordered by taste.
            exclude: Items that are not recommended.
            allow: The only items that may be; by default all.
            where: Values that they must have, by catalog column.
            allow_seen: Whether items that the user has interacted with may be recommended; by
                default as the model was measured. What a query finds may be such an item.

        Returns:
            Columns `item_id`, `title`, `score` and `source`, best first; of several users one long
            table with `user_id` in front. `source` says what ranked the item: `"model"`,
            `"popularity"` (the score is the number of events), or `"text"` alone, without a known
            user; the score of a query is the cosine of the texts.

        Raises:
            ValueError: When not one of the three is given, one of them is not what it must be, an
                item, column or value is unknown, or the model reads no history.
        """
        if (history is not None) == (user_id is not None or text is not None):
            raise InvalidInput(
                "Give `user_id`, or `history`, or `text` with or without `user_id`. Received: "
                f"user_id={user_id!r:.60}, history={history!r:.60}, text={text!r:.60}."
            )
        if text is not None:
            if allow_seen is not None:
                raise InvalidInput(
                    "`allow_seen` goes with `user_id` or `history` alone: a `text` finds items "
                    f"whether or not they were seen. Received: allow_seen={allow_seen!r:.60}."
                )
            return self.search(text, k, user_id=user_id, exclude=exclude, allow=allow, where=where)
        allowed = self._catalog.candidates(exclude, allow, where)
        may: Any = {"allow_seen": allow_seen, "allowed": allowed}
        if user_id is not None:
            return self._catalog.described(self.answers.recommend(user_id, k, **may))
        taken = self._catalog.names.item_ids(checked_history(history, "history"), "history")
        return self._catalog.described(self.answers.recommend_from_history(taken, k, **may))

    def similar(
        self,
        item_id: object,
        k: int = 10,
        *,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        where: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """Ranks the items most like one; columns `item_id`, `title` and `score`."""
        item = self._catalog.names.item_id(item_id, "item_id")
        allowed = self._catalog.candidates(exclude, allow, where)
        return self._catalog.described(self.answers.similar(item, k, allowed=allowed))

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        user_id: Users | None = None,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        where: Mapping[str, object] | None = None,
    ) -> pd.DataFrame:
        """Finds the items whose texts are nearest in meaning to a query; see `recommend`.

        Prebuilt models, and those that read no texts, read the query by the package's `tiny_gpt2`;
        others by the language model that they were trained with.

        Raises:
            PresetUnavailable: When the language model cannot be had.
        """
        text = checked_text(text)
        allowed = self._catalog.candidates(exclude, allow, where)
        by_taste = () if user_id is None else (self.answers, user_id)
        return self._catalog.described(self._search.search(text, k, *by_taste, allowed=allowed))

    def score(self, user_id: Users, item_ids: Iterable[object]) -> pd.DataFrame:
        """Scores items for a user or several, in the order of `item_ids`; seen ones, too.

        Returns:
            As `recommend`; a user never seen gets numbers of events, with a warning.
        """
        items = self._catalog.names.item_ids(item_ids, "item_ids")
        return self._catalog.described(self.answers.score_items(user_id, items))

    def explain(
        self, user_id: Users, item_id: object = None, *, words: bool = False
    ) -> Explanation | pd.DataFrame:
        """Explains an item's score: the past items, words and graph paths that carried it.

        Args:
            user_id: A user of the model, or several.
            item_id: By default what is recommended first.
            words: Whether the effects of the words of the item's text are measured, too, for a
                model that reads texts. Its language model may have to be fetched.

        Returns:
            Of one user an `Explanation`, printed as text and drawn in notebooks; of several one
            long table, see `Explanation.as_table`.

        Raises:
            ValueError: When a user or the item is unknown, or the model reads no history.
            PresetUnavailable: When the language model cannot be had.
        """
        # TF Text and KerasHub take seconds to import: only explanations need them.
        from tfrec_fusion.zoo.runs.explainer import explained

        item = None if item_id is None else self._catalog.names.item_id(item_id, "item_id")
        return explained(self.run, user_id, item, words=words)

    def embed(self, texts: Iterable[str]) -> pd.DataFrame:
        """Vectors of items that are in no catalog, by their texts, next to `item_embeddings`.

        Returns:
            A row for each text, which is the index.

        Raises:
            InvalidInput: When the model reads no texts.
            PresetUnavailable: When its language model cannot be had.
        """
        from tfrec_fusion.zoo.runs.run_texts import text_embeddings

        return text_embeddings(self.run, texts)

    def item_embeddings(self, projector: str | Path | None = None) -> pd.DataFrame:
        """Vectors of the items, a row each, by id.

        Args:
            projector: A folder for `tensorboard --logdir`, whose Projector shows them there.

        Raises:
            InvalidInput: When the model has no vectors of items.
        """
        vectors = item_vectors(self.answers)
        if projector is not None:
            known = self.items.drop(columns="text")
            events = self.answers.popularity[1:].astype(int)
            write_projector(projector, vectors, known.assign(events=events))
        return vectors

    def user_embeddings(self, projector: str | Path | None = None) -> pd.DataFrame:
        """Vectors of the users, as `item_embeddings`; for a model of two towers.

        Raises:
            InvalidInput: When the model compares no vectors of users with those of items.
        """
        vectors = user_vectors(self.answers)
        if projector is not None:
            write_projector(projector, vectors, user_events(self.answers))
        return vectors

    def evaluate(self, allow_seen: bool = False) -> pd.DataFrame:
        """Measures the lists on the test part again.

        Args:
            allow_seen: Whether items already seen are ranked, too, also where the model was
                measured without them.

        Returns:
            `value`, and where there is an interval `low` and `high`, by metric; `attrs["notes"]`
            has what must be known to read them.
        """
        answer, row = evaluated(self.run, allow_seen)
        return metric_table(row, answer["notes"])

    def report(self) -> Path:
        """The path of `report.html`, which is opened in a browser in an interactive session.

        Raises:
            NotFound: When the folder has no report, as of a prebuilt model.
        """
        return shown_report(self.run.folder, self.name)

    def save(self, folder: str | Path) -> Path:
        """Writes a run folder, with the weights as they are now, that `zoo.load_run` reads.

        Raises:
            AlreadyExists: When there is something in the folder.
        """
        return save_copy(self.run, folder)

    def export(self, to: str | Path, **options: Any) -> ExportReport:
        """Exports a SavedModel with its ids and titles, see `zoo.exports.export_run`."""
        from tfrec_fusion.zoo.exports.export_run import export_run

        return export_run(self.run, to, **options)

    @property
    def keras_model(self) -> keras.Model:
        """The plain Keras model: compile, fit, save; of a baseline the graph of its scores."""
        model: Any = self.model
        if isinstance(model, keras.Model):
            return model
        return model.score_model(self.answers.known)

    @property
    def model(self) -> Model:
        """The trained model."""
        return self.run.model

    @property
    def answers(self) -> CatalogAnswers:
        """Answers by ids alone, given all events."""
        return self.run.recommender

    @property
    def info(self) -> dict[str, Any]:
        """The content of `run.json`."""
        return self.run.info

    @property
    def name(self) -> str:
        """Name of the prebuilt model, or of the architecture."""
        return self.info["model"] if self.card is None else self.card.name

    @property
    def metrics(self) -> dict[str, float]:
        """Its numbers on the test part; of a prebuilt model the means over its trainings."""
        return dict(self.info.get("test", {}))

    @property
    def users(self) -> list[str]:
        """Ids of the users it knows."""
        return self.run.users.ids[1:].tolist()

    @cached_property
    def items(self) -> pd.DataFrame:
        """The catalog: `item_id`, `title`, `text` as the model reads it, and further columns."""
        columns = {"item_id": self.run.items.ids, "title": self.run.titles, "text": self.run.texts}
        table = pd.DataFrame({name: column[1:] for name, column in columns.items()})
        return self._catalog.described(table)

    def __repr__(self) -> str:
        return summary_line(self.name, self._facts, self.metrics)

    def _repr_html_(self) -> str:
        row = ReportRow(self.name, self.metrics)
        shown = shown_metrics([row], self.info["model"])
        return summary_table(self.name, self._facts, {key: row.metrics[key] for key in shown})

    @property
    def _facts(self) -> dict[str, str]:
        spec = specs().get(self.info["model"])
        what = "a weighted sum of models" if spec is None else spec.summary
        return {
            "model": what if self.card is None else self.card.summary,
            "data": self.info.get("data", {}).get("name") or "tables",
            "users": f"{len(self.run.users) - 1:,}",
            "items": f"{len(self.run.items) - 1:,}",
        }

    @cached_property
    def _catalog(self) -> Catalog:
        run = self.run
        return Catalog.of_run(run.items, run.titles, run.item_columns, self.info.get("options", {}))

    @cached_property
    def _search(self) -> SemanticSearch:
        if self.open_search is not None:
            return self.open_search()
        from tfrec_fusion.zoo.runs.run_texts import run_search

        return run_search(self.run)
