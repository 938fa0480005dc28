"""The questions of exported recommenders: one method a signature."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.client.answers import Item, SignatureInfo
from tfrec_fusion.serving.client.asking import ModelClient


class Client(ModelClient):
    """Asks a recommender in TensorFlow Serving or in the local server.

    Each method asks one signature for one asker; for many at once use `predict`. A signature
    that the model has not is refused with the ones it has. What every call may raise is told by
    `predict`. It may be used by several threads.

    Example:
    >>> with Client("grpc://127.0.0.1:8500", "ease", timeout=2.0) as client:  # doctest: +SKIP
    ...     [item.title for item in client.recommend("196", exclude=["50"], k=3)]
    ['Return of the Jedi (1983)', 'Raiders of the Lost Ark (1981)', 'Fargo (1996)']
    """

    def recommend(
        self,
        user_id: str,
        *,
        exclude: Iterable[str] = (),
        allow: Iterable[str] = (),
        k: int | None = None,
    ) -> list[Item]:
        """Items for a user, none that the user knows; popular ones for a user never seen.

        Args:
            user_id: Any id.
            exclude: Items that are not to be answered.
            allow: The only items that may be answered; all when empty.
            k: How many at most; as many as the `recommend` signature answers when left out.

        Returns:
            The best first; fewer when there are not so many.
        """
        return self._ranked(
            "recommend", {"user_id": [_text("user_id", user_id)]}, exclude, allow, k
        )

    def recommend_from_history(
        self,
        item_ids: Sequence[str],
        *,
        exclude: Iterable[str] = (),
        allow: Iterable[str] = (),
        k: int | None = None,
    ) -> list[Item]:
        """Items for somebody who took some items.

        Args:
            item_ids: What was taken, the oldest first.
            exclude: Items that are not to be answered.
            allow: The only items that may be answered; all when empty.
            k: How many at most.
        """
        history = _texts("item_ids", item_ids) or [""]
        return self._ranked("recommend_from_history", {"item_ids": [history]}, exclude, allow, k)

    def similar_items(self, item_id: str, *, k: int | None = None) -> list[Item]:
        """Items like an item.

        Args:
            item_id: An item of the catalogue; nothing is like one that is not.
            k: How many at most.
        """
        return self._ranked("similar_items", {"item_id": [_text("item_id", item_id)]}, (), (), k)

    def search(
        self,
        query: str,
        *,
        exclude: Iterable[str] = (),
        allow: Iterable[str] = (),
        k: int | None = None,
    ) -> list[Item]:
        """Items that a wish in words means.

        Args:
            query: The wish.
            exclude: Items that are not to be answered.
            allow: The only items that may be answered; all when empty.
            k: How many at most.
        """
        return self._ranked("search", {"query": [_text("query", query)]}, exclude, allow, k)

    def score(self, user_id: str, item_ids: Sequence[str]) -> list[float]:
        """How well items suit a user; the lowest finite float32 for an unknown item.

        Args:
            user_id: Any id.
            item_ids: Items.
        """
        items = _texts("item_ids", item_ids)
        users = [_text("user_id", user_id)] * len(items)
        return self.predict({"user_id": users, "item_id": items}, "score")["score"].tolist()

    def score_text(self, user_id: str, texts: Sequence[str]) -> list[float]:
        """How well items that are only described suit a user.

        Args:
            user_id: Any id.
            texts: Descriptions.
        """
        described = _texts("texts", texts)
        users = [_text("user_id", user_id)] * len(described)
        return self.predict({"user_id": users, "text": described}, "score_text")["score"].tolist()

    def embed_items(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of items by their texts.

        Args:
            texts: Descriptions.

        Returns:
            `(num_texts, embedding_dim)` array.
        """
        return self.predict({"text": _texts("texts", texts)}, "embed_items")["embedding"]

    def _ranked(
        self,
        name: str,
        inputs: dict[str, list],
        exclude: Iterable[str],
        allow: Iterable[str],
        k: int | None,
    ) -> list[Item]:
        signature = name if k is None else self._wide_enough(name, k)
        info = self._signature(signature)
        for argument, ids in (("exclude", exclude), ("allow", allow)):
            listed = _texts(argument, ids)
            if listed and f"{argument}_item_ids" not in info.inputs:
                raise InvalidInput(
                    f"`{argument}` needs a signature with the input {argument}_item_ids. "
                    f"Received: {listed[:3]} for {signature}, which takes "
                    f"{', '.join(sorted(info.inputs))}."
                )
            if listed:
                inputs[f"{argument}_item_ids"] = [listed]
        answer = self.predict(inputs, signature)
        ids, scores = answer["item_id"][0], answer["score"][0]
        titles = answer["title"][0] if "title" in answer else [""] * len(ids)
        rows = zip(ids, titles, scores, strict=True)
        return [Item(one, title, float(score)) for one, title, score in rows if one][:k]

    def _wide_enough(self, name: str, k: int) -> str:
        """The signature that answers the fewest items that are `k` or more."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InvalidInput(f"`k` must be a whole number of at least 1. Received: {k!r}.")
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


def _text(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"`{name}` must be a text. Received: {value!r:.60}.")
    return value


def _texts(name: str, values: Iterable[str]) -> list[str]:
    if isinstance(values, str | bytes):
        raise InvalidInput(f"`{name}` must be a list of texts. Received: {values!r:.60}.")
    return [_text(name, one) for one in values]
