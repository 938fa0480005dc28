"""Parts for building recommenders in Keras 3, each usable alone; importing this imports none.

Models saved as `.keras` load after `import tfrec_fusion`, whichever of their classes they need:

    import keras, tfrec_fusion
    model = keras.saving.load_model("model.keras")
"""

from importlib import import_module
from types import ModuleType

from tfrec_fusion.startup import prepare

__version__ = "0.2.0"

_SUBMODULES = ("data", "evaluation", "layers", "losses", "serving", "text", "training", "zoo")

prepare()


def __getattr__(name: str) -> ModuleType:
    """Imports a submodule at its first use."""
    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_SUBMODULES)}."
    )


def __dir__() -> list[str]:
    return [*_SUBMODULES, "__version__"]
