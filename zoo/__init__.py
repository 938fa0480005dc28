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
    from tfrec_fusion.zoo.prebuilt.listing import list_models
    from tfrec_fusion.zoo.prebuilt.load import load
    from tfrec_fusion.zoo.registry import build, get_spec, register, specs
    from tfrec_fusion.zoo.runs.run import load_run
    from tfrec_fusion.zoo.spec import ModelSpec, option

__all__ = [
    "ModelSpec",
    "build",
    "get_spec",
    "list_models",
    "load",
    "load_run",
    "option",
    "register",
    "specs",
]

_MODULES = {
    "list_models": "prebuilt.listing",
    "load": "prebuilt.load",
    "load_run": "runs.run",
    "ModelSpec": "spec",
    "option": "spec",
}


def __getattr__(name: str) -> Any:
    """Loads TensorFlow and the models at the first use, not at the import."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'registry')}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
