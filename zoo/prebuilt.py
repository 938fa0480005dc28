"""Prebuilt models: trained, with their vocabularies, in the package; loaded without a network."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from tfrec_fusion.errors import InvalidInput, UserError
from zoo.card import Card, cards
from zoo.ensemble import Ensemble
from zoo.half_precision import load_half
from zoo.recommender import Recommender
from zoo.run import Run, assemble, load_run

if TYPE_CHECKING:
    from zoo.explanation import Explanation

WEIGHTS = Path(__file__).parent / "weights"
READER, READER_LENGTH = "tiny_gpt2", 32  # the language model of wishes, and its tokens
TEXTS_FILE = "texts.safetensors"  # the catalogue's texts as READER sees them


class BrokenPackage(UserError, RuntimeError):
    """A file of a prebuilt model is missing, or is not the one that its card names."""


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
        user_id: str | None = None,
        *,
        history: Sequence[str] | None = None,
        text: str | None = None,
        k: int = 10,
    ) -> pd.DataFrame:
        """Items for somebody it knows, for somebody new, or for a wish.

        Args:
            user_id: A user; one never seen is offered what is popular.
            history: Instead, item ids or titles that somebody took, oldest first.
            text: Instead, a wish in any words; with `user_id` what fits it is ordered by taste. It
                is read by `tiny_gpt2`, the language model of the package.
            k: How many.

        Returns:
            Columns `item_id`, `title`, `score`, best first.

        Raises:
            ValueError: When not one of the three is given, an item or title is unknown, or the
                model reads no history.

        Example:

        >>> import zoo
        >>> zoo.load("ease.ml_latest_small").recommend("1", k=3).columns.tolist()
        ['item_id', 'title', 'score']
        """
        if (history is not None) == (user_id is not None or text is not None):
            raise InvalidInput(
                "Give `user_id`, or `history`, or `text` with or without `user_id`. "
                f"Received: user_id={user_id!r}, history={history!r}, text={text!r}."
            )
        if history is not None:
            taken = [self._item_id(one) for one in history]
            return self.recommender.recommend_from_history(taken, k)
        if text is None:
            return self.recommender.recommend(str(user_id), k)
        if user_id is None:
            return self._search.search(text, k)
        return self._search.search(text, k, self.recommender, str(user_id))

    def explain(self, user_id: str, item: str | None = None, *, words: bool = False) -> Explanation:
        """What carried an item's score for a user; printed as text, drawn by `as_svg`.

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
        from zoo.explanation import explainer_of

        item_id = None if item is None else self._item_id(item)
        return explainer_of(self.run, words=words).explain(user_id, item_id)

    def similar(self, item: str, k: int = 10) -> pd.DataFrame:
        """The items most like one, given by id or title; see `Recommender.similar`."""
        return self.recommender.similar(self._item_id(item), k)

    def __repr__(self) -> str:
        ndcg = self.card.metrics["ndcg@10"][0]
        return (
            f"<{self.card.name}: {self.card.summary}; {self.card.data['name']}, "
            f"{len(self.run.users) - 1:,} users, {len(self.run.items) - 1:,} items; "
            f"NDCG@10 {ndcg:.4f} on its test part>"
        )

    def _item_id(self, given: str) -> str:
        """An id as it is; the id of a title, whatever its case."""
        if given in self.run.items:
            return given
        titles = self.items["title"]
        same = self.items[titles.str.casefold() == given.casefold()]
        if len(same) == 1:
            return str(same["item_id"].iloc[0])
        if len(same) > 1:
            raise InvalidInput(
                f"{given!r} is the title of several items: {', '.join(same['item_id'])}. "
                "Give the id of one."
            )
        close = difflib.get_close_matches(given, titles.tolist(), n=3)
        meant = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
        raise InvalidInput(f"{given!r} is neither an id nor a title of the catalogue.{meant}")

    @cached_property
    def _search(self) -> Any:
        # TF Text and KerasHub take seconds to import: who has no wish need not wait for them.
        from tfrec_fusion.text.encoder import TextEncoder
        from zoo.semantic_search import SemanticSearch

        vectors = load_file(WEIGHTS / self.card.folder / TEXTS_FILE)["vectors"].astype(np.float32)
        encoder = TextEncoder(READER, max_length=READER_LENGTH)
        return SemanticSearch(self.run.items.ids, self.run.titles, vectors, encoder, self.run.texts)


def load(name: str) -> Prebuilt:
    """A prebuilt model, its files checked against the checksums of its card.

    Args:
        name: `architecture.tag`, one of `zoo.list_models(pretrained=True)`.

    Returns:
        The model; printed, it says what it is.

    Raises:
        ValueError: When there is no such model; the message lists those there are.
        BrokenPackage: When one of its files is missing or was changed.

    Example:

    >>> load("ease.ml_latest_small").recommend(history=["Toy Story"], k=1).shape
    (1, 3)
    """
    card = card_of(name)
    model = _model(card)
    info = {
        "model": card.architecture,
        "hyperparameters": dict(card.hyperparameters),
        "options": dict(card.options),
        "data": dict(card.data),
        "command": card.command,
        "versions": dict(card.versions),
        "item_labels": card.item_labels,
    }
    return Prebuilt(card, assemble(WEIGHTS / card.folder, model, info))


def open_run(run: str | Path) -> Run:
    """A run folder, or the run of a prebuilt model by its name.

    Raises:
        BrokenRun: When there is neither a folder nor a model of that name.
        BrokenPackage: As of `load`.
    """
    name = str(run)
    return load(name).run if not Path(run).exists() and name in cards() else load_run(run)


def card_of(name: str) -> Card:
    """The card of a prebuilt model.

    Raises:
        ValueError: When there is no such model.
    """
    known = cards()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidInput(
            f"There is no prebuilt model {name!r}.{meant} There are {', '.join(known)}."
        )
    return known[name]


def _model(card: Card) -> Any:
    for path, digest in card.files.items():
        _check(card, WEIGHTS / path, digest)
    if card.architecture != "ensemble":
        return load_half(weights_file(card.name, card.folder))
    members = {name: _model(card_of(name)) for name in card.members}
    return Ensemble(members, dict(card.members), card.scale)


def weights_file(name: str, folder: str) -> Path:
    """Where the weights of a prebuilt model are."""
    return WEIGHTS / folder / f"{name.removesuffix('.' + folder)}.safetensors"


def _check(card: Card, path: Path, digest: str) -> None:
    if not path.is_file():
        raise BrokenPackage(
            f"{card.name} needs {path}, which is missing. Install tfrec-fusion again."
        )
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != digest:
        raise BrokenPackage(
            f"{path} is not the file of {card.name}: its sha256 is {found[:12]}…, the card says "
            f"{digest[:12]}…. Install tfrec-fusion again."
        )
