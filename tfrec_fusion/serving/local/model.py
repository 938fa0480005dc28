"""A model: its loaded versions, how a new one takes over, and what became of each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfrec_fusion.serving.local.failures import invalid, not_found
from tfrec_fusion.serving.local.servable import Servable
from tfrec_fusion.serving.local.versions import (
    Policy,
    fingerprint,
    read_policy,
    version_folders,
)

LONGEST_REQUEST = 60.0  # seconds; what still runs after that keeps its version by itself
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionStatus:
    """What became of a version, in the stock server's words.

    Attributes:
        version: Its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: OK, or why it could not be loaded.
        message: Empty, or why it could not be loaded.
    """

    version: int
    state: str
    code: str = "OK"
    message: str = ""


class Model:
    """A model's folder, kept in step by calling `refresh` now and then.

    A new version is loaded and warmed up beside the one that answers, and takes over when it can
    answer. Requests keep the version they began with, which is freed when the last one ends. A
    version that cannot be loaded replaces nothing: its status says why.

    Args:
        name: The model's name in requests.
        folder: The folder that holds a folder a version.
        load: Loads a version, as `Servable` does.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        load: Callable[[str, int, Path], Servable] = Servable,
    ) -> None:
        self.name = name
        self.folder = folder
        self._load = load
        self._lock = threading.Condition()
        self._policy = Policy()
        self._policy_error = ""
        self._servables: dict[int, Servable] = {}
        self._states: dict[int, VersionStatus] = {}
        self._failed: dict[int, Any] = {}  # fingerprints of versions that could not be loaded

    @property
    def versions(self) -> list[int]:
        """The versions that answer, ascending."""
        with self._lock:
            return sorted(self._servables)

    @property
    def labels(self) -> dict[str, int]:
        """The labels whose versions answer."""
        with self._lock:
            labels = self._policy.labels.items()
            return {label: number for label, number in labels if number in self._servables}

    def statuses(self, version: int | None = None) -> list[VersionStatus]:
        """What became of each version, the highest first, or of one.

        Raises:
            ServingError: NOT_FOUND when there is none.
        """
        with self._lock:
            if version is not None:
                if version not in self._states:
                    raise not_found(f"Could not find version {version} of model {self.name}")
                return [self._states[version]]
            if not self._states:
                raise not_found(f"Could not find any versions of model {self.name}")
            return [self._states[number] for number in sorted(self._states, reverse=True)]

    def version_of_label(self, label: str) -> int:
        """The version a label names.

        Raises:
            ServingError: INVALID_ARGUMENT, as the stock server says it, when it names none.
        """
        labels = self.labels
        if label not in labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return labels[label]

    @contextmanager
    def lease(self, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """A version that stays loaded inside the `with` block.

        Args:
            version: Its number; by default the highest that answers.
            label: Its label, instead.

        Raises:
            ServingError: NOT_FOUND when the version does not answer, INVALID_ARGUMENT when the
                label names none.
        """
        with self._lock:
            if label is not None:
                version = self.version_of_label(label)
            number = max(self._servables, default=None) if version is None else version
            if number is None or number not in self._servables:
                asked = "Latest({})" if version is None else "Specific({}, {})"
                asked = asked.format(self.name, version)
                raise not_found(f"Servable not found for request: {asked}")
            servable = self._servables[number]
            servable.in_flight += 1
        try:
            yield servable
        finally:
            with self._lock:
                servable.in_flight -= 1
                if servable.in_flight == 0:
                    self._lock.notify_all()

    def refresh(self) -> list[int]:
        """Looks at the folder: loads what is wanted and new, then lets go what is not wanted.

        Returns:
            The versions that were let go; they are freed when the caller drops its own
            references and Python collects.
        """
        self._read_policy()
        found = version_folders(self.folder)
        wanted = self._policy.wanted(set(found))
        for number in sorted(wanted - set(self._servables), reverse=True):
            self._load_version(number, found[number])
        with self._lock:
            for number in set(self._states) - set(self._servables) - set(found):
                del self._states[number]
                self._failed.pop(number, None)
            if not wanted or wanted - set(self._servables):
                return []  # what answers now stays until everything wanted can take over
            surplus = sorted(set(self._servables) - wanted)
        for number in surplus:
            self._let_go(number)
        return surplus

    def close(self) -> None:
        """Lets go of every version, when its requests have ended."""
        for number in self.versions:
            self._let_go(number)

    def _read_policy(self) -> None:
        try:
            policy = read_policy(self.name, self.folder)
        except ValueError as error:
            if str(error) != self._policy_error:
                _LOG.error("%s The former policy stays.", error)
            self._policy_error = str(error)
            return
        with self._lock:
            self._policy, self._policy_error = policy, ""

    def _load_version(self, number: int, folder: Path) -> None:
        files = fingerprint(folder)
        if self._failed.get(number) == files:
            return
        self._set_state(VersionStatus(number, "LOADING"))
        try:
            servable = self._load(self.name, number, folder)
        except (ValueError, OSError) as error:
            _LOG.error("%s version %d could not be loaded: %s", self.name, number, error)
            self._failed[number] = files
            self._set_state(VersionStatus(number, "END", "INVALID_ARGUMENT", str(error)))
            return
        with self._lock:
            self._failed.pop(number, None)
            self._servables[number] = servable
            self._states[number] = VersionStatus(number, "AVAILABLE")
        _LOG.info("%s version %d answers.", self.name, number)

    def _let_go(self, number: int) -> None:
        with self._lock:
            servable = self._servables.pop(number)
            self._states[number] = VersionStatus(number, "UNLOADING")
            self._lock.wait_for(lambda: servable.in_flight == 0, timeout=LONGEST_REQUEST)
            self._states[number] = VersionStatus(number, "END")
        _LOG.info("%s version %d was let go.", self.name, number)

    def _set_state(self, status: VersionStatus) -> None:
        with self._lock:
            self._states[status.version] = status
