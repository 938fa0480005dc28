"""The two-tower model as a Keras functional model."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np

from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
from tfrec_fusion.zoo.models.two_tower.config import TwoTowerConfig
from tfrec_fusion.zoo.scoring.tower_model import TowerModel
from tfrec_fusion.zoo.scoring.towers import Towers


@keras.saving.register_keras_serializable("tfrec_fusion")
class TwoTower(TowerModel):
    """A query tower and a candidate tower as one functional model.

    Inputs (int32): `user_id (batch,)` and/or `history (batch, steps)`, 0-padded on the left; for
    in-batch negatives also `item_id (batch,)` and float32 `candidate_sampling_probability
    (batch,)`. Output `logits`: `(batch, steps, num_items)` for the item after each position of a
    history, `(batch, num_items)` for a query without history, or, in-batch,
    `(batch, 1 + negatives)` with the positive in column 0.

    Args:
        config: Sizes and choices.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        candidate_tower: `ItemTower`.
        query_tower: `HistoryEncoder`, or None for a query without history.
        user_tower: An embedding added to the query, or None.
        retrieval_head: Makes logits of queries and candidates.

    Example:

    >>> import numpy as np
    >>> model = two_tower(TwoTowerConfig(num_users=4, num_items=6, dim=8, history_length=3))
    >>> model({"history": np.array([[0, 5, 2]])})["logits"].shape
    TensorShape([1, 3, 6])
    """

    config_class: ClassVar[type[TwoTowerConfig]] = TwoTowerConfig
    config: TwoTowerConfig
    candidate_tower: ItemTower
    query_tower: HistoryEncoder | None
    user_tower: keras.layers.Embedding | None

    def __init__(self, config: TwoTowerConfig, **kwargs: Any) -> None:
        # === Layers ===
        towers, head = _towers(config), _head(config)

        # === Functional ===
        inputs = {}
        if config.reads_user_id:
            inputs["user_id"] = keras.Input((), dtype="int32", name="user_id")
        if config.reads_history:
            inputs["history"] = keras.Input((None,), dtype="int32", name="history")
        rows = towers.item_rows(inputs["history"]) if config.reads_history else None
        query = towers.query(inputs, rows)  # (batch, [steps,] dim)
        if config.negatives == "in_batch":
            inputs["item_id"] = keras.Input((), dtype="int32", name="item_id")
            inputs["candidate_sampling_probability"] = keras.Input(
                (), dtype="float32", name="candidate_sampling_probability"
            )
            query = query[:, -1] if config.reads_history else query
            logits = head(
                query,
                towers.item_rows(inputs["item_id"]),
                inputs["item_id"],
                inputs["candidate_sampling_probability"],
            )
        else:
            logits = head(query, towers.catalog(anchor=next(iter(inputs.values()))))
        super().__init__(inputs=inputs, outputs={"logits": logits}, **kwargs)

        # === Config ===
        self.config, self.towers, self.retrieval_head = config, towers, head
        self.name_sublayers(towers)

    @property
    def answers_histories(self) -> bool:
        """Returns whether a history alone is a query: the OOV user's embedding is not trained."""
        return self.config.query == "history"

    def set_item_features(self, features: np.ndarray) -> None:
        """Sets the candidate tower's constant features, `(num_items, feature_dim)`."""
        self.candidate_tower.set_features(features)


def two_tower(
    config: TwoTowerConfig, item_features: np.ndarray | None = None, *, name: str = "two_tower"
) -> TwoTower:
    """Builds a two-tower model.

    Args:
        config: Sizes and choices.
        item_features: `(num_items, feature_dim)` constants for the candidate tower.
        name: Of the model.

    Example:

    >>> two_tower(TwoTowerConfig(num_users=4, num_items=6, dim=8)).item_vectors().shape
    (6, 8)
    """
    model = TwoTower(config, name=name)
    if item_features is not None:
        model.set_item_features(item_features)
    return model


def _towers(config: TwoTowerConfig) -> Towers:
    items = ItemTower(config.num_items, config.dim, config.feature_dim, name="items")
    user = drop = encoder = None
    if config.reads_user_id:
        user = keras.layers.Embedding(config.num_users, config.dim, name="user")
        drop = keras.layers.Dropout(config.dropout, name="user_dropout")
    if config.reads_history:
        encoder = HistoryEncoder(
            config.dim,
            config.encoder,
            config.num_layers,
            config.num_heads,
            config.history_length,
            config.dropout,
            name="encoder",
        )
    return Towers(items, encoder, user, drop)


def _head(config: TwoTowerConfig) -> CatalogLogits | InBatchLogits:
    if config.negatives != "in_batch":
        return CatalogLogits(config.num_items, config.temperature, name="logits")
    return InBatchLogits(
        config.temperature,
        config.correct_sampling,
        config.remove_accidental_hits,
        config.num_hard_negatives,
        name="logits",
    )
