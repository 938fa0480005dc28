"""The group of all commands: which there are, and the options before a command."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from tfrec_fusion.zoo.cli.groups import Commands, LazyCommands
from tfrec_fusion.zoo.cli.plugins import VARIABLE, load_plugins

_CLI = "tfrec_fusion.zoo.cli"
# Command → where it is; its module imports nothing that takes time.
PLACES = {
    "completion": f"{_CLI}.completion:completion",
    "demo": f"{_CLI}.demo:demo",
    "distil-lm": f"{_CLI}.language_models:distil_lm",
    "ensemble": f"{_CLI}.ensemble:ensemble",
    "evaluate": f"{_CLI}.evaluate:evaluate",
    "explain": f"{_CLI}.explain:explain",
    "export": f"{_CLI}.export:export",
    "fine-tune": f"{_CLI}.fine_tune:fine_tune",
    "list": f"{_CLI}.listing:list_models",
    "pretrain-lm": f"{_CLI}.language_models:pretrain_lm",
    "promote": f"{_CLI}.exported:promote",
    "publish": f"{_CLI}.prebuilt:publish",
    "recommend": f"{_CLI}.recommend:recommend",
    "reproduce": f"{_CLI}.prebuilt:reproduce",
    "score": f"{_CLI}.recommend:score",
    "search": f"{_CLI}.search:search",
    "serve": f"{_CLI}.serve:serve",
    "similar": f"{_CLI}.recommend:similar",
    "train": f"{_CLI}.train:train",
    "verify": f"{_CLI}.exported:verify",
}


def _load(context: click.Context, option: click.Parameter, files: tuple[Path, ...]) -> None:
    load_plugins(files)


@click.group(
    cls=Commands,
    commands=LazyCommands.of_modules(PLACES),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--plugin",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    envvar=VARIABLE,
    show_envvar=True,
    expose_value=False,
    callback=_load,
    metavar="FILE.py",
    help="A Python file that registers a model of your own; may be repeated.",
)
@click.version_option(package_name="tfrec-fusion")
def cli() -> None:
    """Recommenders from raw tables to a served model.

    `completion bash` (or zsh, fish) prints a script by which TAB completes commands, options,
    models and runs: eval "$(tfrec-zoo completion bash)".
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
