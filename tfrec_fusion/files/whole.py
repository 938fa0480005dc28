"""Files and folders that appear whole or not at all, whoever else writes the same ones.

What is being written has a name of its own, `.NAME.RANDOM.part`, which readers never look for, and
is locked. What a killed process left is therefore known by its open lock, and the next writer in
the same folder removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfrec_fusion.errors import AlreadyExists, InvalidInput
from tfrec_fusion.files.lock import is_at, try_lock
from tfrec_fusion.files.refusals import refusals_name

_SHOWN = 40  # letters of a name, which may be as long as the system allows
_PART = re.compile(rf"\..{{1,{_SHOWN}}}\.[0-9a-f]{{16}}\.part(\.\w+)?", re.DOTALL)


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file that appears under `path` only when all of it is on the disk.

    Whatever interrupts the writing, `path` is either as it was before or complete. Folders on the
    way are made. Of several processes that write one file at the same time the last one wins.

    Args:
        path: The file to write.

    Raises:
        InvalidInput: When `path` is a folder or a device.
        SystemRefusal: When it cannot be written; the message names it and says what to do.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "numbers.bin"
    >>> with whole_file(target) as file:
    ...     _ = file.write(bytes(3))
    >>> target.stat().st_size
    3
    """
    with whole_path(path) as part, part.open("wb") as file:
        yield file


@contextlib.contextmanager
def whole_path(path: str | Path, suffix: str = "") -> Iterator[Path]:
    """As `whole_file`, for a library that opens files itself.

    Args:
        path: The file to write.
        suffix: How the temporary name must end, such as ".keras".

    Yields:
        The temporary name to write to, which is `path` after the block.
    """
    target = Path(path)
    part = _part_of(target, suffix)
    with refusals_name(target, part):
        if target.exists() and not target.is_file():
            raise InvalidInput(f"{target} is a folder or a device. Name a file.")
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        descriptor = _created(part)
        try:
            yield part
            _sync(part)
            os.replace(part, target)
            _sync(target.parent)
        finally:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file that appears whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def copy_whole(source: Path, target: Path) -> None:
    """Copies a file's content; the copy appears whole or not at all."""
    with source.open("rb") as read, whole_file(target) as file:
        shutil.copyfileobj(read, file)


@contextlib.contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """A folder that appears under `path` only when all its files are on the disk.

    Args:
        path: The folder, which must not exist, or be empty.
        replace: Whether a folder that is there is removed, as late as possible.

    Yields:
        Where to make it: a path that does not exist.

    Raises:
        AlreadyExists: When there is something under `path` at the end.
        SystemRefusal: As of `whole_file`.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "model"
    >>> with whole_folder(target) as made:
    ...     made.mkdir()
    ...     write_text(made / "config.json", "{}")
    >>> sorted(path.name for path in target.iterdir())
    ['config.json']
    """
    target = Path(path)
    with staging(target) as made:
        yield made
        settle(made, target, replace)


@contextlib.contextmanager
def staging(target: Path) -> Iterator[Path]:
    """A hidden place next to `target` to make it in, removed afterwards; see `settle`."""
    stage = _part_of(target)
    with refusals_name(target, stage):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        descriptor = _created(stage, is_folder=True)
        try:
            yield stage / target.name
        finally:
            os.close(descriptor)
            shutil.rmtree(stage, ignore_errors=True)


def settle(made: Path, target: Path, replace: bool = False) -> None:
    """Gives a folder of `staging` its name, once all its files are on the disk.

    Args:
        made: The folder.
        target: Its name.
        replace: Whether a folder of this name is removed.

    Raises:
        AlreadyExists: When there is something under `target`.
    """
    for one in (*made.rglob("*"), made):
        _sync(one)
    if replace and target.exists():
        os.rename(target, made.with_name(f"{target.name}.old"))
    try:
        os.rename(made, target)
    except OSError:
        if target.exists():
            raise AlreadyExists(
                f"{target} was made by another process meanwhile. Remove it, or choose another."
            ) from None
        raise
    _sync(target.parent)


def remove_leftovers(folder: Path) -> None:
    """Removes what processes that were killed had begun to write in a folder.

    What a living process writes is locked and stays, as does what may not be removed.
    """
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _PART.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(Path(entry.path))


def _remove_unless_locked(part: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        if not try_lock(descriptor):
            return
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()
    finally:
        os.close(descriptor)


def _part_of(target: Path, suffix: str = "") -> Path:
    return target.with_name(f".{target.name[:_SHOWN]}.{secrets.token_hex(8)}.part{suffix}")


def _created(part: Path, is_folder: bool = False) -> int:
    """Makes a file or folder under a name that nobody else takes; its descriptor, locked."""
    while True:
        # Until it is locked, somebody who clears away may take it for a leftover, lock it and
        # remove it; in between it is still there.
        with contextlib.suppress(FileExistsError):
            if is_folder:
                part.mkdir()
            else:
                os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(part, os.O_RDONLY)
            if try_lock(descriptor) and is_at(descriptor, part):
                return descriptor
            os.close(descriptor)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk, where the system can tell."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
