"""Training again from a card: what is trained, how, and when the numbers agree."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tfrec_fusion.zoo.prebuilt import reproducing
from tfrec_fusion.zoo.prebuilt.reproducing import Reproduction, reproduce
from tfrec_fusion.zoo.runs.train_options import TrainOptions

OPTIONS = {
    **{"split": "leave_one_out", "seed": 0, "epochs": 3, "learning_rate": 0.5, "progress": True},
    "item_features": ["genres", "year"],
}


def card(name="two_tower.toy", **changes):
    said = {
        "name": name,
        "architecture": name.partition(".")[0],
        "metrics": {"ndcg@10": [0.2, 0.18, 0.24], "rmse": [1.0, 0.9, 1.1]},
        "seeds": 4,
        "members": {},
        "scale": "",
        "options": OPTIONS,
        "hyperparameters": {"dim": 8},
        "data": {"name": "toys", "checksum": "sum of toys"},
        "start": "",
        "command": f"tfrec-zoo train {name}",
    }
    return SimpleNamespace(**{**said, **changes})


@pytest.mark.parametrize(
    ("seeds", "value", "agrees"),
    [
        (4, 0.2, True),
        (4, 0.161, True),  # twice as wide as the interval of a mean of four
        (4, 0.159, False),
        (4, 0.279, True),
        (4, 0.281, False),
        (1, 0.181, True),  # over users: as it is
        (1, 0.179, False),
        (1, 0.241, False),
    ],
)
def test_a_single_training_agrees_within_the_interval_of_single_values(seeds, value, agrees):
    assert Reproduction(card(seeds=seeds), {"ndcg@10": value}).agrees is agrees


def test_rows_and_json_show_both():
    found = Reproduction(card(), {"ndcg@10": 0.21})
    of_card, again = found.rows()
    assert of_card.model == "card, 4 seeds" and of_card.metrics == {"ndcg@10": 0.2}
    assert of_card.intervals == {"ndcg@10": (0.18, 0.24)}
    assert again.metrics == {"ndcg@10": 0.21}
    assert found.as_dict()["card"] == {"ndcg@10": [0.2, 0.18, 0.24]} and found.as_dict()["agrees"]


@pytest.fixture
def made(monkeypatch):
    """What was read, trained and combined."""
    calls = SimpleNamespace(read=[], trained=[], combined=[])

    def read(name, data_dir):
        calls.read.append((name, data_dir))
        return "tables"

    def train(name, tables, folder, **given):
        calls.trained.append(SimpleNamespace(name=name, tables=tables, folder=folder, **given))
        return SimpleNamespace(folder=folder, info={"test": {"ndcg@10": 0.2, "hr@10": 0.5}})

    def combine(members, folder, *, scale=None, command="", say=None):
        calls.combined.append((members, folder, scale, command))
        return SimpleNamespace(folder=folder, info={"test": {"ndcg@10": 0.3}})

    both = {"two_tower.toy": 0.25, "ease.toy": 0.75}
    cards = {
        "two_tower.toy": card(),
        "ease.toy": card("ease.toy", hyperparameters={"l2": 5.0}),
        "ensemble.toy": card("ensemble.toy", members=both, scale="ranks"),
    }
    monkeypatch.setattr(reproducing, "read_tables", read)
    monkeypatch.setattr(reproducing, "checksum", lambda tables: "sum of toys")
    monkeypatch.setattr(reproducing, "train", train)
    monkeypatch.setattr(reproducing, "train_ensemble", combine)
    monkeypatch.setattr(reproducing, "card_of", cards.__getitem__)
    return calls


def test_a_model_is_trained_as_its_card_says_but_for_the_seed(made, tmp_path):
    found = reproduce("two_tower.toy", tmp_path, data_dir=tmp_path / "copy", seed=3)
    assert made.read == [("toys", tmp_path / "copy")]
    (given,) = made.trained
    assert (given.name, given.tables) == ("two_tower", "tables")
    assert given.folder == tmp_path / "two_tower.toy-3"
    assert given.hyperparameters == {"dim": 8}
    assert given.command == "tfrec-zoo train two_tower.toy"
    chosen = {"split": "leave_one_out", "seed": 3, "epochs": 3, "learning_rate": 0.5}
    assert given.options == TrainOptions(**chosen, item_features=("genres", "year"))
    assert dict(found.metrics) == {"ndcg@10": 0.2}  # what the card and the run both have


def test_an_ensembles_members_are_trained_and_combined_on_the_cards_scale(made, tmp_path):
    reproduce("ensemble.toy", tmp_path, seed=1)
    assert [(one.name, one.options.seed) for one in made.trained] == [
        ("two_tower", 1),
        ("ease", 1),
    ]
    assert [one.hyperparameters for one in made.trained] == [{"dim": 8}, {"l2": 5.0}]
    ((members, folder, scale, command),) = made.combined
    assert members == [tmp_path / "two_tower.toy-1", tmp_path / "ease.toy-1"]
    assert folder == tmp_path / "ensemble.toy-1" and scale == "ranks"
    assert command == "tfrec-zoo train ensemble.toy"


def test_other_data_and_fine_tuned_models_are_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(reproducing, "checksum", lambda tables: "another sum")
    with pytest.raises(ValueError, match=r"toys must be the data of two_tower\.toy"):
        reproduce("two_tower.toy", tmp_path)
    monkeypatch.setattr(reproducing, "card_of", lambda name: card(start="two_tower"))
    with pytest.raises(ValueError, match=r"was fine-tuned from a two_tower"):
        reproduce("two_tower.toy", tmp_path)
    assert not made.trained
