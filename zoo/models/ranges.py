"""Ranges of a model's numbers, checked before Keras would stumble over them in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfrec_fusion.errors import InvalidInput


def check_ranges(
    config: Any,
    *,
    sizes: Sequence[str] = (),
    rates: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> None:
    """Checks fields of a model's config.

    Args:
        config: Has the fields.
        sizes: Fields of numbers, or of tuples of numbers, that are at least 1.
        rates: Fields at least 0 and below 1.
        weights: Fields at least 0 and finite.

    Raises:
        ValueError: For the first that is out of its range.
    """
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
