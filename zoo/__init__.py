"""The models: built by name, each a plain Keras 3 functional model or a tuned classic.

>>> from tfrec_fusion import zoo
>>> zoo.build("neumf", num_users=944, num_items=1683).name
'neumf'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if __name__ == "zoo":
    raise ImportError("The zoo is a part of tfrec_fusion: write `from tfrec_fusion import zoo`.")

if TYPE_CHECKING:
    from tfrec_fusion.zoo.prebuilt.listing import list_models
    from tfrec_fusion.zoo.prebuilt.load import load
    from tfrec_fusion.zoo.registry import (
        HAS_TASKS,
        HYBRIDS,
        MODELS,
        NETWORKS,
        READS_TEXT,
        SUMMARIES,
        build,
        hyperparameters,
    )
    from tfrec_fusion.zoo.runs.run import load_run

__all__ = [
    "HAS_TASKS",
    "HYBRIDS",
    "MODELS",
    "NETWORKS",
    "READS_TEXT",
    "SUMMARIES",
    "build",
    "hyperparameters",
    "list_models",
    "load",
    "load_run",
]

_ELSEWHERE = {
    "list_models": "tfrec_fusion.zoo.prebuilt.listing",
    "load": "tfrec_fusion.zoo.prebuilt.load",
    "load_run": "tfrec_fusion.zoo.runs.run",
}


def __getattr__(name: str) -> Any:
    """Loads TensorFlow and the models at the first use, not at the import."""
    if name in __all__:
        return getattr(import_module(_ELSEWHERE.get(name, "tfrec_fusion.zoo.registry")), name)
    raise AttributeError(
        f"module 'tfrec_fusion.zoo' has no attribute {name!r}; it has {', '.join(__all__)}."
    )
