"""Keywords of `train` that a model has, so that one test can train every model."""

from dataclasses import fields

from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.train_options import TrainOptions

SMALL = {"dim": 8, "history_length": 6, "num_layers": 1}
HYBRID = {**SMALL, "text_components": 4}
# Sizes that train in a moment; a model that is not named here is trained with its defaults.
SIZES = {
    "gmf": {"gmf_dim": 4},
    "mlp": {"mlp_dim": 4, "mlp_units": (8,)},
    "neumf": {"gmf_dim": 4, "mlp_dim": 4, "mlp_units": (8,)},
    "two_tower": {**SMALL, "query": "user_id+history"},
    "text_hybrid": {**HYBRID, "query": "user_id"},
    "gpt2_hybrid": {**HYBRID, "query": "user_id+history"},
    "knowledge_hybrid": {**HYBRID, "graph_dim": 4},
    "multi_task": {
        **{**HYBRID, "pairs": 2, "review_length": 5, "language_dim": 4, "language_layers": 1},
        **{"expert_units": (8,), "vocabulary_size": 262},
    },
    "profile_fusion": {
        **{"dim": 8, "text_components": 4, "history_length": 6},
        **{"negatives": 2, "reasoning_units": 8},
    },
}
NETWORKS = tuple(name for name, spec in zoo.specs().items() if not spec.is_baseline)


def keywords_for(name, **keywords):
    """Those of the keywords that the model `name` has."""
    spec = zoo.get_spec(name)
    own = (*fields(TrainOptions), *spec.training_options, *spec.config_options)
    return {key: value for key, value in keywords.items() if key in {one.name for one in own}}
