"""Why an item was recommended: the past items, words and graph paths that carried the score."""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.plots import effect_bars
from tfrec_fusion.questions import checked_id, checked_k
from tfrec_fusion.text.attribution import WordEffects
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.graph_paths import beside_a_bar, graph_paths, on_a_line
from tfrec_fusion.zoo.answers.printable import printable
from tfrec_fusion.zoo.answers.questions import unknown_id
from tfrec_fusion.zoo.protocols import Network, ReadsText, ReadsUser, reads_graph

TABLE = ("user_id", "item_id", "title", "score", "kind", "reason", "effect")
_HISTORIES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Explanation:
    """What carried one score, strongest first.

    Attributes:
        user_id: Whose recommendation.
        item_id: What was recommended.
        title: Its title.
        score: The model's score.
        history: `item_id`, `title` and `effect` of each past item: by how much the score falls
            when the item is left out of the history. Negative where it rises.
        words: `word`, `effect` and `gradient` of each word of the item's text: by how much the
            score falls when the word is left out, and its integrated gradient
            (`text.attribution`); empty for a model that reads none. Of an item that
            `zoo.models.text_hybrid.new_items` placed, only what the words add through the content
            filter.
        paths: `path`, `effect`, `weight` and more of each neighbor of the item in the knowledge
            graph (`zoo.answers.graph_paths`), empty where it has none; None for a model without a
            graph.
    """

    user_id: str
    item_id: str
    title: str
    score: float
    history: pd.DataFrame
    words: pd.DataFrame
    paths: pd.DataFrame | None = None

    def as_json(self, k: int | None = None) -> str:
        """One JSON object with the `k` strongest of each kind, all by default."""
        k = None if k is None else checked_k(k)
        kinds = {"history": self.history, "words": self.words}
        if self.paths is not None:
            kinds["paths"] = self.paths
        answer = {name: getattr(self, name) for name in ("user_id", "item_id", "title", "score")}
        answer |= {name: table[:k].to_dict("records") for name, table in kinds.items()}
        return json.dumps(answer, ensure_ascii=False)

    def as_text(self, k: int = 5) -> str:
        """Some lines for a terminal."""
        said = {
            "past items": "past items, and by how much the score falls without them",
            "words": "words of the text, and by how much the score falls without them",
            "graph paths": "paths of the graph, and by how much the score falls without them",
        }
        lines = [f"{self.title}  [{self.item_id}]  for user {self.user_id}: {self.score:.3f}"]
        for name, effects in self._effects(k).items():
            lines.append(f"{said[name]}:")
            lines += [f"  {effect:+.3f}  {label}" for label, effect in effects]
        if self.paths is not None and self.paths.empty:
            lines.append("paths of the graph: none, it says nothing of this item")
        return "\n".join(map(printable, lines))

    def as_svg(self, k: int = 8) -> str:
        """Bars of the `k` strongest of each kind, an `<svg>` element."""
        effects = self._effects(k, beside_a_bar)
        return effect_bars(effects, f"Why {self.title} for user {self.user_id}")

    def as_table(self) -> pd.DataFrame:
        """Every reason in one table, strongest first within its kind.

        Returns:
            Columns `user_id`, `item_id`, `title` and `score` of what was recommended; `kind`, one
            of `"past item"`, `"word"` and `"graph path"`; `reason`, in words; and `effect`.
        """
        kinds = [("past item", self.history, "title"), ("word", self.words, "word")]
        if self.paths is not None:
            kinds.append(("graph path", self.paths, "path"))
        what = (self.user_id, self.item_id, self.title, self.score)
        rows = [
            (*what, kind, reason, float(effect))
            for kind, table, column in kinds
            for reason, effect in zip(table[column], table["effect"], strict=True)
        ]
        return pd.DataFrame(rows, columns=list(TABLE))

    def __str__(self) -> str:
        return self.as_text()

    def _repr_html_(self) -> str:
        """The picture, for notebooks."""
        return self.as_svg()

    def _effects(
        self, k: int, of_path: Callable[[dict[str, Any]], str] = on_a_line
    ) -> dict[str, list[tuple[str, float]]]:
        k = checked_k(k)
        past, words = self.history[:k], self.words[:k]
        paths = [] if self.paths is None else self.paths[:k].to_dict("records")
        effects = {
            "past items": list(zip(past["title"], past["effect"], strict=True)),
            "words": list(zip(words["word"].map(_bare), words["effect"], strict=True)),
            "graph paths": [(of_path(path), path["effect"]) for path in paths],
        }
        return {name: found for name, found in effects.items() if found}


class Explainer:
    """Explains scores of a model that reads histories.

    Args:
        recommender: A trained model and what it answers about. Without the names of its graph
            the paths are left out.
        encoder: The language model that the model was trained with; without it words are left
            out. Of a tuned one only the tokens are taken, the weights are the model's own.

    Raises:
        ValueError: When the model reads no history.
    """

    def __init__(self, recommender: CatalogAnswers, encoder: TextEncoder | None = None) -> None:
        self.recommender = recommender
        model = recommender.model
        self._reads_user = isinstance(model, ReadsUser) and model.reads_user_id
        asked = {"asks_user": True} if self._reads_user else {}
        graph = model.history_model(**asked)
        if graph is None:
            raise InvalidInput(
                "This model knows people by their ids alone: no past item carries its scores. "
                "Ask one that reads histories, such as two_tower, text_hybrid or ease."
            )
        self._scores = tf.function(
            lambda inputs: graph(inputs, training=False)["scores"], reduce_retracing=True
        )
        self._effects: WordEffects | None = None
        if encoder is not None and isinstance(model, ReadsText) and model.reads_text:
            self._effects = WordEffects(model.tuned_tower or encoder.tower, encoder.tokens)
            self._text_scores = model.text_scores

    def explain(self, user_id: object, item_id: object = None) -> Explanation:
        """Measures what carried an item's score for a user.

        Args:
            user_id: A user of the model.
            item_id: An item of the catalog; by default what is recommended first.

        Raises:
            ValueError: When the user or the item is unknown, the user has no history, or there is
                nothing left to recommend.
        """
        one = self.recommender
        user_id = checked_id(user_id, "user_id")
        user = int(one.users.index([user_id])[0])
        if not user:
            raise unknown_id("User", user_id, one.users.ids)
        if item_id is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AnswerWarning)
                best = one.recommend(user_id, 1)["item_id"].tolist()
            if not best:
                raise InvalidInput(f"User {user_id!r} knows every item. Name the one to explain.")
            item_id = str(best[0])
        item_id = checked_id(item_id, "item_id")
        item = int(one.items.index([item_id])[0])
        if not item:
            raise unknown_id("Item", item_id, one.items.ids)
        history = self.history(user)
        if not len(history):
            raise InvalidInput(
                f"User {user_id!r} has no history: nothing carries a recommendation."
            )
        without = [np.delete(history, place) for place in range(len(history))]
        whole, *rest = self.scores_of_histories([history, *without], user)[:, item]
        past = pd.DataFrame(
            {
                "item_id": one.items.id_of(history),
                "title": one.titles[history],
                "effect": whole - np.array(rest),
            }
        )
        past = _strongest(past)
        words: list[tuple[str, float, float]] = []
        if self._effects is not None:
            score = self._text_scores(history, user, item)
            words = self._effects.of(str(one.read_texts[item]), score)
        return Explanation(
            user_id,
            item_id,
            str(one.titles[item]),
            float(whole),
            past,
            _strongest(pd.DataFrame(words, columns=["word", "effect", "gradient"])),
            self._paths(history, user, item, past),
        )

    def _paths(
        self, history: np.ndarray, user: int, item: int, past: pd.DataFrame
    ) -> pd.DataFrame | None:
        one = self.recommender
        if one.graph is None or not reads_graph(one.model):
            return None
        named = one.items.index(past["item_id"].drop_duplicates())
        return _strongest(graph_paths(one, one.graph, history, user, item, named.tolist()))

    def history(self, user: int) -> np.ndarray:
        """What the model reads of a user's events: item indices, oldest first."""
        known = self.recommender.known
        most = int(np.bincount(known.user).max(initial=1))
        model = self.recommender.model
        config = vars(model.config) if isinstance(model, Network) else {}
        history = known.histories(config.get("history_length", most))[user]
        return history[history > 0]

    def scores_of_histories(self, histories: list[np.ndarray], user: int = 0) -> np.ndarray:
        """Scores after histories of any lengths.

        Args:
            histories: Item indices, oldest first.
            user: Index of the user, whom some models read beside the history.

        Returns:
            `(len(histories), num_items)` float32.
        """
        rows = np.zeros((len(histories), max(1, *map(len, histories))), np.int32)
        for row, history in zip(rows, histories, strict=True):
            row[len(row) - len(history) :] = history
        answers = []
        for at in range(0, len(rows), _HISTORIES_AT_ONCE):
            inputs = {"history": tf.constant(rows[at : at + _HISTORIES_AT_ONCE])}
            if self._reads_user:
                inputs["user_id"] = tf.fill([len(inputs["history"])], user)
            answers.append(self._scores(inputs))
        return np.concatenate(answers)


def _bare(word: str) -> str:
    """A word without the punctuation around it, where something is left."""
    return word.strip(string.punctuation) or word


def _strongest(effects: pd.DataFrame) -> pd.DataFrame:
    order = effects["effect"].astype(float).argsort(kind="stable")[::-1]
    return effects.iloc[order].reset_index(drop=True)
