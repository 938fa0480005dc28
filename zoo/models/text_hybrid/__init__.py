"""Language-model vectors of items' texts, fused with ids and, optionally, a knowledge graph.

    t_i          = LM(text of i), centered, half-whitened, of length 1
    content(i)   = [t_i; attention over i's neighbors in the graph]     the graph with `use_graph`
    item(i)      = fusion(embedding[i], content(i))            ids masked at random in training
    user(u)      = fusion(embedding[u], LM(own words of u))    where the query reads them

    two towers   query(u, n) = encoder(item(i_1) … item(i_n)) + user(u)
                 logit(u, i) = (query · item(i) + strength · mean(t_1 … t_n) · t_i) / temperature
    NCF          logit(u, i) = h · (user(u) * item(i)) + w · relu(… [user(u); item(i)] …)
    loss         = softmax over the catalog + triple_weight · loss of the graph's triples

The language model is GPT-2 (Radford et al. 2019) or any other preset of
`text.language_models.presets`; its vectors are constants of the model, made once by
`text.encoding.store`. An item without a training event is scored by its text: ids are masked in
training (DropoutNet: Volkovs et al. 2017), and such items are excluded from the training softmax,
where they could only learn to be last. The second term of the two towers, a content filter, serves
new items from the start (see `new_items`). Neighbors in the graph are drawn anew in every step, so
that its cost grows with the catalog and not with the graph (see `layers.knowledge_table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.models.ncf import CLICKS
from tfrec_fusion.zoo.models.text_hybrid.config import FORMER_FIELDS, TextHybridConfig
from tfrec_fusion.zoo.models.two_tower import IN_BATCH, NEXT_ITEMS
from tfrec_fusion.zoo.spec import BuildContext, Lazy, ModelSpec, Part
from tfrec_fusion.zoo.training_options import LanguageModel, NewItems, PretrainedParts, TextColumns

# Small batches and a falling rate: fewer epochs, and on validation better, where there is
# text to lean on. Without text the two-tower model was better off with the constant rate.
NEXT_ITEMS_WITH_TEXT = replace(
    NEXT_ITEMS,
    epochs=16,
    batch_size=4,
    learning_rate=4e-3,
    weight_decay=0.03,
    decay=True,
    patience=None,
)
# The rest of the model is trained already, and every step reads the whole catalog's texts: few
# epochs of few, large steps.
TUNED_TEXT = replace(NEXT_ITEMS, epochs=4, batch_size=64, learning_rate=5e-4, validate_every=1)
ARRAYS = ("item_text", "user_text", "text_tower", "item_tokens", "knowledge")


def _recipe(config: TextHybridConfig) -> Recipe:
    if config.head == "ncf":
        return CLICKS
    if config.tunes_text and config.reads_history:
        return TUNED_TEXT
    if config.negatives == "in_batch" or not config.reads_history:
        return IN_BATCH
    return NEXT_ITEMS_WITH_TEXT


def frozen_first(choices: Mapping[str, Any]) -> tuple[Part, ...]:
    """The same model with a frozen language model, before one that is tuned."""
    if choices["text_mode"] == "frozen":
        return ()
    return (Part(choices={"text_mode": "frozen"}, label="frozen"),)


def _arrays(context: BuildContext) -> dict[str, Any]:
    from tfrec_fusion.zoo.models.text_hybrid.text_inputs import graph_array, text_arrays

    return {**text_arrays(context), **graph_array(context)}


def _variant(name: str, summary: str, **defaults: Any) -> ModelSpec:
    return ModelSpec(
        name=name,
        summary=summary,
        config=TextHybridConfig,
        build=Lazy("tfrec_fusion.zoo.models.text_hybrid.builder:text_hybrid", {"name": name}),
        batches=Lazy("tfrec_fusion.zoo.models.text_hybrid.batches:batches"),
        recipe=_recipe,
        arrays=ARRAYS,
        sizes=Lazy("tfrec_fusion.zoo.models.text_hybrid.builder:sizes_of"),
        prepare=_arrays,
        parts=frozen_first,
        options=(PretrainedParts, LanguageModel, TextColumns, NewItems),
        defaults=defaults,
        reads_texts=True,
        former_options=FORMER_FIELDS,
    )


SPECS = (
    _variant("text_hybrid", "two towers or NCF over a language model's text vectors and ids"),
    _variant(
        "gpt2_hybrid",
        "text_hybrid that reads texts with a GPT-2 (tiny_gpt2; or gpt2_base_en)",
        text_preset="tiny_gpt2",
    ),
    replace(
        _variant(
            "knowledge_hybrid", "text_hybrid with a knowledge graph of the items", use_graph=True
        ),
        can_grow=False,
    ),
)
