"""The layers of profile, semantics and behavior, and how their evidence is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import keras
from keras import ops

from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.text_table import TextTable
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileFusionConfig

# The texts of users that those of items are compared with, by task.
_SOURCES = {"profile": "profile", "behavior": "record"}


@dataclass(frozen=True, eq=False)
class EvidenceLayers:
    """The layers of the model; those of a task are None without it.

    Attributes:
        config: Sizes and choices.
        texts: Texts of the items, and behind them the users' profiles: one table, so that both
            are read in one space.
        dropout: On texts and on the hidden layer.
        candidate_tower: Vectors of items by id and text.
        item_bias: A number an item.
        reasoning: The hidden layer over all evidence.
        reasoned: Its logit.
        content_of_id: Without semantics an item's content is what its id has learned.
        extractors: The shared levels over texts.
        similarities: Products by source and level, such as `"profile_0"`.
        query_tower: Encodes the history.
        behavior: The product of its state and the item.
        profile: Logits of the words used about a user.
        semantics: Logits of the words used about an item.
    """

    config: ProfileFusionConfig
    texts: TextTable
    dropout: keras.layers.Dropout
    candidate_tower: FusedTower
    item_bias: ItemTower
    reasoning: PairDense
    reasoned: keras.layers.Dense
    content_of_id: keras.layers.Dense | None = None
    extractors: tuple[keras.layers.Dense, ...] = ()
    similarities: Mapping[str, WeightedDot] = field(default_factory=dict)
    query_tower: HistoryEncoder | None = None
    behavior: WeightedDot | None = None
    profile: keras.layers.Dense | None = None
    semantics: keras.layers.Dense | None = None

    @classmethod
    def from_config(cls, config: ProfileFusionConfig) -> Self:
        """Makes the layers of a config."""
        rows, tasks = config.num_items + config.num_users, config.tasks
        size = min(config.text_components, config.text_dim)
        layers: dict[str, Any] = {
            "texts": TextTable(rows, config.text_dim, size, name="texts"),
            "dropout": keras.layers.Dropout(config.dropout, name="drop"),
            "candidate_tower": FusedTower(
                config.num_items,
                config.dim,
                use_text="semantics" in tasks,
                id_dropout=config.id_dropout if "semantics" in tasks else 0.0,
                text_dropout=config.dropout,
                name="items",
            ),
            "item_bias": ItemTower(
                config.num_items,
                1,
                embeddings_initializer="zeros",
                dtype="float32",
                name="item_bias",
            ),
            "reasoning": PairDense(config.reasoning_units, activation="relu", name="reasoning"),
            "reasoned": keras.layers.Dense(1, dtype="float32", name="reasoned"),
        }
        if "semantics" not in tasks:
            layers["content_of_id"] = keras.layers.Dense(size, name="content_of_id")
        layers["extractors"] = tuple(
            keras.layers.Dense(config.dim, activation="relu", name=f"extractor_{level}")
            for level in range(1, config.levels + 1)
        )
        layers["similarities"] = {
            f"{_SOURCES[task]}_{level}": WeightedDot(name=f"{_SOURCES[task]}_similarity_{level}")
            for task in tasks
            if task in _SOURCES
            for level in range(config.levels + 1)
        }
        if "behavior" in tasks:
            layers["query_tower"] = HistoryEncoder(
                config.dim,
                num_layers=1,
                max_distance=config.history_length,
                dropout=config.dropout,
                name="encoder",
            )
            layers["behavior"] = WeightedDot(name="behavior")
        for task in ("profile", "semantics"):
            if task in tasks:
                layers[task] = keras.layers.Dense(config.num_words, dtype="float32", name=task)
        return cls(config, **layers)

    def of_users(self, user_id: Any, history: Any) -> dict[str, Any]:
        """Evidence of users, `(batch, size)` each."""
        found: dict[str, Any] = {}
        if "profile" in self.config.tasks:
            found |= self._extracted("profile", self.texts(user_id + self.config.num_items))
        if self.query_tower is not None:
            read = self.of_items(history)
            valid = history > 0
            # In float32: bfloat16 holds whole numbers up to 256, a history may be longer.
            there = ops.expand_dims(ops.cast(valid, "float32"), -1)
            number = ops.maximum(ops.sum(there, axis=1), 1)
            mean = ops.sum(ops.cast(read["content_0"], "float32") * there, axis=1) / number
            found |= self._extracted("record", mean)
            found["state"] = self.query_tower(read["item"], valid)[:, -1]
        return found

    def of_items(self, item_id: Any) -> dict[str, Any]:
        """Evidence of items, `item_id.shape + (size,)` each."""
        text = self.texts(item_id) if self.content_of_id is None else None
        return self._of_rows(text, self.candidate_tower(item_id, text), self.item_bias(item_id))

    def of_all_items(self, anchor: Any = None) -> dict[str, Any]:
        """Evidence of every item, `(num_items, size)` each; `anchor` as of `Table.all_rows`."""
        text = None
        if self.content_of_id is None:
            text = self.texts.all_rows(anchor=anchor)  # the users' profiles are behind
            text = ops.slice(text, (0, 0), (self.config.num_items, text.shape[-1]))
        item = self.candidate_tower.all_rows(text, anchor=anchor)
        return self._of_rows(text, item, self.item_bias.all_rows(anchor=anchor))

    def reason(
        self, user: dict[str, Any], item: dict[str, Any], all_pairs: bool = False
    ) -> dict[str, Any]:
        """Weighs the evidence.

        Args:
            user: As of `of_users`, with an axis of candidates unless `all_pairs`.
            item: As of `of_items`, or of `of_all_items` with `all_pairs`.
            all_pairs: Whether every user is compared with every item.

        Returns:
            `logits`, and `behavior` where it is a task: `(batch, candidates)`, or `(batch,
            num_items)` with `all_pairs`.
        """
        bias = ops.squeeze(item["bias"], -1)
        found, total = {}, bias
        if self.behavior is not None:
            dots = self.behavior(user["state"], item["item"], all_pairs=all_pairs)
            found["behavior"] = total = dots + bias
        last = self.config.levels
        for level in range(last + 1):
            for source in _SOURCES.values():
                if (name := f"{source}_{level}") in user:
                    vectors = (user[name], item[f"content_{level}"])
                    total = total + self.similarities[name](*vectors, all_pairs=all_pairs)
        names = (f"profile_{last}", f"record_{last}", "state")
        evidence = ops.concatenate([user[name] for name in names if name in user], axis=-1)
        content = ops.concatenate([item[f"content_{last}"], item["item"]], axis=-1)
        hidden = self.dropout(self.reasoning(evidence, content, all_pairs=all_pairs))
        total = total + ops.squeeze(self.reasoned(hidden), -1)
        return {"logits": total, **found}

    def _of_rows(self, text: Any, item: Any, bias: Any) -> dict[str, Any]:
        text = text if self.content_of_id is None else self.content_of_id(item)
        return {"bias": bias, "item": item, **self._extracted("content", text)}

    def _extracted(self, name: str, text: Any) -> dict[str, Any]:
        """`name_0 … name_L`: a text's vector on every level of the shared extractor."""
        found = {f"{name}_0": text}
        for level, extractor in enumerate(self.extractors, 1):
            text = extractor(self.dropout(text))
            found[f"{name}_{level}"] = text
        return found
