"""Groups of commands: each command's module is imported when the command is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from importlib import import_module
from typing import Any

import click

from tfrec_fusion.zoo.cli.refusals import in_words

COMMAND = f"{__name__}.command"  # key of a context's `meta`: the command that was called
_NAMED = re.compile(r"(?<!column )`(\w+)(?:=(True|False))?`")


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, each made when it is looked up.

    Args:
        names: Gives the names, in the order of a list.
        make: Makes the command of a name.

    Raises:
        KeyError: When there is no such command.
    """

    def __init__(
        self, names: Callable[[], Iterable[str]], make: Callable[[str], click.Command]
    ) -> None:
        self._names, self._make = names, make
        self._added: dict[str, click.Command] = {}

    @classmethod
    def of_modules(cls, places: dict[str, str]) -> LazyCommands:
        """The commands of `{name: "package.module:attribute"}`."""

        def make(name: str) -> click.Command:
            module, _, attribute = places[name].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command

        return cls(lambda: places, make)

    def __getitem__(self, name: str) -> click.Command:
        return self._added[name] if name in self._added else self._make(name)

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._added[name] = command

    def __delitem__(self, name: str) -> None:
        del self._added[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._names(), *self._added]))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Commands(click.Group):
    """A group of commands that ends in one message where a user can mend an error."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parses the options of the group, which may import the files of `--plugin`."""
        with in_words():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        with in_words(lambda text: with_options(text, ctx.meta.get(COMMAND))):
            try:
                return super().invoke(ctx)
            except click.NoSuchOption as error:
                raise self._of_the_group(error, ctx) from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Finds the command, and notes it for the messages about its options."""
        name, command, rest = super().resolve_command(ctx, args)
        ctx.meta[COMMAND] = command
        return name, command, rest

    def _of_the_group(self, error: click.NoSuchOption, ctx: click.Context) -> click.UsageError:
        """Returns the error, or a clearer one for an option of the group after the command."""
        if not any(error.option_name in one.opts for one in self.params):
            return error
        program = ctx.command_path
        return click.UsageError(
            f"{error.option_name} belongs before the command: "
            f"{program} {error.option_name} … {ctx.invoked_subcommand} …",
            error.ctx,
        )


def with_options(text: str, command: click.Command | None) -> str:
    """Returns a message in which keywords of Python are options of a command.

    Args:
        text: The message, with keywords such as `l2` or `refit=False`.
        command: The command, whose parameters have the names of the keywords.

    Example:

    >>> command = click.Command("x", params=[click.Option(["--batch-size"])])
    >>> with_options("`batch_size` must be at least 1.", command)
    '--batch-size must be at least 1.'
    """
    options = {
        one.name: one
        for one in (command.params if command else ())
        if one.param_type_name != "argument"
    }

    def option(found: re.Match[str]) -> str:
        name, value = found.groups()
        if (known := options.get(name)) is None:
            return found.group()
        flags = known.secondary_opts if value == "False" else known.opts
        return max(flags, key=len) if flags else found.group()

    return _NAMED.sub(option, text)
