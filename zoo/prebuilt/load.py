"""Prebuilt models: trained, with their vocabularies, in the package; loaded without a network."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.files.checksums import BrokenPackage, first_fault
from tfrec_fusion.questions import checked_history, checked_text
from tfrec_fusion.text.language_models.packaged_files import (
    REINSTALL,
    check_packaged,
    is_packaged,
    packaged_folder,
)
from tfrec_fusion.zoo.answers.item_titles import ItemTitles
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.answers.recommender import Recommender, Users
from tfrec_fusion.zoo.prebuilt.card import Card, cards
from tfrec_fusion.zoo.prebuilt.half_precision import load_half
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import BrokenRun, Run, assemble, load_run

if TYPE_CHECKING:
    from tfrec_fusion.zoo.answers.explanation import Explanation

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, eq=False, repr=False)
class Prebuilt:
    """A trained model that can be asked at once.

    Attributes:
        card: What it is, what it learned from and how good it is.
        run: Its model, vocabularies, catalogue and events, as of a run that was just trained.
    """

    card: Card
    run: Run

    @property
    def keras_model(self) -> keras.Model:
        """The plain Keras model, to fine-tune or to look into; a classic's graph of scores."""
        model: Any = self.run.model
        if isinstance(model, keras.Model):
            return model
        return model.score_model(self.recommender.known)

    @property
    def recommender(self) -> Recommender:
        """Answers given everything users did."""
        return self.run.recommender

    @property
    def users(self) -> list[str]:
        """Ids of the users it knows."""
        return [str(one) for one in self.run.users.ids[1:]]

    @cached_property
    def items(self) -> pd.DataFrame:
        """The catalogue: `item_id`, `title`, `text`."""
        columns = (self.run.items.ids, self.run.titles, self.run.texts)
        names = ("item_id", "title", "text")
        return pd.DataFrame({name: one[1:] for name, one in zip(names, columns, strict=True)})

    def recommend(
        self,
        user_id: Users | None = None,
        *,
        history: Sequence[object] | None = None,
        text: str | None = None,
        k: int = 10,
        allow_seen: bool | None = None,
    ) -> pd.DataFrame:
        """Recommends items for known users, for a new one by their history, or for a text query.

        Args:
            user_id: A user; or a list, array, Series or Index of users, or a DataFrame with a
                column `user_id`. A user never seen is offered what is popular, with a warning.
            history: Instead, the item ids or titles of somebody's history, oldest first.
            text: Instead, a query in any words; with `user_id` what fits it is ordered by taste.
                It is read by `tiny_gpt2`, the language model of the package.
            k: How many for each user.
            allow_seen: Whether items that the user has interacted with may be recommended; by
                default as the model was measured. What a query finds may be such an item.

        Returns:
            Columns `item_id`, `title`, `score` and `source`, best first; of several users one long
            table with `user_id` in front. `source` says what ranked the item: `"model"`,
            `"popularity"` (the score is the number of events), or `"text"` alone, without a known
            user; the score of a query is the cosine of the texts.

        Raises:
            ValueError: When not one of the three is given, one of them is not what it must be, an
                item or title is unknown, or the model reads no history.

        Example:

        >>> from tfrec_fusion import zoo
        >>> model = zoo.load("ease.ml_latest_small")
        >>> model.recommend("1", k=1).columns.tolist()
        ['item_id', 'title', 'score', 'source']
        >>> model.recommend(["1", "2"], k=1)["user_id"].tolist()
        ['1', '2']
        """
        if (history is not None) == (user_id is not None or text is not None):
            raise InvalidInput(
                "Give `user_id`, or `history`, or `text` with or without `user_id`. Received: "
                f"user_id={user_id!r:.60}, history={history!r:.60}, text={text!r:.60}."
            )
        if history is not None:
            given = checked_history(history, "history")
            taken = [self._titles.item_id(one, f"history[{at}]") for at, one in enumerate(given)]
            return self.recommender.recommend_from_history(taken, k, allow_seen=allow_seen)
        if text is None:
            assert user_id is not None
            return self.recommender.recommend(user_id, k, allow_seen=allow_seen)
        if allow_seen is not None:
            raise InvalidInput(
                "`allow_seen` goes with `user_id` or `history` alone: a `text` finds items whether "
                f"or not they were seen. Received: allow_seen={allow_seen!r:.60} and a text."
            )
        text = checked_text(text)
        if user_id is None:
            return self._search.search(text, k)
        return self._search.search(text, k, self.recommender, user_id)

    def explain(self, user_id: object, item: object = None, *, words: bool = False) -> Explanation:
        """Explains an item's score for a user; printed as text, drawn by `as_svg`.

        Args:
            user_id: A user it knows.
            item: Id or title; by default what is recommended first.
            words: Whether the effects of the words of the item's text are measured, too, for a
                model that reads texts. Its language model may have to be fetched.

        Raises:
            ValueError: When the user or item is unknown, or the model reads no history.
            PresetUnavailable: When the language model cannot be had.
        """
        # TF Text and KerasHub take seconds to import: who asks no reason need not wait for them.
        from tfrec_fusion.zoo.runs.explainer import explainer_of

        item_id = None if item is None else self._titles.item_id(item, "item")
        return explainer_of(self.run, words=words).explain(user_id, item_id)

    def similar(self, item: object, k: int = 10) -> pd.DataFrame:
        """Ranks the items most like one, given by id or title; see `Recommender.similar`."""
        return self.recommender.similar(self._titles.item_id(item, "item"), k)

    def __repr__(self) -> str:
        ndcg = self.card.metrics["ndcg@10"][0]
        return (
            f"<{self.card.name}: {self.card.summary}; {self.card.data['name']}, "
            f"{len(self.run.users) - 1:,} users, {len(self.run.items) - 1:,} items; "
            f"NDCG@10 {ndcg:.4f} on its test part>"
        )

    @cached_property
    def _titles(self) -> ItemTitles:
        return ItemTitles(self.run.items.ids[1:], self.run.titles[1:])

    @cached_property
    def _search(self) -> Any:
        # TF Text and KerasHub take seconds to import: who has no wish need not wait for them.
        from tfrec_fusion.text.encoding.encoder import TextEncoder
        from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

        reader = self.card.reader
        vectors = load_file(WEIGHTS / reader["texts"])["vectors"].astype(np.float32)
        encoder = TextEncoder(reader["preset"], max_length=reader["max_length"])
        if encoder.fingerprint != reader["fingerprint"]:
            raise BrokenPackage(
                f"The texts of {self.card.name} were read by another {reader['preset']} than is "
                "installed, so a query's vector cannot be compared with theirs: the encoder's "
                f"fingerprint is {encoder.fingerprint[:12]}…, the card says "
                f"{reader['fingerprint'][:12]}…. Install tfrec-fusion again."
            )
        return SemanticSearch(self.run.items.ids, self.run.titles, vectors, encoder, self.run.texts)


def load(name: str) -> Prebuilt:
    """A prebuilt model, its files checked against the checksums of its card.

    These are all that it is read from, and the package's language model, which reads queries. A
    language model from elsewhere is compared when it is needed.

    Args:
        name: `architecture.tag`, one of `zoo.list_models(pretrained=True)`.

    Returns:
        The model; printed, it says what it is.

    Raises:
        ValueError: When there is no such model; the message lists those there are.
        TypeError: When `name` is no string.
        BrokenPackage: When one of its files is missing or was changed.

    Example:

    >>> load("ease.ml_latest_small").recommend(history=["Toy Story"], k=1)["item_id"].tolist()
    ['780']
    """
    card = card_of(name)
    for preset, files in (*card.language_models.items(), _reader_files(card)):
        if is_packaged(preset):
            check_packaged(preset)
            _check(card, packaged_folder(preset), files)
    return Prebuilt(card, run_of(card))


def run_of(card: Card) -> Run:
    """The run of a card, its files checked; its language models are not.

    Raises:
        BrokenPackage: When one of the files is missing or was changed.
    """
    _check(card, WEIGHTS, card.files)
    models = {name: load_half(WEIGHTS / path) for name, path in card.weights.items()}
    model: Any = next(iter(models.values()))
    if card.members:
        model = Ensemble(models, dict(card.members), card.scale)
    info = {
        "model": card.architecture,
        "hyperparameters": dict(card.hyperparameters),
        "options": dict(card.options),
        "data": dict(card.data),
        "command": card.command,
        "versions": dict(card.versions),
        "item_labels": card.item_labels,
        "language_models": card.language_models,
    }
    named = [Path(path) for path in card.files]
    files = {path.name for path in named if path.parent == Path(card.folder)}
    return assemble(WEIGHTS / card.folder, model, info, files)


def open_run(run: str | Path) -> Run:
    """A run folder, or the run of a prebuilt model by its name.

    Raises:
        BrokenRun: When there is neither a folder nor a model of that name.
        BrokenPackage: As of `load`.
    """
    folder_path(run)
    name = str(run)
    if not Path(run).exists() and name not in cards() and (meant := _meant(name)):
        raise BrokenRun(
            f"There is no run folder {name}, and no prebuilt model of `list --pretrained` has this "
            f"name.{meant}"
        )
    return load(name).run if not Path(run).exists() and name in cards() else load_run(run)


def card_of(name: str) -> Card:
    """The card of a prebuilt model.

    Raises:
        ValueError: When there is no such model.
    """
    known = cards()
    if not isinstance(name, str):
        raise WrongType(
            f"A prebuilt model is given by its name, such as {next(iter(known), 'ease.my_films')!r}"
            f". Received: {name!r:.60}, of the type {type(name).__name__}."
        )
    if name not in known:
        meant = _meant(name)
        if (Path(name) / "run.json").is_file():
            meant = " A run folder is read by `zoo.load_run`."
        raise InvalidInput(
            f"There is no prebuilt model {name!r}.{meant} There are {', '.join(known)}."
        )
    return known[name]


def _meant(name: str) -> str:
    """Returns a hint at the prebuilt models whose names begin alike, or nearly so."""
    known, begun = cards(), name.casefold()
    close = [one for one in known if begun and one.startswith(begun)]
    close = close or difflib.get_close_matches(begun, known, n=1, cutoff=0.4)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _reader_files(card: Card) -> tuple[str, Mapping[str, str]]:
    return card.reader["preset"], card.reader["files"]


def _check(card: Card, folder: Path, files: Mapping[str, str]) -> None:
    if found := first_fault(folder, files):
        raise BrokenPackage(
            "{} {}. {} is read from it. {} A model of your own can be published again.".format(
                *found, card.name, REINSTALL
            )
        )
