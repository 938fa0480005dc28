"""User profile, item semantics and behavior: three tasks that share one reading of texts.

    u^0, v^0        = LM(profile text of the user), LM(text of the item), in one space
    a^0             = mean of LM(text) over the items of the history
    x^l             = relu(W_l x^(l-1))                            the same W_l for u, v and a
    state, e        = encoder(e_(i_1) … e_(i_n)), fusion(embedding, v^0)

    profile         = P u^L                                        words used about the user
    semantics       = S v^L                                        words used about the item
    behavior        = h · (state * e) + bias_item                  is it the next item
    R(H_u, H_v, H_a) = behavior + Σ_l [s_l · (u^l * v^l) + r_l · (a^l * v^l)]
                       + w · relu(M [u^L; a^L; state; v^L; e]),    y = sigmoid(R)

The language model is frozen: its vectors are constants. Each task has a loss of its own next to
that of y, whose weights `compile` or `training.balancing` set; without a task its evidence is
excluded from R as well. Similarities are compared on every level of the shared extractor, unlike
in a deep structured semantic model (Huang et al. 2013, https://doi.org/10.1145/2505515.2505665),
which compares the last one only.
"""

from __future__ import annotations

from typing import Any

from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileFusionConfig
from tfrec_fusion.zoo.spec import BuildContext, Lazy, ModelSpec, Task
from tfrec_fusion.zoo.training_options import LanguageModel, TaskWeights, TextColumns

EVIDENCE = Recipe(
    "binary",
    epochs=20,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=0.01,
    patience=4,
    monitor="auc",
)


def _sizes(item_text: Any = None, item_words: Any = None, **others: Any) -> dict[str, int]:
    sizes = {} if item_text is None else {"text_dim": item_text.shape[1]}
    return sizes if item_words is None else {**sizes, "num_words": item_words.shape[1]}


def _arrays(context: BuildContext) -> dict[str, Any]:
    from tfrec_fusion.zoo.models.profile_fusion.profile_inputs import profile_arrays

    return profile_arrays(context)


SPEC = ModelSpec(
    name="profile_fusion",
    summary="user profile, item semantics and behavior under one click model",
    config=ProfileFusionConfig,
    build=Lazy("tfrec_fusion.zoo.models.profile_fusion.network:profile_fusion"),
    batches=Lazy("tfrec_fusion.zoo.models.profile_fusion.batches:batches"),
    recipe=EVIDENCE,
    arrays=("item_text", "profile_text", "item_words", "user_words"),
    sizes=_sizes,
    prepare=_arrays,
    tasks={name: Task("binary") for name in ("profile", "semantics", "behavior")},
    metrics=("auc",),
    options=(LanguageModel, TextColumns, TaskWeights),
    reads_texts=True,
    can_grow=False,
    former_names=("profile_semantics_behaviour",),
)
