"""Training again from a card: what is trained, how, and when the numbers agree."""

from __future__ import annotations

import shlex
from types import SimpleNamespace

import pytest

from tfrec_fusion.zoo.cli.group import cli
from tfrec_fusion.zoo.prebuilt import reproducing
from tfrec_fusion.zoo.prebuilt.card import cards
from tfrec_fusion.zoo.prebuilt.load import load
from tfrec_fusion.zoo.prebuilt.reproducing import Reproduction, _keywords, reproduce
from tfrec_fusion.zoo.protocols import Network
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.settings import Settings

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

    def train(name, tables, folder, *, command, say, **keywords):
        called = {"tables": tables, "folder": folder, "command": command, "keywords": keywords}
        calls.trained.append(SimpleNamespace(name=name, **called))
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
    assert given.command == "tfrec-zoo train two_tower.toy"
    assert given.keywords == {
        **{"split": "leave_one_out", "seed": 3, "epochs": 3, "learning_rate": 0.5, "dim": 8},
        "item_features": ("genres", "year"),
    }
    assert dict(found.metrics) == {"ndcg@10": 0.2}  # what the card and the run both have


def test_an_ensembles_members_are_trained_and_combined_on_the_cards_scale(made, tmp_path):
    reproduce("ensemble.toy", tmp_path, seed=1)
    assert [(one.name, one.keywords["seed"]) for one in made.trained] == [
        ("two_tower", 1),
        ("ease", 1),
    ]
    own = {"dim": 8, "item_features": ("genres", "year")}, {"l2": 5.0}  # EASE has no features
    general = {"split": "leave_one_out", "seed": 1, "epochs": 3, "learning_rate": 0.5}
    assert [one.keywords for one in made.trained] == [{**general, **one} for one in own]
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


def plain(value):
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", [name for name, one in cards().items() if not one.members])
def test_a_packaged_card_and_its_command_train_what_was_published(name):
    """Cards of version 0.1 hold the options of every model, and values as they were spelled."""
    card, model = cards()[name], load(name).run.model
    spec, words = get_spec(card.architecture), shlex.split(card.command)
    assert words[:3] == ["tfrec-zoo", "train", spec.name]
    read = cli.commands["train"].get_command(None, spec.name).make_context(spec.name, words[3:])
    general = {"data", "out", "data_dir", "csv", "as_json"}
    by_command = {key: one for key, one in read.params.items() if key not in general}
    by_command = {key: one for key, one in by_command.items() if one is not None}
    published = model.config if isinstance(model, Network) else model
    for keywords in (_keywords(card), by_command):
        settings = Settings.from_keywords(spec, keywords)
        options = settings.as_options()
        for key in options.keys() & card.options.keys() - {"progress"}:
            assert plain(options[key]) == card.options[key], key
        config = spec.make_config if spec.is_baseline else sized(spec, published)
        chosen = config(**settings.choices)
        for one in spec.config_options:
            assert getattr(chosen, one.name) == getattr(published, one.name), one.name


def sized(spec, published):
    """Makes configs with the sizes of the published model."""
    options = {one.name for one in spec.config_options} | spec.fixed.keys()
    sizes = {name: one for name, one in vars(published).items() if name not in options}
    return lambda **choices: spec.make_config(**sizes, **choices)


def test_the_packaged_ensemble_is_made_of_runs_that_the_other_cards_name():
    (card,) = (one for one in cards().values() if one.members)
    words = shlex.split(card.command)
    assert words[:2] == ["tfrec-zoo", "ensemble"]
    assert words[2 : 2 + len(card.members)] == [f"runs/{one}-0" for one in card.members]
    assert words[2 + len(card.members) :] == ["--scale", card.scale, "--out", f"runs/{card.name}-0"]
