"""Values of a model's options, checked before Keras would stumble over them in its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfrec_fusion.argument_types import type_name
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.spec import SIZES, options_of


def check_options(
    config: Any,
    *,
    sizes: Sequence[str] = (),
    rates: Sequence[str] = (),
    weights: Sequence[str] = (),
    former: Mapping[str, str] | None = None,
) -> None:
    """Checks the fields of a model's config: its vocabularies' sizes, choices and ranges.

    Lists become tuples, as in configs that come from JSON.

    Args:
        config: A frozen dataclass with `zoo.spec.option` fields.
        sizes: Fields of numbers, or of tuples of numbers, that are at least 1.
        rates: Fields at least 0 and below 1.
        weights: Fields at least 0 and finite.
        former: Values of choices in earlier versions, and what they are called now.

    Raises:
        ValueError: For the first field that is out of its range.
    """
    _check_vocabularies(config)
    for one in options_of(type(config)):
        if type_name(one).startswith("tuple"):
            object.__setattr__(config, one.name, tuple(getattr(config, one.name)))
        if choices := one.metadata.get("choices"):
            _check_choice(config, one.name, choices, former or {})
    for name in sizes:
        value = getattr(config, name)
        if not all(one >= 1 for one in (value if isinstance(value, tuple) else (value,))):
            raise InvalidInput(f"`{name}` must be at least 1. Received: {value}.")
    for name in rates:
        if not 0 <= (value := getattr(config, name)) < 1:
            raise InvalidInput(f"`{name}` must be at least 0 and below 1. Received: {value}.")
    for name in weights:
        if not 0 <= (value := getattr(config, name)) < float("inf"):
            raise InvalidInput(f"`{name}` must be at least 0 and finite. Received: {value}.")


def _check_vocabularies(config: Any) -> None:
    numbers = {name: value for name, value in vars(config).items() if name in SIZES}
    if any(value < 2 for value in numbers.values()):
        received = ", ".join(f"{name}={value}" for name, value in numbers.items())
        raise InvalidInput(
            f"{' and '.join(f'`{name}`' for name in numbers)} must be at least 2 (index 0 is the "
            f"unseen id). Received: {received}."
        )


def _check_choice(
    config: Any, name: str, choices: Sequence[str], former: Mapping[str, str]
) -> None:
    value = getattr(config, name)
    if isinstance(value, tuple):
        value = tuple(former.get(one, one) for one in value)
        if not value or len(set(value)) < len(value) or not set(value) <= set(choices):
            raise InvalidInput(
                f"`{name}` must be one or more of {', '.join(choices)}, each once. "
                f"Received: {value!r}."
            )
    else:
        value = former.get(value, value)
        if value not in choices:
            raise InvalidInput(
                f"`{name}` must be one of {', '.join(choices)}. Received: {value!r}."
            )
    object.__setattr__(config, name, value)
