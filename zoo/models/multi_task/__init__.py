"""One model of many tasks: the next item, its rating, and the text of the review.

    query, item     = the two towers of `zoo.models.text_hybrid`
    logits          = query · item                               which item comes next
    bottom_k        = Σ_e gate_k(x)_e · expert_e(x),             x = [query; item; query * item]
    rating          = mean + b_u + b_i + w · bottom_rating       in stars
    next_token      = GPT-2([W · bottom_next_token; tokens])     the review, word by word
    sentiment       = v · [bottom_sentiment; state after the last token]
    loss            = λ · (L_logits + L_rating) + L_next_token + L_sentiment

Everything behind `x` is shared: the loss of a review's words flows back into the vectors of its
item and its user, as in Hidden Factors and Hidden Topics (McAuley and Leskovec 2013,
https://doi.org/10.1145/2507157.2507163), with a GPT-2 in place of the topics. The experts are
those of MMoE (Ma et al. 2018) or PLE (Tang et al. 2020). `λ`, or each loss's weight, is given to
`compile`, or balanced while training by `training.balancing`.

At inference the score has two terms, of behavior and of language, whose weights can be set.
"""

from __future__ import annotations

from typing import Any

from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig
from tfrec_fusion.zoo.models.text_hybrid import ARRAYS, NEXT_ITEMS_WITH_TEXT, frozen_first
from tfrec_fusion.zoo.models.text_hybrid.config import FORMER_FIELDS
from tfrec_fusion.zoo.spec import BuildContext, Lazy, ModelSpec, Task
from tfrec_fusion.zoo.training_options import (
    LanguageModel,
    NewItems,
    PretrainedParts,
    Reviews,
    TaskWeights,
    TextColumns,
)


def _arrays(context: BuildContext) -> dict[str, Any]:
    from tfrec_fusion.zoo.models.multi_task.review_reader import review_arrays
    from tfrec_fusion.zoo.models.text_hybrid.text_inputs import graph_array, text_arrays

    return {**text_arrays(context), **graph_array(context), **review_arrays(context)}


SPEC = ModelSpec(
    name="multi_task",
    summary="text_hybrid trained together with ratings, sentiment and words of reviews",
    config=MultiTaskConfig,
    build=Lazy("tfrec_fusion.zoo.models.multi_task.network:multi_task"),
    batches=Lazy("tfrec_fusion.zoo.models.multi_task.batches:batches"),
    recipe=NEXT_ITEMS_WITH_TEXT,
    arrays=("tokenizer", "backbone", "review_dim", "review_preset", *ARRAYS),
    sizes=Lazy("tfrec_fusion.zoo.models.multi_task.network:sizes_of"),
    prepare=_arrays,
    parts=frozen_first,
    tasks={
        "rating": Task("squared", "rmse", "min"),
        "next_token": Task("softmax", "perplexity", "min"),
        "sentiment": Task("binary", "sentiment_auc", "max"),
    },
    metrics=("auc", "rmse", "sentiment_auc", "perplexity"),
    options=(PretrainedParts, LanguageModel, TextColumns, NewItems, TaskWeights, Reviews),
    hidden=("head", "mlp_units", "negatives"),
    reads_texts=True,
    can_grow=False,
    former_options=FORMER_FIELDS,
)
