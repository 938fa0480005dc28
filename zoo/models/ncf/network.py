"""GMF, MLP and NeuMF as Keras functional models."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.zoo.models.ncf.branches import NCFLayers
from tfrec_fusion.zoo.models.ncf.config import NCFConfig
from tfrec_fusion.zoo.scoring.configured_model import ConfiguredModel


@keras.saving.register_keras_serializable("tfrec_fusion")
class NCF(ConfiguredModel):
    """GMF, MLP or NeuMF as one functional model, by the branches that its config has.

    Inputs `{"user_id": (batch,), "item_id": (batch,)}` int32; output `{"logits": (batch,)}`.

    Args:
        config: Sizes.
        **kwargs: Arguments of `keras.Model`.

    Attributes: the layers of `NCFLayers`, under their names.

    Example:

    >>> import numpy as np
    >>> model = ncf(NCFConfig(num_users=4, num_items=6, mlp_units=(8,)))
    >>> model({"user_id": np.array([1, 2]), "item_id": np.array([5, 3])})["logits"].shape
    TensorShape([2])
    """

    config_class: ClassVar[type[NCFConfig]] = NCFConfig
    config: NCFConfig
    item_gmf: ItemTower | None
    item_mlp: ItemTower | None

    def __init__(self, config: NCFConfig, **kwargs: Any) -> None:
        # === Layers ===
        branches = NCFLayers.from_config(config)

        # === Functional ===
        inputs = {
            "user_id": keras.Input((), dtype="int32", name="user_id"),
            "item_id": keras.Input((), dtype="int32", name="item_id"),
        }
        logits = branches.logits(inputs["user_id"], inputs["item_id"])  # (batch,)
        super().__init__(inputs=inputs, outputs={"logits": logits}, **kwargs)

        # === Config ===
        self.config, self.branches = config, branches
        self.name_sublayers(branches)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: Not needed: a user's interactions are in the user's embedding.
            frozen: No difference: there are no features to compute.
        """
        user_id = keras.Input((), dtype="int32", name="user_id")
        scores = self.branches.logits(user_id)  # (batch, num_items)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="catalog_scores")

    def history_model(self) -> None:
        """None: NCF knows users by their ids alone."""
        return None

    def item_vectors(self) -> np.ndarray:
        """`(num_items, dim)` float32: each item's embeddings, the branches side by side."""
        towers = [one for one in (self.item_gmf, self.item_mlp) if one is not None]
        tables = [np.asarray(tower.embeddings) for tower in towers]
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


def ncf(config: NCFConfig, *, name: str = "neumf") -> NCF:
    """Builds GMF, MLP or NeuMF, by the branches that the config has.

    Example:

    >>> ncf(NCFConfig(num_users=4, num_items=6, gmf_dim=8)).config.gmf_dim
    8
    """
    return NCF(config, name=name)


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
