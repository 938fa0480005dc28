"""Neural collaborative filtering: GMF, MLP and their fusion NeuMF (He et al. 2017).

With user vector p and item vector q,

    GMF    logit = h · (p * q)
    MLP    logit = w · relu(... relu(W [p'; q'] + b))
    NeuMF  logit = GMF's + MLP's + bias, each branch with embeddings of its own

trained as a click model on observed pairs and drawn negatives (`data.batches.makers.clicks`) with
binary cross-entropy from logits. NeuMF starts from a trained GMF and a trained MLP (section 3.4.1).
Paper: https://arxiv.org/abs/1708.05031
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.models.ncf.config import NCFConfig
from tfrec_fusion.zoo.spec import Lazy, ModelSpec, Part
from tfrec_fusion.zoo.training_options import PretrainedParts

CLICKS = Recipe(
    "binary", epochs=30, batch_size=8192, learning_rate=8e-3, patience=4, jit_compile=True
)


def _spec(name: str, summary: str, **fields: Any) -> ModelSpec:
    build = Lazy("tfrec_fusion.zoo.models.ncf.network:ncf", {"name": name})
    batches = Lazy("tfrec_fusion.data.batches.makers:clicks")
    return ModelSpec(name, summary, NCFConfig, build, batches, CLICKS, **fields)


SPECS = (
    _spec(
        "gmf",
        "generalized matrix factorization (He et al. 2017)",
        fixed={"mlp_dim": 0},
        hidden=("mlp_units",),
    ),
    _spec(
        "mlp", "multi-layer perceptron over user and item (He et al. 2017)", fixed={"gmf_dim": 0}
    ),
    _spec(
        "neumf",
        "GMF and MLP fused (He et al. 2017)",
        parts=lambda choices: (Part("gmf"), Part("mlp")),
        # The branches are trained already: few epochs, small steps.
        recipe_after_parts=replace(CLICKS, epochs=15, learning_rate=5e-4),
        options=(PretrainedParts,),
    ),
)
