"""Writing a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file that appears under `path` only when all of it is on the disk.

    Whatever interrupts the writing, `path` is either as it was before or complete. Folders on the
    way are made.

    Args:
        path: The file to write.

    Example:

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "numbers.bin"
    >>> with whole_file(target) as file:
    ...     _ = file.write(bytes(3))
    >>> target.stat().st_size
    3
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, target)


def write_text(path: str | Path, text: str) -> None:
    """Writes a UTF-8 text file that appears whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))
