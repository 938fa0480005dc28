"""Command-line options made from dataclass fields, such as those of a model's config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field
from typing import Any

import click

from tfrec_fusion.argument_types import type_name
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.cli.names import names_in
from tfrec_fusion.zoo.cli.sections import WordedOption

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


class Choices(click.Choice):
    """One or more of some names, joined by commas."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Checks each of the names."""
        for name in names_in([value]):
            super().convert(name, param, ctx)
        return value


_TYPES: dict[str, Any] = {
    "int": click.INT,
    "float": click.FLOAT,
    "str": click.STRING,
    "Any": click.STRING,
    "tuple[int, ...]": WholeNumbers(),
}


def options_of_fields(
    chosen: Iterable[Field[Any]],
    default: Callable[[Field[Any]], Any],
    shown: Mapping[str, str] | None = None,
) -> list[click.Option]:
    """Makes one option for each field, with its default, help and choices.

    Args:
        chosen: Dataclass fields made by `zoo.spec.option`.
        default: Gives the default of a field.
        shown: The defaults of fields that are None until something else decides, in words.

    Raises:
        InvalidInput: When a field has a type that no option can have.
    """
    return [_option(one, default(one), (shown or {}).get(one.name)) for one in chosen]


def sentence(text: str) -> str:
    """Returns a help text as a sentence; a name at its beginning stays as it is.

    Example:

    >>> sentence("size of the vectors"), sentence("logQ correction"), sentence("tiny_gpt2 or more")
    ('Size of the vectors.', 'logQ correction.', 'tiny_gpt2 or more.')
    """
    first = text.split(" ", 1)[0].rstrip(":;,")
    begun = text[:1].upper() + text[1:] if first.islower() and first.isalpha() else text
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."


def _option(one: Field[Any], default: Any, in_words: str | None) -> click.Option:
    flag = SINGULAR.get(one.name, "--" + one.name.replace("_", "-"))
    kind, text = type_name(one).removesuffix(" | None"), sentence(one.metadata["help"])
    choices = one.metadata["choices"]
    if kind == "bool":
        names = [f"{flag}/--no-{flag[2:]}"]
        return click.Option(names, default=default, show_default=True, help=text)
    if kind.startswith("Mapping"):
        return click.Option(
            [flag, one.name], multiple=True, type=Weight(), callback=_as_dict, help=text
        )
    if kind == "tuple[str, ...]":
        return WordedOption(
            [flag],
            multiple=True,
            type=Choices(choices) if choices else click.STRING,
            callback=_names,
            # What is shown is the default: an option that is given replaces it.
            default=default or None,
            show_default=",".join(default) or False,
            metavar=None if choices else "NAMES",
            help=text,
        )
    shown: Any = default is not None or (in_words or False)
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if not choices and kind not in _TYPES:
        raise InvalidInput(
            f"An option of the command line must be one of {', '.join(_TYPES)}, bool, Mapping or "
            f"tuple[str, ...]. Received: {one.name}: {kind}."
        )
    of_type = click.Choice(choices) if choices else _TYPES[kind]
    return WordedOption([flag], type=of_type, default=default, show_default=shown, help=text)


def _names(ctx: click.Context, param: click.Parameter, given: Any) -> tuple[str, ...]:
    return names_in(given)


def _as_dict(ctx: click.Context, param: click.Parameter, given: Any) -> dict[str, float]:
    return dict(given)
