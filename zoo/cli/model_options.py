"""Command-line options made from dataclass fields, such as those of a model's config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import Field
from typing import Any

import click

SINGULAR = {"loss_weights": "--loss-weight"}  # options that are given once for each entry


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
    "float": click.FLOAT,
    "str": click.STRING,
    "Any": click.STRING,
    "tuple[int, ...]": WholeNumbers(),
}


def options_of_fields(
    chosen: Iterable[Field[Any]], default: Callable[[Field[Any]], Any]
) -> list[click.Option]:
    """Makes one option for each field, with its default, help and choices.

    Args:
        chosen: Dataclass fields made by `zoo.spec.option`.
        default: Gives the default of a field.

    Raises:
        KeyError: When a field has a type that no option knows.
    """
    return [_option(one, default(one)) for one in chosen]


def _option(one: Field[Any], default: Any) -> click.Option:
    flag = SINGULAR.get(one.name, "--" + one.name.replace("_", "-"))
    kind, text = str(one.type).removesuffix(" | None"), one.metadata["help"]
    choices = one.metadata["choices"]
    if kind == "bool":
        names = [f"{flag}/--no-{flag[2:]}"]
        return click.Option(names, default=default, show_default=True, help=text)
    if kind.startswith("Mapping"):
        return click.Option(
            [flag, one.name], multiple=True, type=Weight(), callback=_as_dict, help=text
        )
    if kind == "tuple[str, ...]":
        if choices:
            text = f"{text}: {', '.join(choices)}"
        # What is shown is the default: an option that is given replaces it.
        return click.Option(
            [flag],
            multiple=True,
            callback=_names(choices),
            default=default or None,
            show_default=",".join(default) or False,
            metavar="NAMES",
            help=text,
        )
    shown: Any = default is not None
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    of_type = click.Choice(choices) if choices else _TYPES[kind]
    return click.Option([flag], type=of_type, default=default, show_default=shown, help=text)


def _names(choices: tuple[str, ...]) -> Callable[..., tuple[str, ...]]:
    """Names that are separated by commas, or given by repeating the option."""

    def callback(ctx: click.Context, param: click.Parameter, given: Any) -> tuple[str, ...]:
        names = (name.strip() for part in given for name in part.split(","))
        found = tuple(name for name in names if name)
        if choices and (unknown := [name for name in found if name not in choices]):
            raise click.BadParameter(
                f"{', '.join(unknown)!r} is not among {', '.join(choices)}", ctx, param
            )
        return found

    return callback


def _as_dict(ctx: click.Context, param: click.Parameter, given: Any) -> dict[str, float]:
    return dict(given)
