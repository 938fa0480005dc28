"""Checksums of files: what a folder holds, and which file is no longer what it was."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.files.regular import open_regular

# A file may change once more without another time in its state while this is not over.
_SETTLED_NS = 2 * 10**9
_SHOWN = 12
_DIGEST = re.compile("[0-9a-f]{64}")
_known: dict[tuple[int, ...], str] = {}


class BrokenPackage(UserError, RuntimeError):
    """A file of the package, or of a prebuilt model, is missing or is not what it was."""


def sha256(path: Path) -> str:
    """Returns a file's sha256 in hexadecimal, read from the disk."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_of(path: Path) -> str:
    """Returns a file's sha256 in hexadecimal; a file that stays as it is is read once a process.

    Example:

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "empty"
    >>> file.touch()
    >>> checksum_of(file)[:12]
    'e3b0c44298fc'
    """
    state = _state(path)
    if state in _known:
        return _known[state]
    digest = sha256(path)
    changed = max(state[-2:])
    if state == _state(path) and time.time_ns() - changed > _SETTLED_NS:
        _known[state] = digest
    return digest


def checksums(folder: Path, names: Iterable[str] | None = None) -> dict[str, str]:
    """Returns sha256 by name of files of a folder.

    Args:
        folder: The folder.
        names: Paths in it, with `/`; by default all files but hidden ones, at any depth.
    """
    if names is None:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        visible = (one for one in found if not any(part.startswith(".") for part in one.parts))
        names = (one.as_posix() for one in visible)
    return {name: checksum_of(folder / name) for name in sorted(names)}


def fault_of(path: Path, digest: str) -> str:
    """Says in a few words why a file is not the one with a checksum; "" where it is.

    Args:
        path: The file.
        digest: Its sha256 as it was.

    Example:

    >>> fault_of(Path("nowhere"), 64 * "0")
    'is missing'
    """
    if not path.is_file():
        return "is missing" if not path.exists() else "is no file"
    try:
        found = checksum_of(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if found == digest:
        return ""
    return f"was changed: its sha256 is {found[:_SHOWN]}…, not {digest[:_SHOWN]}…"


def checked_checksums(said: object) -> dict[str, str]:
    """Returns what a file says are the checksums of a folder's files.

    Args:
        said: Of the file, which may have been written by anybody.

    Raises:
        InvalidInput: When it is not sha256 by names, none of which leads out of the folder.

    Example:

    >>> checked_checksums({"../secret": 64 * "0"})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    tfrec_fusion.errors.InvalidInput: Checksums must be sha256 by names of files in the folder. ...
    """
    known: dict[str, Any] = said if isinstance(said, dict) else {"": said}
    for name, digest in known.items():
        path = PurePosixPath(name)
        inside = path.parts and not path.is_absolute() and ".." not in path.parts
        if not inside or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise InvalidInput(
                "Checksums must be sha256 by names of files in the folder. Received: "
                f"{name!r:.60}: {digest!r:.80}."
            )
    return known


def first_fault(folder: Path, expected: Mapping[str, str]) -> tuple[Path, str] | None:
    """Returns the first file of a folder that is not as expected, and why; None where all are.

    Args:
        folder: The folder.
        expected: sha256 by name.
    """
    for name, digest in expected.items():
        if fault := fault_of(folder / name, digest):
            return folder / name, fault
    return None


def _state(path: Path) -> tuple[int, ...]:
    """Another state, another content: a time of change cannot be set back."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
