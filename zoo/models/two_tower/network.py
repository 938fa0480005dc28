"""The two-tower model as a Keras functional model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.history import HistoryEncoder, most_recent
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.layers.retrieval import CatalogueLogits, InBatchLogits
from tfrec_fusion.zoo.models.two_tower.config import TwoTowerConfig
from tfrec_fusion.zoo.scoring.candidate_vectors import candidate_vectors
from tfrec_fusion.zoo.scoring.similarity import cosine_model


@keras.saving.register_keras_serializable("tfrec_fusion")
class TwoTower(keras.Model):
    """A query tower and a candidate tower as one functional model.

    Inputs (int32): `user_id (batch,)` and/or `history (batch, steps)`, 0-padded on the left; for
    in-batch negatives also `item_id (batch,)` and float32 `candidate_sampling_probability
    (batch,)`. Output `logits`: `(batch, steps, num_items)` for the item after each position of a
    history, `(batch, num_items)` for a query without history, or, in-batch,
    `(batch, 1 + negatives)` with the positive in column 0.

    Args:
        config: Sizes and choices.
        **kwargs: Arguments of `keras.Model`.

    Example:

    >>> import numpy as np
    >>> model = two_tower(TwoTowerConfig(num_users=4, num_items=6, dim=8, history_length=3))
    >>> model({"history": np.array([[0, 5, 2]])})["logits"].shape
    TensorShape([1, 3, 6])
    """

    def __init__(self, config: TwoTowerConfig, **kwargs: Any) -> None:
        # === Layers ===
        layers: dict[str, Any] = {
            "items": ItemTower(config.num_items, config.dim, config.feature_dim, name="items")
        }
        if config.reads_user_id:
            layers["user"] = keras.layers.Embedding(config.num_users, config.dim, name="user")
            layers["user_dropout"] = keras.layers.Dropout(config.dropout, name="user_dropout")
        if config.reads_history:
            layers["encoder"] = HistoryEncoder(
                config.dim,
                config.encoder,
                config.num_layers,
                config.num_heads,
                config.history_length,
                config.dropout,
                name="encoder",
            )
        in_batch = config.negatives == "in_batch"
        if in_batch:
            layers["logits"] = InBatchLogits(
                config.temperature,
                config.correct_sampling,
                config.remove_accidental_hits,
                config.num_hard_negatives,
                name="logits",
            )
        else:
            layers["logits"] = CatalogueLogits(config.num_items, config.temperature, name="logits")

        # === Functional ===
        inputs = {}
        if config.reads_user_id:
            inputs["user_id"] = keras.Input((), dtype="int32", name="user_id")
        if config.reads_history:
            inputs["history"] = keras.Input((None,), dtype="int32", name="history")
        query = _query(layers, inputs)  # (batch, [steps,] dim)
        if in_batch:
            inputs["item_id"] = keras.Input((), dtype="int32", name="item_id")
            inputs["candidate_sampling_probability"] = keras.Input(
                (), dtype="float32", name="candidate_sampling_probability"
            )
            query = query[:, -1] if config.reads_history else query
            logits = layers["logits"](
                query,
                layers["items"](inputs["item_id"]),
                inputs["item_id"],
                inputs["candidate_sampling_probability"],
            )
        else:
            catalogue = layers["items"](next(iter(inputs.values())), catalogue=True)
            logits = layers["logits"](query, catalogue)
        super().__init__(inputs=inputs, outputs={"logits": logits}, **kwargs)

        # === Config ===
        self.config = config

    def set_item_features(self, features: np.ndarray) -> None:
        """Sets the candidate tower's constant features, `(num_items, feature_dim)`."""
        self.get_layer("items").set_features(features)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: What users did (`data.events.Events`); each user's last `history_length` items
                are kept as a constant of the returned model. Needed when the query reads them.
            frozen: Whether item vectors are computed now, features included; later training does
                not change them then.

        Raises:
            ValueError: When the query reads histories and `known` is missing.
        """
        layers = self._layers_by_name(frozen)
        user_id, inputs = self._asking(known)
        query = self._last_query(layers, inputs)  # (batch, dim)
        items = layers["items"](user_id, catalogue=True)
        scores = self._scoring_head(layers)(query, items)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def query_models(self, known: Any = None) -> tuple[keras.Model, keras.Model | None]:
        """Models of the queries that `candidate_vectors` are compared with.

        Args:
            known: As of `score_model`.

        Returns:
            `{"user_id": (batch,)}` → `{"query": (batch, dim)}` float32, and `{"history": (batch,
            steps)}` → the same, None where the query reads the user id.
        """
        layers = self._layers_by_name(frozen=True)
        user_id, inputs = self._asking(known)
        query = self._last_query(layers, inputs)
        of_users = keras.Model({"user_id": user_id}, {"query": query}, name="queries")
        if self.config.query != "history":
            return of_users, None
        history = keras.Input((None,), dtype="int32", name="history")
        query = self._last_query(layers, self._by_history(history))
        return of_users, keras.Model({"history": history}, {"query": query}, name="of_histories")

    def candidate_vectors(self) -> np.ndarray:
        """`(num_items, dim + 1)`: the score is the product with the query and a 1."""
        return candidate_vectors(self)

    def _layers_by_name(self, frozen: bool) -> dict[str, Any]:
        layers = {layer.name: layer for layer in self.layers}
        if frozen:
            layers["items"] = ItemTower.of(self.item_vectors())
        return layers

    def _asking(self, known: Any) -> tuple[Any, dict[str, Any]]:
        """The input of who asks, and what the query reads of them."""
        user_id = keras.Input((), dtype="int32", name="user_id")
        inputs = {"user_id": user_id} if self.config.reads_user_id else {}
        if self.config.reads_history:
            table = HistoryTable.of_known(known, self.config.history_length, name="histories")
            inputs["history"] = table(user_id)
        return user_id, inputs

    def _by_history(self, history: Any) -> dict[str, Any]:
        """Cut to the length of training: by id and by history a user gets the same items."""
        return {"history": most_recent(history, self.config.history_length)}

    def _last_query(self, layers: dict[str, Any], inputs: dict[str, Any]) -> Any:
        query = _query(layers, inputs)
        query = query[:, -1] if "history" in inputs else query
        return keras.ops.cast(query, "float32")

    def _scoring_head(self, layers: dict[str, Any]) -> CatalogueLogits:
        head = layers["logits"]
        if isinstance(head, InBatchLogits):
            return CatalogueLogits(self.config.num_items, self.config.temperature, use_bias=False)
        return head

    def history_model(self) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, for unknown users.

        Of longer histories the last `history_length` items are read. None where the query reads
        the user id.
        """
        if self.config.query != "history":
            return None
        history = keras.Input((None,), dtype="int32", name="history")
        layers = self._layers_by_name(frozen=True)
        query = self._last_query(layers, self._by_history(history))
        items = layers["items"](history, catalogue=True)
        scores = self._scoring_head(layers)(query, items)
        return keras.Model({"history": history}, {"scores": scores}, name="scores_of_histories")

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, dim)` float32: the candidate tower's vectors."""
        tower = self.get_layer("items")
        rows = tower(np.zeros(1, np.int32), catalogue=True)
        return keras.ops.convert_to_numpy(rows).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        return {**config, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TwoTower:
        """Builds the model of a config."""
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(TwoTowerConfig(**config["config"]), name=config["name"])


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


def _query(layers: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """`(batch, steps, dim)` when there is a history, `(batch, dim)` else."""
    query = None
    if "history" in inputs:
        history = inputs["history"]
        query = layers["encoder"](layers["items"](history), history > 0)
    if "user_id" in inputs:
        user = layers["user_dropout"](layers["user"](inputs["user_id"]))
        query = user if query is None else query + keras.ops.expand_dims(user, 1)
    return query
