"""Training: one thin layer over `model.fit`, under any single-machine strategy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec_fusion.training.balancing import BalancedModel
    from tfrec_fusion.training.distribution import distribution_strategy
    from tfrec_fusion.training.recipe import Recipe

__all__ = ["BalancedModel", "Recipe", "distribution_strategy"]

_MODULES = {
    "BalancedModel": "balancing",
    "Recipe": "recipe",
    "distribution_strategy": "distribution",
}


def __getattr__(name: str) -> Any:
    """Imports Keras with the first name that needs it."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
