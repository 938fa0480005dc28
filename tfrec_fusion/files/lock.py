"""One writer for a folder: a lock on the folder itself, which ends with its process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tfrec_fusion.errors import SystemRefusal
from tfrec_fusion.files.refusals import refusals_name

logger = logging.getLogger(__name__)

WAIT_SECONDS = 5.0
_PAUSE = 0.05
_UNKNOWN = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EINVAL}


class Busy(SystemRefusal):
    """A folder that another process writes to."""


@contextlib.contextmanager
def only_writer(
    folder: str | Path, wait: float = WAIT_SECONDS, say: Callable[[str], None] = logger.info
) -> Iterator[None]:
    """Makes this the only process that writes to a folder, while the block runs.

    There is no file that could stay behind, be copied or be published: the folder itself is locked,
    and the lock ends with the process, however that ends. Who only reads needs no lock. A file
    system that knows no locks is used without; machines that share one do not see each other.

    Args:
        folder: Created when missing.
        wait: Seconds to wait for another process.
        say: Takes the line that says so.

    Raises:
        Busy: When another process still writes to it.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with only_writer(folder):
    ...     with only_writer(folder, wait=0):  # doctest: +ELLIPSIS
    ...         pass
    Traceback (most recent call last):
    tfrec_fusion.files.lock.Busy: Another process writes to ... Wait until it has ended, ...
    """
    path = Path(folder)
    deadline = time.monotonic() + wait
    told = False
    while (descriptor := _locked(path)) is None:
        if time.monotonic() >= deadline:
            raise Busy(
                f"Another process writes to {path}. Wait until it has ended, or choose another "
                "folder; to see which process it is: `lsof` with that folder."
            )
        if not told:
            say(f"Waiting for another process that writes to {path}")
            told = True
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int | None:
    """The descriptor of the locked folder; None where another process has it."""
    with refusals_name(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if not try_lock(descriptor) or not is_at(descriptor, folder):
        os.close(descriptor)
        return None
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Locks an open file or folder unless another process has; True where locks are unknown."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether what is open still has this name: it may have been removed before it was locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
