"""The classes that a `.keras` file may name, known to Keras before their modules are imported.

Keras looks up a saved class among those registered, and imports no module of another package to
find it. Importing every layer and model for that would take seconds, so that stand-ins are
registered, each of which imports its class when a file asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

REGISTERED = re.compile(
    r'^@keras\.saving\.register_keras_serializable\("(\w+)"\)\n((?:@.*\n)*)class (\w+)',
    re.MULTILINE,
)
FORMERLY = re.compile(r"^@formerly\((.*)\)$", re.MULTILINE)
Class = TypeVar("Class", bound=type)


def formerly(*names: str) -> Callable[[Class], Class]:
    """Names a class had in files of earlier versions, which still load.

    The decorator changes nothing: `saved_classes` reads it in the source. It stands below the one
    that registers the class with Keras.

    Args:
        *names: The names, as string literals.
    """
    return lambda named: named


class SavedClass:
    """Stands for a class in Keras's registry until a saved model needs it.

    Args:
        module: Where the class is.
        name: Its name there.
    """

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any], **settings: Any) -> Any:
        """An object of the class; importing its module registers the class itself."""
        return getattr(import_module(self.module), self.name).from_config(config, **settings)


def saved_classes() -> Iterator[tuple[str, SavedClass]]:
    """Registered name and stand-in of every class that the sources register with Keras."""
    package = Path(__file__).parent
    paths = {*package.rglob("*.py"), *(package / "zoo").rglob("*.py")}  # the zoo may be a link
    for path in sorted(paths):
        module = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for space, decorators, name in REGISTERED.findall(path.read_text("utf-8")):
            former = re.findall(r'"(\w+)"', "".join(FORMERLY.findall(decorators)))
            for known in (name, *former):
                yield f"{space}>{known}", SavedClass(module, name)


def register_saved_classes(registry: MutableMapping[str, Any]) -> None:
    """Adds the stand-ins to Keras's registry, beside what is registered already.

    Args:
        registry: `keras.saving.get_custom_objects()`.
    """
    for name, stand_in in saved_classes():
        registry.setdefault(name, stand_in)


def renamed_keys(value: Any, names: Mapping[str, str]) -> Any:
    """Returns a value of JSON with the keys of its objects renamed, however deep.

    Args:
        value: Of a file of an earlier version.
        names: New names by old ones.

    Example:

    >>> renamed_keys({"data": [{"licence": "MIT"}]}, {"licence": "license"})
    {'data': [{'license': 'MIT'}]}
    """
    if isinstance(value, dict):
        return {names.get(key, key): renamed_keys(one, names) for key, one in value.items()}
    return [renamed_keys(one, names) for one in value] if isinstance(value, list) else value
