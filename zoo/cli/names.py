"""Names on the command line that a shell can complete: runs, prebuilt models, data sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from tfrec_fusion.data.sources.registry import source_names

_DEPTH = 2  # folders below the one that was typed, in which runs are looked for
_MOST = 200


class ColumnValue(click.ParamType):
    """A column and a value, such as genres=Comedy."""

    name = "column=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        """`"genres=Comedy"` → `("genres", "Comedy")`."""
        if isinstance(value, tuple):
            return value
        column, equals, wanted = str(value).partition("=")
        if not (column.strip() and equals and wanted.strip()):
            self.fail(f"{value!r} is not a column and a value such as genres=Comedy", param, ctx)
        return column.strip(), wanted.strip()


class RunName(click.Path):
    """A run folder, or the name of a prebuilt model."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Completes prebuilt models and the run folders at hand, or else any folder."""
        return completed([*prebuilt_names(), *run_folders(incomplete)], incomplete, "dir")


class PrebuiltName(click.ParamType):
    """The name of a prebuilt model."""

    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Completes the prebuilt models."""
        return completed(prebuilt_names(), incomplete)


class DataName(click.ParamType):
    """The name of a public data set, or a folder of tables."""

    name = "name or folder"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Completes data sets, and folders."""
        return completed(source_names(), incomplete, "dir")


def prebuilt_names() -> list[str]:
    """Returns the names of the prebuilt models, of whose cards nothing is read."""
    from tfrec_fusion.zoo.prebuilt.card import CARDS

    return sorted(path.stem for path in CARDS.glob("*.json"))


def run_folders(incomplete: str) -> list[str]:
    """Returns the run folders whose paths begin with a text, a few levels deep.

    Args:
        incomplete: The beginning of a path, such as `"runs/tw"`.
    """
    folder = incomplete.rpartition("/")[0]
    start = Path(f"{folder}/") if folder or incomplete.startswith("/") else Path()
    found: list[str] = []
    try:
        for depth in range(1, _DEPTH + 1):
            for path in start.glob("/".join([*["[!.]*"] * depth, "run.json"])):
                found.append(str(path.parent))
                if len(found) == _MOST:
                    return found
    except OSError:  # a folder that may not be read has nothing to offer
        pass
    return sorted(found)


def completed(names: Iterable[str], incomplete: str, kind: str = "") -> list[CompletionItem]:
    """Returns the names that begin with a text.

    Args:
        names: The names.
        incomplete: The text.
        kind: `"dir"` or `"file"`, where the shell may complete paths, too.
    """
    # A shell's script takes the kind first: names after it are offered as well.
    paths = [CompletionItem(incomplete, type=kind)] if kind else []
    return paths + [CompletionItem(name) for name in names if name.startswith(incomplete)]


def names_in(given: Iterable[str]) -> tuple[str, ...]:
    """Returns names that were separated by commas, or given by repeating an option."""
    names = (name.strip() for part in given for name in part.split(","))
    return tuple(name for name in names if name)


def names_callback(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> Any:
    """As `names_in`, the callback of an option."""
    return names_in(given)
