"""The exported models of the repository: within their size, with their kit, those of the cards."""

import re

import numpy as np
import pytest
from checkout import ROOT

from tfrec_fusion.serving.export.folder_check import verify_folder
from tfrec_fusion.serving.export.reload import recommend_in_clean_process
from tfrec_fusion.serving.export.warm_up import read_warm_up
from tfrec_fusion.serving.local.signatures import read_signature_defs
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import load

FOLDER = ROOT / "savedmodels"
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
MOST_BYTES = 40_000_000


def test_they_are_prebuilt_models_with_their_kit():
    assert NAMES and set(NAMES) <= set(cards())
    for name in NAMES:
        config = (FOLDER / name / "models.config").read_text("utf-8")
        assert re.search(rf'name: "{re.escape(name)}"', config)
        kit = {path.name for path in (FOLDER / name).iterdir()}
        assert kit >= {"1", "README.md", "docker-compose.yaml", "models.config"}


def test_all_together_are_small_enough_for_a_repository():
    files = [path for name in NAMES for path in (FOLDER / name).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_they_take_a_user_alone_and_say_what_scores_come_from():
    for name in NAMES:
        asked = read_signature_defs(FOLDER / name / "1")["serving_default"]
        assert list(asked.inputs) == ["user_id"]
        calls = read_warm_up(FOLDER / name / "1")
        scores = [np.array(call.answer["score"]) for call in calls if "score" in call.answer]
        assert scores and min(one.min() for one in scores) > -1e6  # none stands for no answer
        (call,) = (one for one in calls if one.signature == "serving_default")
        rows = zip(call.inputs["user_id"], call.answer["source"], strict=True)
        assert {user: set(row) for user, row in rows} == {
            user: {"popularity" if user == "unseen" else "model"} for user in call.inputs["user_id"]
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_answer_as_the_package_does(name):
    (found,) = verify_folder(FOLDER / name)
    assert found.records > 0 and found.max_abs_difference < 1e-3
    model = load(name)
    users = model.users[:3]
    for answer in recommend_in_clean_process(FOLDER / name / "1", users):
        expected = model.recommend(answer["user_id"])
        scores = [item["score"] for item in answer["items"]]
        assert scores == pytest.approx(expected["score"].tolist(), rel=1e-3, abs=1e-3)
