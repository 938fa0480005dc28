"""Prebuilt models and run folders of version 0.1 answer as they did when they were written.

`tests/stored/runs_of_version_0_1.zip` holds a small run of every model, trained by version 0.1 on
`generate(30, 20, 360, seed=6, with_graph=True)`; the JSON files hold what that version answered.
"""

import json
import warnings
import zipfile

import numpy as np
import pytest
from checkout import ROOT

from tfrec_fusion import zoo
from tfrec_fusion.answer_warnings import AnswerWarning

STORED = ROOT / "tests" / "stored"
PREBUILT = json.loads((STORED / "prebuilt_answers.json").read_text("utf-8"))
RUNS = json.loads((STORED / "run_answers.json").read_text("utf-8"))
CLOSE = {"rtol": 1e-4, "atol": 2e-5}  # scores are stored with five decimals


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version_0_1")
    with zipfile.ZipFile(STORED / "runs_of_version_0_1.zip") as file:
        file.extractall(folder)
    return folder


def assert_answers(table, expected):
    """The same scores best first; items of equal scores in any order."""
    np.testing.assert_allclose(table["score"], [score for _, score in expected], **CLOSE)
    scores = dict(zip(table["item_id"], table["score"], strict=True))
    assert set(scores) == {item for item, _ in expected}
    for item, score in expected:
        np.testing.assert_allclose(scores[item], score, **CLOSE)


def test_every_prebuilt_model_is_stored():
    assert sorted(PREBUILT) == sorted(zoo.list_models(pretrained=True)["name"])
    assert all(len(answers) == 50 for answers in PREBUILT.values())


@pytest.mark.parametrize("name", PREBUILT)
def test_prebuilt_models_recommend_the_same_items(name):
    table = zoo.load(name).recommend(list(PREBUILT[name]), 10)
    found = {user: rows.tolist() for user, rows in table.groupby("user_id", sort=False)["item_id"]}
    assert found == PREBUILT[name]


@pytest.mark.parametrize("name", RUNS)
def test_runs_of_version_0_1_answer_as_before(name, runs):
    model, stored = zoo.load_run(runs / name), RUNS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnswerWarning)  # one user has few items left
        for user, expected in stored["users"].items():
            assert_answers(model.recommend(user, 5), expected)
    items = model.run.items.ids
    if stored["history"] is not None:
        assert_answers(model.recommend(history=items[1:4].tolist(), k=5), stored["history"])
    if stored["similar"] is not None:
        assert_answers(model.similar(items[3], 5), stored["similar"])
    assert model.info["test"] == pytest.approx(stored["test"])
