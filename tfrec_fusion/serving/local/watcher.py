"""The models of a folder, and the thread that keeps them in step with it."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.serving.local.failures import not_found
from tfrec_fusion.serving.local.model import Model
from tfrec_fusion.serving.local.versions import version_folders

_LOG = logging.getLogger(__name__)


class Models:
    """Every model below a folder.

    The folder is one model's, when it holds a version, and else a folder of models. Requests are
    matched against the names found here; no name of a request ever becomes part of a path.

    Args:
        folder: The folder.
        make: Makes a model of its name and folder.

    Raises:
        FileNotFoundError: When `folder` is no folder.
        ValueError: When it is itself a version's folder.

    Example:
    >>> models = Models(Path("savedmodels"))  # doctest: +SKIP
    >>> models.refresh()  # doctest: +SKIP
    """

    def __init__(self, folder: Path, make: Callable[[str, Path], Model] = Model) -> None:
        if not folder.is_dir():
            raise NotFound(
                f"`folder` must be a folder of exported models. Received: {folder}, which is none."
            )
        self.folder = folder.resolve()
        if (self.folder / "saved_model.pb").is_file():
            raise InvalidInput(
                "`folder` must hold versions, folders named 1, 2 and so on. "
                f"Received: {folder}, which is a version itself: give the folder above it."
            )
        self._make = make
        self._models: dict[str, Model] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def by_name(self) -> Mapping[str, Model]:
        """The models, by name."""
        return MappingProxyType(self._models)

    def find(self, name: str) -> Model:
        """The model of a name.

        Raises:
            ServingError: NOT_FOUND when there is none.
        """
        model = self._models.get(name)
        if model is None:
            raise not_found(f"Servable not found for request: Latest({name})")
        return model

    def refresh(self) -> None:
        """Looks for new models and versions once."""
        for name, folder in self._folders().items():
            if name not in self._models:
                self._models = {**self._models, name: self._make(name, folder)}
        let_go = [model.refresh() for model in self._models.values()]
        if any(let_go):
            gc.collect()  # a loaded graph refers to itself

    def _folders(self) -> dict[str, Path]:
        if version_folders(self.folder):
            return {self.folder.name: self.folder}
        return {
            one.name: one
            for one in sorted(self.folder.iterdir())
            if not one.name.startswith(".") and version_folders(one)
        }

    def watch(self, seconds: float) -> None:
        """Starts a thread that looks every so many seconds."""
        self._thread = threading.Thread(target=self._watch, args=(seconds,), name="watcher")
        self._thread.daemon = True
        self._thread.start()

    def _watch(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            try:
                self.refresh()
            except Exception:  # the thread must live: what answers goes on answering
                _LOG.exception("Looking at %s failed; it is tried again.", self.folder)

    def close(self) -> None:
        """Stops the thread and frees the models."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for model in self._models.values():
            model.close()
        self._models = {}
