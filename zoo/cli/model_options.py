"""Command-line options of a model, made from the fields of its config."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field
from typing import Any

import click


class WholeNumbers(click.ParamType):
    """Whole numbers joined by commas, such as 64,32,16."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """`"64,32"` → `(64, 32)`."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers such as 64,32,16", param, ctx)


class Names(click.ParamType):
    """Names joined by commas, such as rating,sentiment."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """`"rating,sentiment"` → `("rating", "sentiment")`."""
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class Weight(click.ParamType):
    """A name and a number, such as rating=0.1."""

    name = "name=number"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:
        """`"rating=0.1"` → `("rating", 0.1)`."""
        if isinstance(value, tuple):
            return value
        name, equals, number = str(value).partition("=")
        try:
            return name.strip(), float(number if equals else "")
        except ValueError:
            self.fail(f"{value!r} is not a name and a number such as rating=0.1", param, ctx)


_TYPES: dict[str, Any] = {
    "int": click.INT,
    "int | None": click.INT,
    "float": click.FLOAT,
    "str": click.STRING,
    "tuple[int, ...]": WholeNumbers(),
    "tuple[str, ...]": Names(),
}


def model_options(chosen: list[Field[Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a command one option for each field, with its default and help.

    Args:
        chosen: Dataclass fields with `metadata["help"]`.

    Raises:
        KeyError: When a field has a type that no option knows.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for one in reversed(chosen):
            flag = "--" + one.name.replace("_", "-")
            shown = one.default is not None
            text = one.metadata["help"]
            if one.type == "bool":
                option = click.option(
                    f"{flag}/--no-{flag[2:]}", default=one.default, show_default=True, help=text
                )
            else:
                default = one.default
                if isinstance(default, tuple):
                    default = ",".join(map(str, default))
                option = click.option(
                    flag, type=_TYPES[str(one.type)], default=default, show_default=shown, help=text
                )
            command = option(command)
        return command

    return decorate
