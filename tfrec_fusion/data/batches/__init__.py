"""Events as `tf.data` batches; the batch makers are imported with their first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec_fusion.data.batches.makers import (
        clicks,
        in_batch,
        items_of_users,
        next_items,
        retrieval,
    )

__all__ = ["clicks", "in_batch", "items_of_users", "next_items", "retrieval"]


def __getattr__(name: str) -> Any:
    """Imports TensorFlow with the first batch maker."""
    if name in __all__:
        return getattr(import_module("tfrec_fusion.data.batches.makers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
