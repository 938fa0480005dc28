"""Types of arguments, checked before anything is computed with them."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field
from typing import Any, get_args

import numpy as np

from tfrec_fusion.errors import WrongType

_KINDS: dict[str, tuple[Any, str]] = {
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a number"),
    "bool": ((bool, np.bool_), "True or False"),
    "str": (str, "a string"),
}


def type_name(field: Field[Any]) -> str:
    """Returns the annotation of a dataclass field as it is written, such as `"int | None"`.

    Args:
        field: Of a dataclass whose annotations are strings or types.
    """
    kind = field.type
    if isinstance(kind, str):
        return kind
    name = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    return re.sub(r"^typing\.Optional\[(.*)\]$", r"\1 | None", name)


def check_types(fields: Iterable[Field[Any]], values: Mapping[str, Any]) -> None:
    """Refuses values that are not of the type of their dataclass field.

    Args:
        fields: Of a dataclass. Numbers, truth values, strings and tuples of them are checked; every
            other type passes.
        values: Values by name; a field without one is not checked.

    Raises:
        WrongType: With the name, what it must be and what was received.
    """
    for field in fields:
        if field.name not in values:
            continue
        value, kind = values[field.name], type_name(field)
        plain = kind.removesuffix(" | None")
        if value is None and plain != kind:
            continue
        if plain in _KINDS and not _is(value, plain):
            raise WrongType(_message(field.name, _KINDS[plain][1], value))
        if plain.startswith("tuple[") and (of := plain[6:].partition(",")[0]) in _KINDS:
            if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
                hint = f" For one, write ({value!r:.40},)."
                many = f"a tuple, each {_KINDS[of][1]}"
                raise WrongType(_message(field.name, many, value) + hint)
            for one in value:
                if not _is(one, of):
                    raise WrongType(_message(field.name, f"a tuple, each {_KINDS[of][1]}", value))


def check_instance(value: object, kind: type, name: str, remedy: str) -> None:
    """Refuses an argument of another class.

    Args:
        value: What was given.
        kind: The class it must be of.
        name: The argument's name.
        remedy: A sentence that says where to take it from.

    Raises:
        WrongType: With the name, the class, what was received and the remedy.

    Example:

    >>> check_instance(3, int, "k", "Count the items.")
    """
    if not isinstance(value, kind):
        received = f"{value!r:.60}, of the type {type(value).__name__}"
        raise WrongType(f"`{name}` must be of {kind.__name__}. {remedy} Received: {received}.")


def _is(value: object, kind: str) -> bool:
    """Whether a value is of a kind; a truth value is no number."""
    is_bool = isinstance(value, (bool, np.bool_))
    return isinstance(value, _KINDS[kind][0]) and (is_bool == (kind == "bool"))


def _message(name: str, what: str, value: object) -> str:
    return f"`{name}` must be {what}. Received: {value!r:.60}, of the type {type(value).__name__}."
