"""What importing the package prepares, without importing Keras or TensorFlow.

TensorFlow is told to keep its startup messages to itself; Keras's backend is checked when Keras is
imported; the classes of the package are then known to Keras, so that a saved model loads.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from tfrec_fusion.errors import UserError
from tfrec_fusion.saved_classes import register_saved_classes

# Fatal errors only: what TensorFlow finds missing at its start, such as a GPU's driver, it repeats
# where it matters, as an exception.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}
# absl::SetMinLogLevel of the Abseil inside TensorFlow 2.20.
SET_MIN_LOG_LEVEL = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"


class WrongBackend(UserError, ImportError):
    """Keras runs, or is about to run, on another backend than TensorFlow."""


def prepare() -> None:
    """Quiets TensorFlow and waits for Keras, or does at once what is done when Keras is there.

    Variables of the environment that are set already stay as they are.

    Raises:
        WrongBackend: When Keras was imported before, with another backend.
    """
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    for finder in (_Finder("tensorflow", _quiet_logs), _Finder("keras", _ready, check_backend)):
        if (module := sys.modules.get(finder.module)) is None:
            sys.meta_path.insert(0, finder)
        else:
            finder.after(module)


def check_backend() -> None:
    """Checks which backend Keras would take, by the rules of Keras.

    Raises:
        WrongBackend: When it is not TensorFlow.
    """
    backend, where = _chosen_backend()
    if backend != "tensorflow":
        raise WrongBackend(_message(backend, backend, where))


class _Finder(MetaPathFinder):
    """Finds one module as Python would, and does something before and after its import.

    A module may be looked for without being imported: TensorFlow looks for Keras in this way.

    Args:
        module: Its name.
        after: Called with the module when it is imported.
        before: Called when it is about to be.
    """

    def __init__(
        self, module: str, after: Callable[[Any], None], before: Callable[[], None] | None = None
    ) -> None:
        self.module, self.after, self.before = module, after, before
        self._looks = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Takes part in the import of that module alone."""
        if name != self.module or self._looks:
            return None
        self._looks = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looks = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)
        return spec


class _Loader(Loader):
    """Runs a module's own loader, with what its finder does before and after."""

    def __init__(self, loader: Loader, finder: _Finder) -> None:
        self.loader, self.finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the module's own loader does."""
        if self.finder.before is not None:
            self.finder.before()
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Imports the module; whoever looks at its loader later sees its own."""
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        self.finder.after(module)


def _ready(keras: Any) -> None:
    if (backend := keras.config.backend()) != "tensorflow":
        raise WrongBackend(_message(backend, *_chosen_backend()))
    register_saved_classes(keras.saving.get_custom_objects())


def _quiet_logs(tensorflow: Any) -> None:
    """Gives the level to TensorFlow's newer log, too, which does not read the variable.

    Grappler's cost estimator, for one, writes to it. TensorFlow has no other way to set its level;
    another version, whose function has another name, is left as it is.
    """
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0")
    if not level.isdecimal():
        return
    for path in Path(tensorflow.__file__).parent.glob("libtensorflow_framework.*"):
        set_level = getattr(ctypes.CDLL(str(path)), SET_MIN_LOG_LEVEL, None)
        if set_level is not None:
            set_level(int(level))


def _chosen_backend() -> tuple[str, str]:
    """The backend that Keras takes, and what says so: Keras reads the variable, then its file."""
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend, "the environment variable KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME")
    if home is None:
        base = os.path.expanduser("~")
        home = os.path.join(base if os.access(base, os.W_OK) else "/tmp", ".keras")
    path = Path(home, "keras.json").expanduser()
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        said = {}
    backend = said.get("backend", "tensorflow") if isinstance(said, dict) else "tensorflow"
    return str(backend), str(path)


def _message(backend: str, chosen: str, where: str) -> str:
    told = f", chosen by {where}" if chosen == backend else ""
    return (
        f"tfrec_fusion needs the TensorFlow backend of Keras. Received: {backend!r}{told}. Set the "
        "environment variable KERAS_BACKEND=tensorflow before Python starts, such as "
        "`KERAS_BACKEND=tensorflow python …`."
    )
