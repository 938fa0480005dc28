"""Files that are read only when they are files: no pipe that never ends, no device, no socket."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from tfrec_fusion.errors import InvalidInput

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: str | Path, most_bytes: int | None = None) -> io.BufferedReader:
    """Opens a regular file for reading; never waits, as opening a named pipe would.

    Args:
        path: The file, or a symbolic link to one.
        most_bytes: Refuses larger files; by default none.

    Returns:
        The open file, to be closed by the caller.

    Raises:
        OSError: When there is no such file, or it may not be read.
        InvalidInput: When it is something else than a file, or too large.

    Example:

    >>> with open_regular(__file__) as file:
    ...     len(file.read(3))
    3
    """
    _check(path, os.stat(path), most_bytes)  # opening a device may already do something
    descriptor = os.open(path, _FLAGS)
    try:
        _check(path, os.fstat(descriptor), most_bytes)  # it may have been changed meanwhile
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | Path, most_bytes: int | None = None) -> bytes:
    """Reads a regular file; raises as `open_regular`."""
    with open_regular(path, most_bytes) as file:
        return file.read()


def _check(path: str | Path, found: os.stat_result, most_bytes: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise InvalidInput(f"{path} must be a file. Received: {kind}.")
    if most_bytes is not None and found.st_size > most_bytes:
        raise InvalidInput(
            f"{path} must have at most {most_bytes:,} bytes. Received: {found.st_size:,}."
        )
