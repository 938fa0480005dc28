"""Products of queries and candidates are the models' scores."""

import numpy as np
import pytest
from built_models import CASES, DATA, shared

from tfrec_fusion.zoo.protocols import ScoresByVectors

TOWERS = [name for name, (model, _) in CASES.items() if model not in ("gmf", "mlp", "neumf")]
SLOW = {
    "gru",
    "features",
    "hybrid full",
    "tasks in a PLE",
    "knowledge without ids",
    "in-batch user",
}


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in TOWERS
        if name != "hybrid ncf" and not name.startswith("evidence")
    ],
)
def test_products_are_scores(named):
    model = shared(named).model
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "bias" in weight.path and "int" not in str(weight.dtype):
            weight.assign(weight + rng.normal(size=weight.shape, scale=0.1))
    head = model.get_layer("logits")
    if getattr(head, "partial", False):
        takes_part = np.arange(head.num_items) % 3 > 0
        head.set_candidates(takes_part, boost=rng.normal(size=head.num_items), stretch=1.5)
    assert isinstance(model, ScoresByVectors)
    vectors = model.candidate_vectors()
    of_users, of_histories = model.query_models(DATA.train)
    users = np.arange(6)
    query = np.asarray(of_users({"user_id": users})["query"])
    products = query @ vectors[:, :-1].T + vectors[:, -1]
    expected = np.asarray(model.score_model(DATA.train)({"user_id": users})["scores"])
    np.testing.assert_allclose(products[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-4)
    history_model = model.history_model()
    assert (of_histories is None) == (history_model is None)
    if of_histories is not None:
        history = {"history": np.array([[0, 3, 5], [2, 2, 1]])}
        query = np.asarray(of_histories(history)["query"])
        products = query @ vectors[:, :-1].T + vectors[:, -1]
        expected = np.asarray(history_model(history)["scores"])
        np.testing.assert_allclose(products[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-4)


def test_other_scores_are_no_products():
    assert not isinstance(shared("neumf").model, ScoresByVectors)
    assert not isinstance(shared("evidence").model, ScoresByVectors)
    assert shared("hybrid ncf").model.candidate_vectors() is None


@pytest.mark.parametrize("name", ["attention", "hybrid"])
def test_models_of_the_same_vectors_share_one_table(name):
    model = shared(name).model
    scores = [model.score_model(DATA.train, frozen=True), model.history_model()]
    asked = [*scores, model.similarity_model()]
    towers = {id(layer) for one in asked for layer in one.layers if layer.name == "frozen_items"}
    assert len(towers) == 1
