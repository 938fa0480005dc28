"""Options: the same name for the same thing in every command, choices, defaults, one style."""

import dataclasses
from dataclasses import dataclass

import click
import pytest
from command_line import run

from tfrec_fusion import zoo
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.ensemble import SCALES
from tfrec_fusion.training.recipe import Recipe
from tfrec_fusion.zoo.cli import ensemble
from tfrec_fusion.zoo.cli.asked import asked_items, asked_users
from tfrec_fusion.zoo.cli.fine_tune import OF_START
from tfrec_fusion.zoo.cli.group import cli
from tfrec_fusion.zoo.cli.model_options import options_of_fields
from tfrec_fusion.zoo.cli.shared_options import SHARED
from tfrec_fusion.zoo.cli.train import OF_BASELINES, recipe_of_defaults, train_command
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import options_of

MODELS = dict(zoo.specs())
COMMANDS = {name: cli.commands[name] for name in cli.commands if name != "train"}
COMMANDS |= {f"train {name}": train_command(spec) for name, spec in MODELS.items()}
OPTIONS = [
    (name, option)
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]


def own_options(name):
    """Options that a model of `train` has for its config, such as the k of neighbors."""
    return {one.name for one in MODELS[name.split()[1]].config_options} if " " in name else set()


def test_an_option_that_is_shared_has_one_name_everywhere():
    of_keyword = {key: {flag.split("/")[0] for flag in flags} for key, (flags, _) in SHARED.items()}
    for command, option in OPTIONS:
        if option.name in own_options(command):
            continue
        for flag in option.opts:
            key = next((key for key, flags in of_keyword.items() if flag in flags), option.name)
            assert key == option.name, (command, flag)
        if option.name in SHARED:
            assert set(option.opts) == of_keyword[option.name], (command, option.name)


def test_every_shared_option_is_used_and_means_one_type():
    types = {}
    for command, option in OPTIONS:
        if option.name in SHARED and option.name not in own_options(command):
            types.setdefault(option.name, set()).add(type(option.type))
    assert types.keys() == SHARED.keys()
    # A model's config has ranges of its own, in the words of Python.
    ranges = {click.types.IntRange, click.types.IntParamType}
    assert all(len(found) == 1 or found == ranges for found in types.values()), types


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_is_a_sentence(name):
    command = COMMANDS[name]
    with click.Context(command, info_name=name) as context:
        for option in command.params:
            if not isinstance(option, click.Option):
                continue
            assert option.help, option.name
            assert option.help.endswith("."), option.help
            assert option.help[0].isupper() or not option.help.split()[0].islower(), option.help
            assert "SETS" not in str(option.get_help_record(context))
        assert command.help.splitlines()[0].endswith(".")


@pytest.mark.parametrize("name", MODELS)
def test_train_offers_what_the_spec_says(name):
    spec, command = MODELS[name], COMMANDS[f"train {name}"]
    options = {one.name: one for one in command.params}
    general = options_of(TrainOptions)
    if spec.is_baseline:
        general = [one for one in general if one.name in OF_BASELINES]
    for one in (*spec.config_options, *spec.training_options, *general):
        if choices := one.metadata["choices"]:
            assert isinstance(options[one.name].type, click.Choice), one.name
            assert tuple(options[one.name].type.choices) == choices
    given = {one.name for one in (*spec.config_options, *spec.training_options, *general)}
    assert given <= options.keys()
    shown = run("train", name, "--help").stdout
    order = ["Data:", "Result:", "Model:", "Training of this model:", "Training:", "Options:"]
    headings = [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [one for one in order if one in headings]


def test_defaults_are_numbers_of_the_recipe():
    assert recipe_of_defaults(MODELS["two_tower"]).epochs == 36
    # NeuMF starts from trained parts unless told otherwise, by a recipe of its own.
    assert recipe_of_defaults(MODELS["neumf"]) == MODELS["neumf"].recipe_after_parts
    for spec in MODELS.values():
        if not spec.is_baseline:
            assert isinstance(recipe_of_defaults(spec), Recipe), spec.name
    shown = " ".join(run("train", "two_tower", "--help").stdout.split())
    assert "--epochs INTEGER Most epochs. [default: 36 by the recipe]" in shown
    assert "[default: 0.002 by the recipe]" in shown and "--sep TEXT" in shown
    assert "[default: a comma]" in shown


def test_fine_tuning_has_every_option_of_training_but_those_of_the_start():
    options = {one.name for one in COMMANDS["fine-tune"].params}
    general = {one.name for one in options_of(TrainOptions)}
    assert general - options == {"split", "positive_from"}
    # What START decides cannot be taken back: there is no --no-allow-seen.
    (seen,) = (one for one in COMMANDS["fine-tune"].params if one.name == "allow_seen")
    assert "allow_seen" in OF_START and seen.opts == ["--allow-seen"] and not seen.secondary_opts


def test_scales_are_those_of_the_layer():
    assert ensemble.SCALES == SCALES


@dataclass
class Typed:
    """A config as a plugin without `from __future__ import annotations` writes it."""

    dim: int = zoo.option(8, "size")
    rate: float | None = zoo.option(None, "rate")
    units: tuple[int, ...] = zoo.option((4, 2), "sizes")
    kinds: tuple[str, ...] = zoo.option(("a",), "kinds", choices=("a", "b"))


def parsed(config, *arguments):
    command = click.Command("x", params=options_of_fields(options_of(config), lambda o: o.default))
    return command.make_context("x", list(arguments)).params


def test_annotations_may_be_types():
    assert parsed(Typed) == {"dim": 8, "rate": None, "units": (4, 2), "kinds": ("a",)}
    given = parsed(Typed, "--dim", "3", "--rate", ".5", "--units", "9", "--kinds", "b,a")
    assert given == {"dim": 3, "rate": 0.5, "units": (9,), "kinds": ("b", "a")}
    with pytest.raises(click.BadParameter, match="'c' is not one of 'a', 'b'"):
        parsed(Typed, "--kinds", "a,c")


def test_a_type_that_no_option_has_is_named():
    config = dataclasses.make_dataclass("Odd", [("when", complex, zoo.option(0j, "a moment"))])
    with pytest.raises(InvalidInput, match="Received: when: complex"):
        parsed(config)


def test_items_may_be_joined_by_commas_where_they_are_ids():
    known = {"1", "50", "Heat (1995)", "Hello,World"}
    assert asked_items(["1,50"], "--history", known) == ["1", "50"]
    assert asked_items([" 1, 50 "], "--history", known) == ["1", "50"]
    assert asked_items(["1,x"], "--history", known) == ["1", "x"]
    assert asked_items(["Matrix, The (1999)", "Heat (1995)"], "--history", known) == [
        "Matrix, The (1999)",
        "Heat (1995)",
    ]
    assert asked_items(["Hello,World"], "--history", known) == ["Hello,World"]
    for odd in ("", " ", "1,,50", "1,"):
        with pytest.raises(click.UsageError, match="--history must be an item's id or title"):
            asked_items([odd], "--history", known)


def test_users_come_from_options_and_a_file(tmp_path):
    file = tmp_path / "users.csv"
    file.write_text("user_id\nb\n\n a \nb\n")
    assert asked_users(("c", "a"), file) == ["c", "a", "b"]
    assert asked_users(("c",), None) == ["c"]
    file.write_text("user_id\n\n")
    with pytest.raises(InvalidInput, match=r"--user-ids .*users\.csv has no ids"):
        asked_users((), file)
    with pytest.raises(FileNotFoundError, match="--user-ids must be a file"):
        asked_users((), tmp_path / "none")
