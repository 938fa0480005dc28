"""The models: built by name, each a plain Keras 3 functional model or a baseline in closed form.

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
    from tfrec_fusion.zoo.prebuilt.card import Card
    from tfrec_fusion.zoo.prebuilt.listing import list_models
    from tfrec_fusion.zoo.prebuilt.load import load
    from tfrec_fusion.zoo.reading import read
    from tfrec_fusion.zoo.recommender import Recommender
    from tfrec_fusion.zoo.registry import build, get_spec, register, specs
    from tfrec_fusion.zoo.retrieval_model import RetrievalModel
    from tfrec_fusion.zoo.spec import BuildContext, Lazy, ModelSpec, Part, Task, option
    from tfrec_fusion.zoo.trained import fine_tune, load_run, train

__all__ = [
    "BuildContext",
    "Card",
    "Lazy",
    "ModelSpec",
    "Part",
    "Recommender",
    "RetrievalModel",
    "Task",
    "build",
    "fine_tune",
    "get_spec",
    "list_models",
    "load",
    "load_run",
    "option",
    "read",
    "register",
    "specs",
    "train",
]

_MODULES = {
    **dict.fromkeys(("build", "get_spec", "register", "specs"), "registry"),
    **dict.fromkeys(("BuildContext", "Lazy", "ModelSpec", "Part", "Task", "option"), "spec"),
    **dict.fromkeys(("fine_tune", "load_run", "train"), "trained"),
    "Card": "prebuilt.card",
    "list_models": "prebuilt.listing",
    "load": "prebuilt.load",
    "read": "reading",
    "Recommender": "recommender",
    "RetrievalModel": "retrieval_model",
}


def __getattr__(name: str) -> Any:
    """Imports what is used, at its first use: TensorFlow only where it is needed."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__() -> list[str]:
    return sorted(__all__)
