"""Every model of the zoo, exported and asked over REST and gRPC, answers as its Keras model."""

import dataclasses

import numpy as np
import pytest
from built_models import CASES, DATA, EVENTS, TEXTS, shared

from tfrec_fusion import zoo
from tfrec_fusion.serving.client import Client
from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.exports.export_run import export_recommender
from tfrec_fusion.zoo.protocols import KnowsEvents

BASELINES = [name for name, spec in zoo.specs().items() if spec.is_baseline]
NETWORKS = {
    **{name: name for name in ("gmf", "mlp", "neumf", "attention", "hybrid", "hybrid lora")},
    **{name: name for name in ("knowledge", "tasks", "evidence")},
}
QUICK = ("ease", "knowledge")
KNOWN = dataclasses.replace(DATA.everything, text=None)
USERS = [str(one) for one in DATA.users.ids[1:5]]


def model_of(name):
    if name in BASELINES:
        return zoo.build(name).fit(KNOWN, [f"item {row}" for row in range(len(TEXTS))])
    model = shared(NETWORKS[name]).model
    if isinstance(model, KnowsEvents):
        model.set_known(EVENTS)
    return model


def test_all_models_are_here():
    reached = {CASES[case][0] for case in NETWORKS.values()}
    assert reached == {model for model, _ in CASES.values()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in (*BASELINES, *NETWORKS)
    ],
)
def test_answers_are_the_models_own(name, tmp_path):
    model = model_of(name)
    titles = np.array([f"Title {row}" for row in range(len(DATA.items))], object)
    recommender = CatalogAnswers(model, DATA.users, DATA.items, titles, KNOWN)
    folder = tmp_path / name.replace(" ", "_")
    report = export_recommender(recommender, folder, page_sizes=(5,))
    assert report.max_abs_difference <= 1e-5
    (checked,) = verify_folder(folder)
    assert checked.max_abs_difference <= 1e-5
    with LocalServer(folder, port=0, grpc_port=0) as server:
        for address in (server.url, f"grpc://{server.grpc_address}"):
            with Client(address, folder.name, timeout=60) as client:
                for user_id in USERS:
                    expected = recommender.recommend(user_id, 5)
                    found = client.recommend(user_id)
                    own = [item.score for item in found]
                    np.testing.assert_allclose(own, expected["score"], rtol=1e-5, atol=1e-5)
                    scored = client.score(user_id, [item.item_id for item in found])
                    assert {one.source for one in (*found, *scored)} <= {"model"}
                    pairs = [one.score for one in scored]
                    np.testing.assert_allclose(pairs, own, rtol=1e-5, atol=1e-5)
                if "recommend_from_history" in report.signatures:
                    history = [str(one) for one in DATA.items.ids[2:5]]
                    expected = recommender.recommend_from_history(history, 5)["score"]
                    own = [item.score for item in client.recommend_from_history(history)]
                    np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-5)
