"""The models: built by name, each a plain Keras 3 functional model or a tuned classic.

>>> import zoo
>>> zoo.build("neumf", num_users=944, num_items=1683).name
'neumf'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import tfrec_fusion as tfrec_fusion

if TYPE_CHECKING:
    from zoo.prebuilt import load
    from zoo.registry import (
        HAS_TASKS,
        HYBRIDS,
        MODELS,
        NETWORKS,
        READS_TEXT,
        SUMMARIES,
        build,
        hyperparameters,
        list_models,
    )
    from zoo.run import load_run

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

_ELSEWHERE = {"load": "zoo.prebuilt", "load_run": "zoo.run"}


def __getattr__(name: str) -> Any:
    """Loads TensorFlow and the models at the first use, not at `import zoo`."""
    if name in __all__:
        return getattr(import_module(_ELSEWHERE.get(name, "zoo.registry")), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}; it has {', '.join(__all__)}.")
