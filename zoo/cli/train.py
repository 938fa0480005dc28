"""The command that trains a model: `train MODEL`, its options made from the model's spec."""

from __future__ import annotations

import difflib
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfrec_fusion.argument_types import type_name
from tfrec_fusion.errors import UserError
from tfrec_fusion.zoo.cli.groups import COMMAND, LazyCommands
from tfrec_fusion.zoo.cli.model_options import options_of_fields, sentence
from tfrec_fusion.zoo.cli.printing import print_run, tell
from tfrec_fusion.zoo.cli.sections import SectionedCommand
from tfrec_fusion.zoo.cli.shared_options import reads_tables, shared
from tfrec_fusion.zoo.cli.terminal import typed_command
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import ModelSpec, options_of

if TYPE_CHECKING:
    from tfrec_fusion.training.recipe import Recipe

OF_BASELINES = ("split", "seed", "allow_seen", "positive_from", "production")
_DATA = ["data", "data_dir", "sep", "encoding", "decimal"]
_RESULT = ["out", "as_json"]


class Models(click.Group):
    """A group whose commands are the registered models."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The models, baselines first."""
        return list(specs())

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Finds the command of a model; an unknown one is answered with the valid ones."""
        known = self.list_commands(ctx)
        unknown = args[:1] and not args[0].startswith("-") and args[0] not in self.commands
        if unknown and not ctx.resilient_parsing:
            close = difflib.get_close_matches(args[0].casefold(), known, n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            ctx.fail(
                f"MODEL must be one of {', '.join(known)}. Received: {args[0]!r}.{meant} A model "
                "of your own is named by --plugin FILE, before the command."
            )
        name, command, rest = super().resolve_command(ctx, args)
        ctx.meta[COMMAND] = command
        return name, command, rest


def _command_of_name(name: str) -> click.Command:
    """The command of a model, also by a name of an earlier version."""
    for spec in specs().values():
        if name in (spec.name, *spec.former_names):
            return train_command(spec)
    raise KeyError(name)


@click.group("train", cls=Models, subcommand_metavar="MODEL [OPTIONS]")
def train() -> None:
    """Train MODEL into a run folder and measure it.

    Each model has options of its own: `train MODEL --help` lists them with their defaults.
    """


train.commands = LazyCommands(specs, _command_of_name)


def train_command(spec: ModelSpec) -> click.Command:
    """Makes `train NAME`, with the model's own options.

    Args:
        spec: The model's description.
    """
    general = [one for one in options_of(TrainOptions) if _applies(one, spec)]

    @reads_tables(required=True)
    @shared("out", "as_json")
    def run(
        data: str,
        out: Path,
        data_dir: Path | None,
        csv: dict[str, str],
        as_json: bool,
        **chosen: Any,
    ) -> None:
        _train(spec.name, data, data_dir, csv, out, as_json, chosen)

    of_config = options_of_fields(spec.config_options, spec.default)
    further = options_of_fields(spec.training_options, spec.default)
    training = options_of_fields(general, lambda one: one.default, _recipes_numbers(spec))
    sections = {
        "Data": _DATA,
        "Result": _RESULT,
        "Model": [str(one.name) for one in of_config],
        "Training of this model": [str(one.name) for one in further],
        "Training": [str(one.name) for one in training],
    }
    command: click.Command = click.command(
        spec.name,
        cls=SectionedCommand,
        sections=sections,
        help=f"Train {spec.name}: {spec.summary}.",
        short_help=sentence(spec.summary),
    )(run)
    command.params += of_config + further + training
    return command


def _applies(one: Field[Any], spec: ModelSpec) -> bool:
    return not spec.is_baseline or one.name in OF_BASELINES


def _recipes_numbers(spec: ModelSpec) -> dict[str, str]:
    """The numbers of the recipe that a model is trained by with its other defaults, in words."""
    if spec.is_baseline:
        return {}
    recipe = recipe_of_defaults(spec)
    numbers = {} if recipe is None else vars(recipe)
    own = [one.name for one in options_of(TrainOptions) if one.default is None]
    return {name: f"{numbers[name]:g} by the recipe" for name in own if name in numbers}


def recipe_of_defaults(spec: ModelSpec) -> Recipe | None:
    """Returns the recipe of a neural model with the defaults of its options.

    Args:
        spec: The model's description.

    Returns:
        The recipe; None where the config of such a model cannot be made without data.
    """
    parts_first = bool(spec.parts_of(spec.choices_of({}))) and any(
        one.name == "pretrain" and spec.default(one) for one in spec.training_options
    )
    options = {one.name for one in options_of(spec.config)}
    # Sizes that follow from the data, such as the number of users: any will do.
    sizes = [
        one for one in fields(spec.config) if one.name not in options and type_name(one) == "int"
    ]
    try:
        config = spec.make_config(**{one.name: 2 for one in sizes if one.name not in spec.fixed})
    except UserError:
        return None
    return spec.recipe_of(config, after_parts=parts_first)


def _train(
    name: str,
    data: str,
    data_dir: Path | None,
    csv: dict[str, str],
    out: Path,
    as_json: bool,
    chosen: dict[str, Any],
) -> None:
    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.zoo.runs.train import train

    run = train(
        name,
        read_tables(data, data_dir, **csv),
        out,
        command=typed_command(),
        say=tell,
        progress=not as_json,
        **_given(chosen),
    )
    print_run(out, run.info, as_json)
    if not as_json:
        tell(f"{out}: report.html shows the numbers; `recommend {out} --user-id ID` asks.")


def _given(chosen: dict[str, Any]) -> dict[str, Any]:
    """The options without those of training that a baseline does not have and that are unset."""
    general = {one.name for one in fields(TrainOptions)}
    return {key: one for key, one in chosen.items() if one is not None or key not in general}
