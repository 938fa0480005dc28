"""GMF, MLP and NeuMF as Keras functional models."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.zoo.models.ncf.config import NCFConfig
from tfrec_fusion.zoo.scoring.similarity import cosine_model


@keras.saving.register_keras_serializable("tfrec_fusion")
class NCF(keras.Model):
    """GMF, MLP or NeuMF as one functional model, by which branches its config has.

    Inputs `{"user_id": (batch,), "item_id": (batch,)}` int32; output `{"logits": (batch,)}`.

    Args:
        config: Sizes.
        **kwargs: Arguments of `keras.Model`.

    Example:

    >>> import numpy as np
    >>> model = ncf(NCFConfig(num_users=4, num_items=6, mlp_units=(8,)))
    >>> model({"user_id": np.array([1, 2]), "item_id": np.array([5, 3])})["logits"].shape
    TensorShape([2])
    """

    def __init__(self, config: NCFConfig, **kwargs: Any) -> None:
        # === Layers ===
        layers: dict[str, Any] = {
            "dropout": keras.layers.Dropout(config.dropout, name="dropout"),
            # A loss is added in the type of the layer: in half precision the sum would lose digits.
            "penalty": keras.layers.ActivityRegularization(
                l2=config.l2, dtype="float32", name="penalty"
            ),
        }
        if config.gmf_dim:
            layers |= _embeddings("gmf", config.num_users, config.num_items, config.gmf_dim)
            layers["gmf"] = WeightedDot(name="gmf")
        if config.mlp_dim:
            layers |= _embeddings("mlp", config.num_users, config.num_items, config.mlp_dim)
            first, *rest = config.mlp_units
            layers["mlp_0"] = PairDense(first, activation="relu", name="mlp_0")
            for number, units in enumerate(rest, 1):
                name = f"mlp_{number}"
                layers[name] = keras.layers.Dense(units, activation="relu", name=name)
            layers["mlp_logit"] = keras.layers.Dense(1, dtype="float32", name="mlp_logit")

        # === Functional ===
        inputs = {
            "user_id": keras.Input((), dtype="int32", name="user_id"),
            "item_id": keras.Input((), dtype="int32", name="item_id"),
        }
        logits = _logits(layers, config, inputs["user_id"], inputs["item_id"])
        super().__init__(inputs=inputs, outputs={"logits": logits}, **kwargs)

        # === Config ===
        self.config = config

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: Not needed: what a user did is in the user's embedding.
            frozen: No difference: there are no features to compute.
        """
        user_id = keras.Input((), dtype="int32", name="user_id")
        layers = {layer.name: layer for layer in self.layers}
        logits = _logits(layers, self.config, user_id, None)
        return keras.Model({"user_id": user_id}, {"scores": logits}, name="catalogue_scores")

    def history_model(self) -> None:
        """None: NCF knows people by their ids alone."""
        return None

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, dim)` float32: each item's embeddings, the branches side by side."""
        branches = [layer for layer in self.layers if isinstance(layer, ItemTower)]
        tables = [np.asarray(layer.embeddings) for layer in branches]
        return np.concatenate(tables, axis=1).astype(np.float32)

    def start_from(self, gmf: NCF, mlp: NCF, share: float = 0.5) -> None:
        """NeuMF's start from trained GMF and MLP (section 3.4.1 of the paper).

        Args:
            gmf: A trained `gmf` model with this model's `gmf_dim`.
            mlp: A trained `mlp` model with this model's `mlp_dim` and `mlp_units`.
            share: GMF's weight in the first logits; MLP has `1 - share`.

        Raises:
            ValueError: When this is not a NeuMF, a branch is missing or its sizes differ.
        """
        for source, prefix, scale in ((gmf, "gmf", share), (mlp, "mlp", 1 - share)):
            for layer in self.layers:
                if not layer.weights or prefix not in layer.name:
                    continue
                weights = _weights_of(source, layer)
                if layer.name in ("gmf", "mlp_logit"):
                    weights = [scale * weight for weight in weights]
                layer.set_weights(weights)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        return {**config, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> NCF:
        """Builds the model of a config."""
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(NCFConfig(**config["config"]), name=config["name"])


def ncf(config: NCFConfig, *, name: str = "neumf") -> NCF:
    """Builds GMF, MLP or NeuMF, by the branches that the config has.

    Example:

    >>> ncf(NCFConfig(num_users=4, num_items=6, gmf_dim=8)).config.gmf_dim
    8
    """
    return NCF(config, name=name)


def _embeddings(branch: str, num_users: int, num_items: int, dim: int) -> dict[str, Any]:
    small = keras.initializers.RandomNormal(stddev=0.05)
    user, item = f"user_{branch}", f"item_{branch}"
    return {
        user: keras.layers.Embedding(
            num_users, dim, embeddings_initializer=small.clone(), name=user
        ),
        item: ItemTower(num_items, dim, embeddings_initializer=small.clone(), name=item),
    }


def _logits(layers: dict[str, Any], config: NCFConfig, user_id: Any, item_id: Any | None) -> Any:
    """`(batch,)` for pairs; `(batch, num_items)`, every item, when `item_id` is None."""
    all_pairs = item_id is None
    ids = user_id if all_pairs else item_id
    drop, penalty = layers["dropout"], layers["penalty"]
    parts = []
    if config.gmf_dim:
        user = penalty(drop(layers["user_gmf"](user_id)))
        item = penalty(layers["item_gmf"](ids, catalogue=all_pairs))
        parts.append(layers["gmf"](user, item, all_pairs=all_pairs))
    if config.mlp_dim:
        user = penalty(layers["user_mlp"](user_id))
        item = penalty(layers["item_mlp"](ids, catalogue=all_pairs))
        hidden = drop(layers["mlp_0"](user, item, all_pairs=all_pairs))
        for number in range(1, len(config.mlp_units)):
            hidden = drop(layers[f"mlp_{number}"](hidden))
        parts.append(keras.ops.squeeze(layers["mlp_logit"](hidden), axis=-1))
    return sum(parts[1:], parts[0])


def _weights_of(source: NCF, layer: keras.layers.Layer) -> list[np.ndarray]:
    """The weights of `source`'s layer of the same name, checked to fit."""
    found = [other for other in source.layers if other.name == layer.name]
    expected = [tuple(weight.shape) for weight in layer.weights]
    received = [tuple(weight.shape) for weight in found[0].weights] if found else None
    if received != expected:
        raise InvalidInput(
            f"The pretrained model must have a layer `{layer.name}` with weights {expected}. "
            f"Received: {received or 'no such layer'} in {source.name}."
        )
    return found[0].get_weights()
