"""The questions of exported recommenders: one method a signature."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from tfrec_fusion.answer_warnings import listed, warn
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_history, checked_id, checked_k, checked_text
from tfrec_fusion.serving.client.answers import Item, Score, SignatureInfo
from tfrec_fusion.serving.client.asking import ModelClient
from tfrec_fusion.serving.client.questions import checked_allow, checked_texts
from tfrec_fusion.serving.export.sources import NEW_USER, NO_ANSWER, POPULARITY

_POPULAR = f"popular items, whose scores count events (source `{POPULARITY}`)"
_SEVERAL = "For several at once, call `predict` with a list."


class Client(ModelClient):
    """Asks a recommender in TensorFlow Serving or in the local server.

    Each method asks one signature for one user, history, item or query; for many at once use
    `predict`. A signature that the model has not is refused with the ones it has. What every call
    may raise is told by `predict`. An answer that differs from what was asked for, such as popular
    items for an unknown user, comes with one `tfrec_fusion.answer_warnings.AnswerWarning`. It may
    be used by several threads.

    Example:
    >>> with Client("grpc://127.0.0.1:8500", "ease", timeout=2.0) as client:  # doctest: +SKIP
    ...     [item.title for item in client.recommend("196", exclude=["50"], k=3)]
    ['Return of the Jedi (1983)', 'Raiders of the Lost Ark (1981)', 'Fargo (1996)']
    """

    def recommend(
        self,
        user_id: object,
        *,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        k: int | None = None,
    ) -> list[Item]:
        """Returns items for a user, none that the user knows; popular ones for one never seen.

        Args:
            user_id: Any id; see `tfrec_fusion.ids`.
            exclude: Ids of items that are not to be answered.
            allow: Ids of the only items that may be answered; all by default.
            k: How many at most; as many as the `recommend` signature answers by default.

        Returns:
            The best first; fewer when there are not so many. `Item.source` says what the scores
            come from.

        Raises:
            InvalidInput: When an id is none, a list is none, `allow` is empty, or `k` is out of
                range.
        """
        user = checked_id(user_id, "user_id", _SEVERAL)
        page, unknown = self._ranked("recommend", {"user_id": [user]}, exclude, allow, k)
        notes = []
        if any(item.source == POPULARITY for item in page):
            notes.append(f"User {user!r} was never seen: these are {_POPULAR}.")
        _warn([*notes, *self._unknown_in_lists(unknown)])
        return page

    def recommend_from_history(
        self,
        item_ids: Sequence[object],
        *,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        k: int | None = None,
    ) -> list[Item]:
        """Returns items for a user without an id, by the history.

        Args:
            item_ids: Ids of the history's items, the oldest first; at least one.
            exclude: Ids of items that are not to be answered.
            allow: Ids of the only items that may be answered; all by default.
            k: How many at most.

        Returns:
            As `recommend`. Ids that the model does not know are skipped; where it knows none, the
            items are popular ones.

        Raises:
            InvalidInput: As `recommend`, and when the history is empty.
        """
        history = id_list(checked_history(item_ids, "item_ids"), "item_ids")
        page, unknown = self._ranked(
            "recommend_from_history", {"item_ids": [history]}, exclude, allow, k
        )
        skipped = [one for one in dict.fromkeys(history) if one in unknown]
        notes = []
        if any(item.source == POPULARITY for item in page):
            notes.append(
                f"{self._name} knows no item of the history ({listed(skipped)}): these are "
                f"{_POPULAR}."
            )
        elif skipped:
            notes.append(
                f"Items of the history that {self._name} does not know are skipped: "
                f"{listed(skipped)}."
            )
        rest = [one for one in unknown if one not in skipped]
        _warn([*notes, *self._unknown_in_lists(rest)])
        return page

    def similar_items(self, item_id: object, *, k: int | None = None) -> list[Item]:
        """Returns the items most like one.

        Args:
            item_id: An item of the catalog.
            k: How many at most.

        Raises:
            InvalidInput: When the model does not know the item, or `k` is out of range.
        """
        item = checked_id(item_id, "item_id", _SEVERAL)
        page, _ = self._ranked("similar_items", {"item_id": [item]}, (), None, k)
        if not page:
            raise InvalidInput(f"Item {item!r} is not in the catalog of {self._name}.")
        return page

    def search(
        self,
        query: str,
        *,
        exclude: Iterable[object] = (),
        allow: Iterable[object] | None = None,
        k: int | None = None,
    ) -> list[Item]:
        """Returns the items nearest in meaning to a text query.

        Args:
            query: The query, in any words.
            exclude: Ids of items that are not to be answered.
            allow: Ids of the only items that may be answered; all by default.
            k: How many at most.

        Raises:
            InvalidInput: As `recommend`, and when the query is blank.
        """
        words = checked_text(query, "query")
        page, unknown = self._ranked("search", {"query": [words]}, exclude, allow, k)
        _warn(self._unknown_in_lists(unknown))
        return page

    def score(self, user_id: object, item_ids: Sequence[object]) -> list[Score]:
        """Returns how well items suit a user.

        Args:
            user_id: Any id.
            item_ids: Ids of items.

        Returns:
            A score an item, in their order; NaN for an item that the model does not know.
        """
        user, items = checked_id(user_id, "user_id", _SEVERAL), id_list(item_ids, "item_ids")
        scores = self._scores("score", {"user_id": [user] * len(items), "item_id": items})
        notes = []
        if any(score.source == POPULARITY for score in scores):
            notes.append(
                f"User {user!r} was never seen: the scores count the events of the items "
                f"(source `{POPULARITY}`)."
            )
        rows = zip(items, scores, strict=True)
        if unknown := [item for item, score in rows if score.source == NO_ANSWER]:
            notes.append(f"{self._name} does not know the items {listed(unknown)}: no score.")
        _warn(notes)
        return scores

    def score_text(self, user_id: object, texts: Sequence[str]) -> list[Score]:
        """Returns how well items that are only described suit a user.

        Args:
            user_id: Any id.
            texts: Descriptions.

        Returns:
            A score a text, in their order.
        """
        user, described = checked_id(user_id, "user_id", _SEVERAL), checked_texts(texts, "texts")
        inputs = {"user_id": [user] * len(described), "text": described}
        scores = self._scores("score_text", inputs)
        if any(score.source == NEW_USER for score in scores):
            _warn(
                [
                    f"User {user!r} was never seen: the scores are those of a user without a "
                    f"history (source `{NEW_USER}`)."
                ]
            )
        return scores

    def embed_items(self, texts: Sequence[str]) -> np.ndarray:
        """Returns vectors of items by their texts.

        Args:
            texts: Descriptions.

        Returns:
            `(num_texts, embedding_dim)` array.
        """
        inputs = {"text": checked_texts(texts, "texts")}
        return self.predict(inputs, "embed_items")["embedding"]

    def _scores(self, signature: str, inputs: dict[str, list]) -> list[Score]:
        answer = self.predict(inputs, signature)
        return [
            Score(math.nan if source == NO_ANSWER else float(score), source)
            for score, source in zip(answer["score"], answer["source"], strict=True)
        ]

    def _ranked(
        self,
        name: str,
        inputs: dict[str, list],
        exclude: Iterable[object],
        allow: Iterable[object] | None,
        k: int | None,
    ) -> tuple[list[Item], list[str]]:
        """The items, and the ids in the question that the model does not know."""
        excluded = id_list(exclude, "exclude")
        allowed = [] if allow is None else checked_allow(allow)
        if excluded or allowed:
            name = f"{name}_filtered"
            inputs["exclude_item_ids"] = [excluded or [""]]
            inputs["allow_item_ids"] = [allowed or [""]]
        most = None if k is None else checked_k(k)
        signature = name if most is None else self._wide_enough(name, most)
        answer = self.predict(inputs, signature)
        ids = answer["item_id"][0]
        rows = zip(
            ids,
            answer["title"][0] if "title" in answer else [""] * len(ids),
            answer["score"][0],
            answer["source"][0] if "source" in answer else [""] * len(ids),
            strict=True,
        )
        page = [Item(one, title, float(score), source) for one, title, score, source in rows if one]
        unknown = answer["unknown_item_ids"][0] if "unknown_item_ids" in answer else ()
        return page[:most], [one for one in dict.fromkeys(unknown) if one]

    def _unknown_in_lists(self, unknown: Sequence[str]) -> list[str]:
        if not unknown:
            return []
        return [
            f"`exclude` or `allow` names items that {self._name} does not know: {listed(unknown)}."
        ]

    def _wide_enough(self, name: str, k: int) -> str:
        """The signature that answers the fewest items that are `k` or more."""
        self._signature(name)
        known = self._known or {}
        widths = {
            one: _width(one, info)
            for one, info in known.items()
            if re.fullmatch(rf"{name}(_\d+)?", one)
        }
        fitting = [one for one, width in widths.items() if width is None or width >= k]
        if not fitting:
            most = max(width for width in widths.values() if width is not None)
            raise InvalidInput(
                f"`k` must be at most {most}, the most that {name} answers. Received: k={k}."
            )
        return min(fitting, key=lambda one: (widths[one] or 0, one))


def _width(signature: str, info: SignatureInfo) -> int | None:
    """How many items a signature answers, None when it does not say."""
    shape = info.outputs["item_id"].shape if "item_id" in info.outputs else None
    if shape and shape[-1] is not None:
        return shape[-1]
    number = re.search(r"_(\d+)$", signature)
    return int(number.group(1)) if number else None


def _warn(sentences: Sequence[str]) -> None:
    """Warns once of all of them, or not at all."""
    if sentences:
        warn(" ".join(sentences))
