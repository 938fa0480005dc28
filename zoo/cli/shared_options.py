"""Options that several commands have: the same thing has the same name everywhere.

@click.command()
@run_argument
@shared("user_id", required=True)
@shared("k", "as_json")
def command(run, user_id, k, as_json): ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.zoo.cli.names import (
    ColumnValue,
    DataName,
    RunName,
    names_callback,
)
from tfrec_fusion.zoo.cli.sections import WordedOption

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
LOCAL = click.Path(path_type=Path)
PRESET_HELP = "Language model: minilm, a KerasHub preset, hf://owner/name[@revision], or a folder."
LENGTH_HELP = "Tokens of a text; by default 64, or as many as the language model has positions for."

# Keyword of the command → the option's names and attributes.
SHARED: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "user_id": (("--user-id",), {"help": "A user's id."}),
    "user_ids": (
        ("--user-ids",),
        {
            "type": LOCAL,
            "metavar": "FILE",
            "help": "Users: a UTF-8 file with an id in each line.",
        },
    ),
    "item_id": (("--item-id",), {"help": "An item: its id or its title."}),
    "history": (
        ("--history",),
        {
            "multiple": True,
            "metavar": "ITEM",
            "help": "Items that a new user has interacted with, oldest first: ids or titles, such "
            'as "Toy Story (1995)". Repeat it; ids may also be joined by commas, such as 1,50,181.',
        },
    ),
    "text": (("--text",), {"help": "A text query, in any words."}),
    "exclude": (
        ("--exclude",),
        {"multiple": True, "metavar": "ITEM", "help": "An item not to answer; may be repeated."},
    ),
    "allow": (
        ("--allow",),
        {
            "multiple": True,
            "metavar": "ITEM",
            "help": "An item that may be answered, and no others; may be repeated.",
        },
    ),
    "where": (
        ("--where",),
        {
            "multiple": True,
            "type": ColumnValue(),
            "metavar": "COLUMN=VALUE",
            "help": "Answer items with a value in a catalog column, such as genres=Comedy; may be "
            "repeated: any of the values of one column, and each of the columns.",
        },
    ),
    "allow_seen": (
        ("--allow-seen/--no-allow-seen",),
        {
            "default": None,
            "help": "Whether items that the user has interacted with are recommended, too; by "
            "default as the run was measured.",
        },
    ),
    "k": (
        ("-k", "--k"),
        {
            "type": click.IntRange(1),
            "default": 10,
            "show_default": True,
            "metavar": "NUMBER",
            "help": "Number of items.",
        },
    ),
    "run": (
        ("--run",),
        {
            "type": RunName(),
            "metavar": "RUN",
            "help": "A run folder, or the name of a prebuilt model.",
        },
    ),
    "out": (
        ("--out",),
        {"type": LOCAL, "required": True, "metavar": "FOLDER", "help": "Run folder to write."},
    ),
    "seed": (
        ("--seed",),
        {"default": 0, "show_default": True, "help": "Seed of everything drawn."},
    ),
    "epochs": (("--epochs",), {"type": click.IntRange(1), "help": "Most epochs."}),
    "batch_size": (("--batch-size",), {"type": click.IntRange(1), "help": "Examples in a batch."}),
    "learning_rate": (
        ("--learning-rate",),
        {"type": click.FLOAT, "help": "Learning rate at its highest."},
    ),
    "text_preset": (
        ("--text-preset",),
        {"default": "minilm", "show_default": True, "help": PRESET_HELP},
    ),
    "text_length": (("--text-length",), {"type": click.IntRange(1), "help": LENGTH_HELP}),
    "text_columns": (
        ("--text-columns",),
        {
            "multiple": True,
            "callback": names_callback,
            "metavar": "NAMES",
            "help": "Item columns that are read after title and text, such as brand,category.",
        },
    ),
    "positive_from": (
        ("--positive-from",),
        {"type": click.FLOAT, "help": "Drop events rated lower."},
    ),
    "allow_unsafe_ops": (
        ("--allow-unsafe-ops",),
        {
            "is_flag": True,
            "help": "Also run models that may read, write or send files, with your rights.",
        },
    ),
    "data_dir": (
        ("--data-dir",),
        {"type": LOCAL, "metavar": "FOLDER", "help": "Local copy of a public data set."},
    ),
    "sep": (
        ("--sep",),
        {"help": "Separator of CSV files, such as ';'.", "show_default": "a comma"},
    ),
    "encoding": (
        ("--encoding",),
        {"help": "Encoding of CSV files, such as cp1252 or utf-16.", "show_default": "utf-8"},
    ),
    "decimal": (
        ("--decimal",),
        {
            "help": "Decimal character of ratings and times in CSV files, such as ','.",
            "show_default": "a point",
        },
    ),
    "as_json": (("--json",), {"is_flag": True, "help": "Print one JSON object."}),
}
FILTERS = ("exclude", "allow", "where")
_CSV = ("sep", "encoding", "decimal")
run_argument = click.argument("run", type=RunName())
folder_argument = click.argument("folder", type=LOCAL)


class DataOption(WordedOption):
    """`--data`, whose help names the data sets that are known when it is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Returns the option and its help."""
        from tfrec_fusion.data.sources.registry import source_names

        self.help = str(self.help).replace("SETS", ", ".join(source_names()))
        return super().get_help_record(ctx)


def shared(*names: str, **changed: Any) -> Decorator:
    """Adds options of `SHARED` to a command.

    Args:
        *names: Keywords of the command.
        **changed: Attributes that differ in this command, such as `required=True`.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            flags, attributes = SHARED[name]
            if changed.get("is_flag"):
                flags = tuple(flag.partition("/")[0] for flag in flags)
            command = click.option(*flags, name, **{"cls": WordedOption, **attributes, **changed})(
                command
            )
        return command

    return decorate


def reads_tables(**changed: Any) -> Decorator:
    """Adds `--data`, `--data-dir`, `--sep`, `--encoding` and `--decimal` to a command.

    The command receives `data`, `data_dir` and `csv`, the keywords that `read_tables` takes.

    Args:
        **changed: Attributes of the option `--data`, such as `required=True`.
    """
    data = {
        "cls": DataOption,
        "type": DataName(),
        "metavar": "NAME|FOLDER",
        "help": "A public data set by name (SETS), or a folder of tables.",
        **changed,
    }

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        return click.option("--data", **data)(reads_files(command))

    return decorate


def reads_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of `reads_tables` without `--data`, for a command that knows its data."""

    @functools.wraps(command)
    def with_csv(*arguments: Any, **chosen: Any) -> Any:
        csv = {name: chosen.pop(name) for name in _CSV}
        csv = {name: value for name, value in csv.items() if value is not None}
        return command(*arguments, csv=csv, **chosen)

    return shared("data_dir", *_CSV)(with_csv)
