"""What fields of a JSON file must be: checks that are put together like the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tfrec_fusion.errors import InvalidInput

Check: TypeAlias = Callable[[Any, str], None]
MOST = 2**53  # beyond it, neighboring whole numbers are one number in JSON


def text(value: Any, name: str) -> None:
    """A string."""
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)


def truth(value: Any, name: str) -> None:
    """Refuses anything but true and false."""
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)


def whole(value: Any, name: str) -> None:
    """A whole number from 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
        raise _wrong(name, "a whole number, at least 0", value)


def number(value: Any, name: str) -> None:
    """A number; NaN and infinity are none in JSON."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e300:
        raise _wrong(name, "a number", value)


def share(value: Any, name: str) -> None:
    """A number from 0."""
    number(value, name)
    if value < 0:
        raise _wrong(name, "a number, at least 0", value)


def scalar(value: Any, name: str) -> None:
    """What a keyword of a model may be: null, a truth value, a number or a string, or a list."""
    for one in value if isinstance(value, list) else [value]:
        if one is not None and not isinstance(one, (bool, str)):
            number(one, name)


def file_name(value: Any, name: str) -> None:
    """The name of one file or folder, which leads nowhere else."""
    text(value, name)
    plain = re.fullmatch(r"[^/\\:\x00-\x1f]{1,200}", value)
    if plain is None or value in (".", ".."):
        raise _wrong(name, "the name of a folder, without a path", value)


def one_of(*values: Any) -> Check:
    """One of these."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise _wrong(name, f"one of {', '.join(values)}", value)

    return check


def optional(check: Check) -> Check:
    """Null, or what another check says."""

    def check_optional(value: Any, name: str) -> None:
        if value is not None:
            check(value, name)

    return check_optional


def list_of(check: Check, length: int | None = None) -> Check:
    """A list, each entry as another check says."""

    def check_list(value: Any, name: str) -> None:
        if not isinstance(value, list) or length not in (None, len(value)):
            raise _wrong(name, "a list" if length is None else f"a list of {length}", value)
        for place, one in enumerate(value):
            check(one, f"{name}[{place}]")

    return check_list


def mapping(check: Check, keys: Check = text) -> Check:
    """An object, each value as another check says."""

    def check_mapping(value: Any, name: str) -> None:
        for key, one in _object(value, name).items():
            keys(key, f"a name in {name}")
            check(one, f"{name}.{key:.60}")

    return check_mapping


def record(
    required: Mapping[str, Check], more: Mapping[str, Check] | None = None, *, closed: bool = False
) -> Check:
    """An object with these fields.

    Args:
        required: Checks of fields that must be there.
        more: Checks of fields that may be missing.
        closed: Whether other fields are refused; otherwise they are left as they are.
    """
    checks = {**required, **(more or {})}

    def check_record(value: Any, name: str) -> None:
        within = f"{name}." if name else ""
        _object(value, name)
        for key in required:
            if key not in value:
                raise InvalidInput(f"`{within}{key}` is missing.")
        if closed and (unknown := sorted(value.keys() - checks.keys())):
            known = ", ".join(checks)
            raise InvalidInput(f"`{name}` has only {known}. Received: {', '.join(unknown):.60}.")
        for key in checks.keys() & value.keys():
            checks[key](value[key], f"{within}{key}")

    return check_record


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def _wrong(name: str, what: str, value: Any) -> InvalidInput:
    field = f"`{name}`" if name else "Its content"
    return InvalidInput(f"{field} must be {what}. Received: {value!r:.60}.")
