"""The models by name: those of the zoo, of installed packages, and those that a program registers.

The zoo's are the `SPEC` or `SPECS` of the modules in `zoo.models` and `zoo.baselines`, found by
walking these packages. An installed package adds its own by an entry point of the group
`tfrec_fusion.models` that names a `ModelSpec`; a program calls `register`.
"""

from __future__ import annotations

import difflib
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from importlib import import_module, metadata
from typing import Any

from tfrec_fusion.argument_types import check_instance, check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.spec import SIZES, ModelSpec

PACKAGES = ("tfrec_fusion.zoo.baselines", "tfrec_fusion.zoo.models")
ENTRY_POINTS = "tfrec_fusion.models"
_registered: dict[str, ModelSpec] = {}


def register(spec: ModelSpec) -> ModelSpec:
    """Adds a model: to `build`, `train`, the command line and all that takes a model's name.

    Args:
        spec: Its description.

    Returns:
        The same.

    Raises:
        InvalidInput: When another model has one of its names.

    Example: `CONTRIBUTING.md` has a whole model in a file outside of the package.
    """
    check_instance(spec, ModelSpec, "spec", "Describe the model by zoo.ModelSpec(...).")
    for other in specs().values():
        taken = {other.name, *other.former_names} & {spec.name, *spec.former_names}
        if taken and (other.name != spec.name or other.name in _found()):
            raise InvalidInput(
                f"There is a model {min(taken)!r} already. Choose another `name` for yours."
            )
    _registered[spec.name] = spec
    return spec


def specs() -> dict[str, ModelSpec]:
    """Every model by name, baselines first."""
    return {**_found(), **_registered}


@cache
def _found() -> dict[str, ModelSpec]:
    found = {spec.name: spec for package in PACKAGES for spec in _specs_in(package)}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            spec = point.load()
            check_instance(spec, ModelSpec, point.name, "The entry point must name a ModelSpec.")
        except Exception as error:  # a stranger's package must not break every command
            warnings.warn(
                f"The model {point.name!r} of {point.value} cannot be used: {error}", stacklevel=2
            )
            continue
        if spec.name in found:
            warnings.warn(f"{point.value}: there is a model {spec.name!r} already.", stacklevel=2)
            continue
        found[spec.name] = spec
    return found


def _specs_in(package: str) -> Iterator[ModelSpec]:
    path = import_module(package).__path__
    for module in sorted(one.name for one in pkgutil.iter_modules(path)):
        said = vars(import_module(f"{package}.{module}"))
        yield from said.get("SPECS", (said["SPEC"],) if "SPEC" in said else ())


def get_spec(name: object) -> ModelSpec:
    """Finds a model's description by its name, or by one of an earlier version.

    Raises:
        InvalidInput: With the names, and the one that was probably meant.
    """
    known = specs()
    if isinstance(name, str):
        for spec in known.values():
            if name == spec.name or name in spec.former_names:
                return spec
    close = difflib.get_close_matches(str(name).casefold(), known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close and isinstance(name, str) else ""
    raise InvalidInput(f"`name` must be one of {', '.join(known)}. Received: {name!r:.60}.{meant}")


def build(name: str, **keywords: Any) -> Any:
    """Builds a model by name.

    Args:
        name: One of `list_models()`.
        **keywords: The fields of its config and its arrays. Neural models need `num_users` and
            `num_items`, the sizes of the vocabularies (the OOV index 0 included); baselines learn
            them in `fit`.

    Returns:
        A `keras.Model`, or a baseline with `fit(events, item_texts)`.

    Raises:
        ValueError: When the name or a keyword is unknown; the message lists the valid ones.
        TypeError: When a keyword has a value of another type.

    Example:

    >>> build("two_tower", num_users=944, num_items=1683, dim=32).name
    'two_tower'
    """
    spec = get_spec(name)
    if missing := [size for size in spec.required if size not in keywords]:
        raise InvalidInput(f"{name} needs {' and '.join(f'`{size}`' for size in missing)}.")
    of_config = [one.name for one in fields(spec.config)]
    sizes = [] if spec.is_baseline else [size for size in SIZES if size in of_config]
    valid = [*sizes, *(one.name for one in spec.config_options), *spec.arrays]
    # Whoever builds any model gives both sizes; a config that lacks one needs none.
    ignored = () if spec.is_baseline else set(SIZES) - set(sizes)
    given = {key: value for key, value in keywords.items() if key not in ignored}
    if unknown := [key for key in given if key not in valid]:
        raise InvalidInput(f"{name} takes {', '.join(valid)}. Received: {', '.join(unknown)}.")
    check_types([one for one in fields(spec.config) if one.name in valid], given)
    arrays = {key: value for key, value in given.items() if key not in of_config}
    choices = {key: value for key, value in given.items() if key in of_config}
    own_sizes = {} if spec.sizes is None else spec.sizes(**arrays)
    config = spec.make_config(**{**choices, **own_sizes})
    model = spec.build(config, **arrays)
    if not spec.is_baseline and vars(model).get("config") is None:
        model.config = config  # of a graph that has no class of its own
    return model
