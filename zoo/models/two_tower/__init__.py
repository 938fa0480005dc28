"""Two towers: a query of the user's id and history, and a vector for every candidate item.

    query(u, t)  = user[u] + encoder(v_1 … v_t)      history encoder: causal attention or a GRU
    v_i          = embedding[i] + features[i] W      candidate tower
    logit(u, i)  = query · v_i / temperature + b_i

With `negatives="catalog"` the model reads whole histories and predicts the next item at every
position (SASRec: Kang and McAuley 2018, https://arxiv.org/abs/1808.09781; with a GRU Hidasi et al.
2016, https://arxiv.org/abs/1511.06939), by softmax over all items in place of drawn negatives: best
where the catalog is small enough, up to some ten thousands.
With `"in_batch"` a batch's candidates are each other's negatives, corrected for how often they
are drawn (Yi et al. 2019, https://doi.org/10.1145/3298689.3346996): for catalogs of any size.
"""

from __future__ import annotations

from typing import Any

from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.models.two_tower.config import TwoTowerConfig
from tfrec_fusion.zoo.spec import BuildContext, Lazy, ModelSpec
from tfrec_fusion.zoo.training_options import ItemLabels

NEXT_ITEMS = Recipe(
    "softmax",
    epochs=36,
    batch_size=16,
    learning_rate=2e-3,
    weight_decay=0.01,
    patience=4,
    validate_every=2,
)
IN_BATCH = Recipe("softmax", epochs=40, batch_size=1024, learning_rate=1e-3)


def _recipe(config: TwoTowerConfig) -> Recipe:
    whole_histories = config.negatives == "catalog" and config.reads_history
    return NEXT_ITEMS if whole_histories else IN_BATCH


def _sizes(item_features: Any = None) -> dict[str, int]:
    return {} if item_features is None else {"feature_dim": item_features.shape[1]}


def _arrays(context: BuildContext) -> dict[str, Any]:
    features = context.features
    return {} if features is None else {"item_features": features.multi_hot()}


SPEC = ModelSpec(
    name="two_tower",
    summary="query tower over the user's history, candidate tower over items",
    config=TwoTowerConfig,
    build=Lazy("tfrec_fusion.zoo.models.two_tower.network:two_tower"),
    batches=Lazy("tfrec_fusion.data.batches.makers:retrieval"),
    recipe=_recipe,
    arrays=("item_features",),
    sizes=_sizes,
    prepare=_arrays,
    options=(ItemLabels,),
)
