"""Every registered model passes the contract tests that third parties use."""

import pytest
from quick_training import one_encoder, without_pictures  # noqa: F401 (fixtures)

from tfrec_fusion import zoo
from tfrec_fusion.testing import check_model

# Smaller sizes, where a model has such an option.
SMALL = {
    **{name: 8 for name in ("dim", "embedding_dim", "gmf_dim", "mlp_dim", "graph_dim")},
    **{name: 8 for name in ("history_length", "text_components", "language_dim", "review_length")},
    **{name: (8,) for name in ("mlp_units", "expert_units")},
    **{"vocabulary_size": 270, "text_preset": "tiny_gpt2", "text_length": 16},
    **{"num_experts": 2, "language_layers": 1},
}


def small(spec):
    own = {one.name for one in (*spec.config_options, *spec.training_options)}
    # test_leaks trains every model a second time, on train and validation.
    once = {} if spec.is_baseline else {"refit": False}
    return once | {name: value for name, value in SMALL.items() if name in own}


@pytest.mark.parametrize("name", zoo.specs())
def test_a_registered_model_keeps_the_contract(name, tmp_path):
    spec = zoo.get_spec(name)
    check_model(spec, tmp_path, **small(spec))
