"""Keywords of `train` that a model has, so that one test can train every model."""

from dataclasses import fields

from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.train_options import TrainOptions

NETWORKS = tuple(name for name, spec in zoo.specs().items() if not spec.is_baseline)


def keywords_for(name, **keywords):
    """Those of the keywords that the model `name` has."""
    spec = zoo.get_spec(name)
    own = (*fields(TrainOptions), *spec.training_options, *spec.config_options)
    return {key: value for key, value in keywords.items() if key in {one.name for one in own}}
