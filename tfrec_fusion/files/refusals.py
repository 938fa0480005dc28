"""A disk that is full, read-only or somebody else's: one error with the file and the remedy."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from tfrec_fusion.errors import SystemRefusal, UserError

# What a system says of a file that cannot be written, and what to do about it.
REMEDIES = {
    errno.ENOSPC: "Free space there, or choose a folder on another disk",
    errno.EDQUOT: "Free space of your quota there, or choose a folder on another disk",
    errno.EFBIG: "Raise the limit on the size of files (`ulimit -f`), or choose another disk",
    errno.EIO: "Check that disk, or choose a folder on another one",
    errno.EROFS: "Choose a folder on a disk that is not read-only",
    errno.EACCES: "Choose a folder that you may write to, or change its permissions",
    errno.EPERM: "Choose a folder that you may write to, or change its permissions",
    errno.ENAMETOOLONG: "Choose a shorter name",
}
# What is so sure a sign that an error of another kind, or one that hid it, came of it.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
AGAIN = "Then run the same command again: what was finished is kept."


@contextlib.contextmanager
def refusals_name(path: Path, part: Path | None = None) -> Iterator[None]:
    """Turns what a system refuses while a file is written into an error that names the file.

    Libraries in other languages raise errors of their own, which only quote the system's words.

    Args:
        path: What is written, a file or a folder.
        part: Its temporary name.

    Raises:
        SystemRefusal: When the system refuses to write; errors about other files pass.
    """
    try:
        yield
    except SystemRefusal as error:  # of a file in a folder with a temporary name
        if part is None or error.errno not in REMEDIES or f"{part}{os.sep}" not in str(error):
            raise
        words = str(error).replace(f"{part}{os.sep}", f"{path.parent}{os.sep}")
        raise _numbered(words, error.errno) from error
    except Exception as error:
        number = refused(error)
        if number is None or not _concerns(error, path, part):
            raise
        raise refusal(path, number) from error


def refused(error: BaseException) -> int | None:
    """The number of the system's error in `REMEDIES` that an exception came of; None for others.

    Example:

    >>> refused(RuntimeError("cannot flush: No space left on device")) == errno.ENOSPC
    True
    """
    seen: set[int] = set()
    one: BaseException | None = error
    wanted = set(REMEDIES)
    while one is not None and id(one) not in seen and not isinstance(one, UserError):
        seen.add(id(one))
        if isinstance(one, OSError) and one.errno is not None:
            found = [one.errno] if one.errno in wanted else []
        else:
            words = str(one)
            found = [number for number in _OF_THE_DISK if os.strerror(number) in words]
        if found:
            return found[0]
        if one.__cause__ is None:  # raised while the other was handled: perhaps by chance
            wanted = _OF_THE_DISK
        one = one.__cause__ or one.__context__
    return None


def refusal(path: str | os.PathLike[str], number: int) -> SystemRefusal:
    """The error of a file that cannot be written, for a number in `REMEDIES`."""
    words = f"{os.fspath(path)} cannot be written: {os.strerror(number)}."
    return _numbered(f"{words} {REMEDIES[number]}. {AGAIN}", number)


def _numbered(message: str, number: int) -> SystemRefusal:
    found = SystemRefusal(message)
    found.errno = number
    return found


def _concerns(error: BaseException, path: Path, part: Path | None) -> bool:
    """Whether an error is about a file that is written, as far as it says."""
    name = getattr(error, "filename", None)
    if not isinstance(name, str | bytes):
        return True
    other = Path(os.fsdecode(name))
    return other in (path, *path.parents) or (part is not None and other.is_relative_to(part))
