"""Options of commands that read tables: where the tables are and how their files are written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tfrec_fusion.data.sources.registry import source_names

_CSV = {
    "sep": "Separator of CSV files, such as ';'; a comma by default.",
    "encoding": "Encoding of CSV files, such as cp1252 or utf-16; utf-8 by default.",
    "decimal": "Decimal character of ratings and times in CSV files, such as ','.",
}
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def reads_tables(**data: Any) -> Decorator:
    """Adds `--data`, `--data-dir`, `--sep`, `--encoding` and `--decimal` to a command.

    The command receives `data`, `data_dir` and `csv`, the keywords that `read_tables` takes.

    Args:
        **data: Keywords of the option `--data`, such as `required=True`.
    """
    described = {"help": f"{', '.join(source_names())}, or a folder of tables.", **data}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        return click.option("--data", **described)(reads_files(command))

    return decorate


def reads_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of `reads_tables` without `--data`, for a command that knows its data."""

    @functools.wraps(command)
    def with_csv(*arguments: Any, **chosen: Any) -> Any:
        csv = {name: chosen.pop(name) for name in _CSV}
        csv = {name: value for name, value in csv.items() if value is not None}
        return command(*arguments, csv=csv, **chosen)

    decorated: Callable[..., Any] = with_csv
    for name, text in reversed(_CSV.items()):
        decorated = click.option(f"--{name}", help=text)(decorated)
    local = click.Path(path_type=Path)
    return click.option("--data-dir", type=local, help="Local copy of a public data set.")(
        decorated
    )
