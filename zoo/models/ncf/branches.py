"""The branches of neural collaborative filtering, and the logits they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import keras

from tfrec_fusion.layers.collaborative import WeightedDot
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.zoo.models.ncf.config import NCFConfig
from tfrec_fusion.zoo.scoring.pair_mlp import PairMLP


@dataclass(frozen=True, eq=False)
class NCFLayers:
    """The layers of both branches; those of a branch that the config omits are None.

    Attributes:
        dropout: On GMF's user embeddings and after each hidden layer.
        penalty: Adds the embeddings' squared length to the loss.
        user_gmf: Users' embeddings of GMF.
        item_gmf: Items' embeddings of GMF.
        gmf: Their weighted product.
        user_mlp: Users' embeddings of the MLP.
        item_mlp: Items' embeddings of the MLP.
        mlp: The layers over them.
    """

    dropout: keras.layers.Dropout
    penalty: keras.layers.ActivityRegularization
    user_gmf: keras.layers.Embedding | None = None
    item_gmf: ItemTower | None = None
    gmf: WeightedDot | None = None
    user_mlp: keras.layers.Embedding | None = None
    item_mlp: ItemTower | None = None
    mlp: PairMLP | None = None

    @classmethod
    def from_config(cls, config: NCFConfig) -> Self:
        """Makes the layers of a config."""
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
            layers["mlp"] = PairMLP.from_units(config.mlp_units)
        return cls(**layers)

    def logits(self, user_id: Any, item_id: Any = None) -> Any:
        """`(batch,)` for pairs; `(batch, num_items)`, every item, without `item_id`."""
        all_pairs = item_id is None
        parts = []
        if self.user_gmf is not None and self.item_gmf is not None and self.gmf is not None:
            user = self.penalty(self.dropout(self.user_gmf(user_id)))
            item = self.penalty(_items(self.item_gmf, user_id, item_id))
            parts.append(self.gmf(user, item, all_pairs=all_pairs))
        if self.user_mlp is not None and self.item_mlp is not None and self.mlp is not None:
            user = self.penalty(self.user_mlp(user_id))
            item = self.penalty(_items(self.item_mlp, user_id, item_id))
            parts.append(self.mlp(user, item, self.dropout, all_pairs=all_pairs))
        return sum(parts[1:], parts[0])


def _items(tower: ItemTower, user_id: Any, item_id: Any) -> Any:
    return tower.all_rows(anchor=user_id) if item_id is None else tower(item_id)


def _embeddings(branch: str, num_users: int, num_items: int, dim: int) -> dict[str, Any]:
    small = keras.initializers.RandomNormal(stddev=0.05)
    user, item = f"user_{branch}", f"item_{branch}"
    return {
        user: keras.layers.Embedding(
            num_users, dim, embeddings_initializer=small.clone(), name=user
        ),
        item: ItemTower(num_items, dim, embeddings_initializer=small.clone(), name=item),
    }
