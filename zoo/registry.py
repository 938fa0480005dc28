"""The models by name: those of the zoo, of installed packages, and those that a program registers.

The zoo's are the `SPEC` or `SPECS` of the modules in `zoo.models` and `zoo.baselines`, found by
walking these packages. An installed package adds its own by an entry point of the group
`tfrec_fusion.models` that names a `ModelSpec`; a program calls `register`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.registries import Registry
from tfrec_fusion.zoo.spec import SIZES, ModelSpec

PACKAGES = ("tfrec_fusion.zoo.baselines", "tfrec_fusion.zoo.models")
ENTRY_POINTS = "tfrec_fusion.models"

_models: Registry[ModelSpec] = Registry(ModelSpec, "model", PACKAGES, "SPEC", ENTRY_POINTS)


def register(spec: ModelSpec) -> ModelSpec:
    """Adds a model: to `build`, `train`, the command line and all that takes a model's name.

    Args:
        spec: Its description; one that the program registered under this name is replaced.

    Returns:
        The same.

    Raises:
        WrongType: When it is no `ModelSpec`.
        InvalidInput: When another model has one of its names.

    Example: see the page "Extending", which has a whole model in a file outside of the package.
    """
    for other in _models.members().values() if isinstance(spec, ModelSpec) else ():
        taken = {other.name, *other.former_names} & {spec.name, *spec.former_names}
        if other.name != spec.name and taken:
            raise InvalidInput(
                f"There is a model {min(taken)!r} already. Choose another `name` for yours."
            )
    return _models.add(spec)


def specs() -> dict[str, ModelSpec]:
    """Returns every model's description by name, baselines first."""
    known = _models.members()
    return dict(sorted(known.items(), key=lambda pair: (not pair[1].is_baseline, pair[0])))


def get_spec(name: object) -> ModelSpec:
    """Finds a model's description by its name, or by one of an earlier version.

    Raises:
        InvalidInput: With the names, and the one that was probably meant.
    """
    known = specs()
    if isinstance(name, str):
        if name in known:
            return known[name]
        for spec in known.values():
            if name in spec.former_names:
                return spec
    meant = _models.suggestion(name) if isinstance(name, str) else ""
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
