"""Arguments of another type are refused by name, before anything is computed with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import WrongType
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.runs.explainer import explainer_of
from tfrec_fusion.zoo.runs.fine_tuning import fine_tune
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.runs.train_options import TrainOptions

BASELINES = [name for name, spec in zoo.specs().items() if spec.is_baseline]
OF_ANOTHER_TYPE = [
    ("neumf", {"num_users": "9"}, "`num_users` must be a whole number. Received: '9'"),
    ("neumf", {"num_users": 9.0}, "`num_users` must be a whole number. Received: 9.0"),
    ("neumf", {"num_items": True}, "`num_items` must be a whole number. Received: True"),
    ("neumf", {"num_items": None}, "`num_items` must be a whole number. Received: None"),
    ("mlp", {"mlp_dim": "8"}, "`mlp_dim` must be a whole number. Received: '8'"),
    ("gmf", {"gmf_dim": 2.5}, "`gmf_dim` must be a whole number. Received: 2.5"),
    (
        "mlp",
        {"mlp_units": "64"},
        "`mlp_units` must be a tuple, each a whole number. Received: '64'",
    ),
    ("mlp", {"mlp_units": 64}, "For one, write (64,)"),
    ("mlp", {"mlp_units": (64, "32")}, "each a whole number. Received: (64, '32')"),
    ("two_tower", {"temperature": "x"}, "`temperature` must be a number. Received: 'x'"),
    ("two_tower", {"encoder": 5}, "`encoder` must be a string. Received: 5"),
    ("two_tower", {"correct_sampling": "no"}, "`correct_sampling` must be True or False"),
    ("two_tower", {"num_hard_negatives": "2"}, "`num_hard_negatives` must be a whole number"),
    ("multi_task", {"tasks": "rating"}, "For one, write ('rating',)"),
    ("ease", {"l2": "5"}, "`l2` must be a number. Received: '5', of the type str"),
    ("item_knn", {"k": "2"}, "`k` must be a whole number. Received: '2'"),
]


@pytest.mark.parametrize(("name", "arguments", "message"), OF_ANOTHER_TYPE)
def test_hyperparameters_of_another_type_are_refused(name, arguments, message):
    sizes = {"num_users": 9, "num_items": 9} if name not in BASELINES else {}
    with pytest.raises(WrongType) as refused:
        zoo.build(name, **sizes | arguments)
    assert message in str(refused.value)


def test_hyperparameters_may_be_numbers_of_any_kind():
    ease = zoo.build("ease", l2=np.int64(5), half_life=np.float32(2), kept=np.int32(3))
    assert (ease.l2, ease.half_life, ease.kept) == (5, 2, 3)
    model = zoo.build("two_tower", num_users=np.int64(9), num_items=9, num_hard_negatives=None)
    assert model.config.num_users == 9
    assert zoo.build("mlp", num_users=9, num_items=9, mlp_units=[8, 4]).name == "mlp"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "2"}, "`epochs` must be a whole number. Received: '2'"),
        ({"seed": 1.5}, "`seed` must be a whole number. Received: 1.5"),
        ({"label_smoothing": "x"}, "`label_smoothing` must be a number"),
        ({"learning_rate": "1e-3"}, "`learning_rate` must be a number"),
        ({"refit": "no"}, "`refit` must be True or False"),
    ],
)
def test_options_of_another_type_are_refused(options, message):
    with pytest.raises(WrongType) as refused:
        TrainOptions(**options)
    assert message in str(refused.value)


def test_options_of_some_models_are_refused_by_type_too():
    with pytest.raises(WrongType, match=r"For one, write \('genres',\)"):
        Settings.from_keywords(zoo.get_spec("two_tower"), {"item_features": "genres"})


def test_functions_say_what_they_take(tmp_path):
    films = zoo.load("ease.ml_latest_small")
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"]})
    tables = RecData(frame, pd.DataFrame({"item_id": ["a", "b"]}))
    for call, message in (
        (lambda: train("ease", frame, tmp_path), "`tables` must be of RecData. `zoo.read` makes"),
        (lambda: train("ease", tables, 5), "Received: 5, of the type int"),
        (
            lambda: train("ease", tables, tmp_path, seed="1"),
            "`seed` must be a whole number. Received: '1'",
        ),
        (lambda: fine_tune(films, tables, tmp_path), "`start` must be of Run. Take it from"),
        (lambda: fine_tune("ease", tables, tmp_path), "or from `zoo.load(name).run`. Received: 'e"),
        (
            lambda: explainer_of(films),
            "`run` must be of Run. Take it from `zoo.load_run(folder).run`",
        ),
        (lambda: export_run(films, tmp_path), "`run` must be of Run"),
        *(
            (
                lambda name=name: zoo.build(name).fit(tables, ["x"]),
                "`events` must be of Events.",
            )
            for name in BASELINES
        ),
    ):
        with pytest.raises(WrongType) as refused:
            call()
        assert message in str(refused.value)
    assert not list(tmp_path.iterdir())
