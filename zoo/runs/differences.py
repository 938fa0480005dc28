"""Differences between two descriptions of a training, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHOWN = 12  # digits of a checksum


def differences(old: Mapping[str, Any], new: Mapping[str, Any], kind: str = "") -> list[str]:
    """Names each value that differs, with the old and the new one.

    Args:
        old: Values by name; nested mappings are compared name by name.
        new: The same of the other training.
        kind: What the values are, such as `options`, written before their names.

    Example:

    >>> differences({"options": {"seed": 0}, "checksum": "ab"}, {"options": {"seed": 1}})
    ['the data changed (checksum ab, now none)', 'options: `seed` was 0, is now 1']
    """
    found = []
    for name in sorted({**old, **new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{name}: ")
        elif name == "checksum":
            sums = (str(one or "none")[:_SHOWN] for one in (before, after))
            found.append("the data changed (checksum {}, now {})".format(*sums))
        elif name == "start":
            found.append("it starts from another model")
        else:
            found.append(f"{kind}`{name}` was {_value(before)}, is now {_value(after)}")
    return found


def _value(value: Any) -> str:
    return "not given" if value is None else repr(value)
