"""The NCF head of the hybrid: GMF and an MLP over the towers' vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from tfrec_fusion.layers.collaborative import WeightedDot
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.models.text_hybrid.towers import HybridTowers
from tfrec_fusion.zoo.scoring.pair_mlp import PairMLP


@dataclass(frozen=True, eq=False)
class NCFHead:
    """`h · (user * item) + w · relu(… [user; item] …)`.

    Attributes:
        gmf: The first term.
        mlp: The second.
    """

    gmf: WeightedDot
    mlp: PairMLP

    @classmethod
    def from_config(cls, config: TextHybridConfig) -> Self:
        """Makes the layers of a config."""
        return cls(WeightedDot(name="gmf"), PairMLP.from_units(config.mlp_units))

    def logits(self, towers: HybridTowers, user_id: Any, item_id: Any = None) -> Any:
        """`(batch,)` for pairs; `(batch, num_items)`, every item, without `item_id`."""
        all_pairs, drop = item_id is None, towers.user_dropout
        assert drop is not None
        user = drop(towers.user_vectors(user_id))
        item = towers.catalog(anchor=user_id) if all_pairs else towers.item_rows(item_id)
        deep = self.mlp(user, item, drop, all_pairs=all_pairs)
        return self.gmf(user, item, all_pairs=all_pairs) + deep
