"""Errors at the end of a command: what the user can mend, in one message; interruptions."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

import tfrec_fusion
from tfrec_fusion.errors import UserError
from tfrec_fusion.files.refusals import AGAIN, REMEDIES, refused

INTERRUPTED = 130  # the code that a shell gives to a program that SIGINT ended
PACKAGE = Path(tfrec_fusion.__file__).parent.parent
# Errors of the operating system about a user's files, rather than about a fault of ours.
OF_THE_USER = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO),
    *(errno.EISDIR, errno.ENOTDIR, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EBUSY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EMFILE, errno.ENFILE, errno.EADDRINUSE),
}
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
WITHOUT_A_NAME = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}


class Refusal(click.ClickException):
    """One clear message on stderr and exit code 2."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C: the notes on the interruption, such as how to resume, and exit code 130."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Prints the message, without the word "Error"."""
        click.echo(f"\n{self.message}", err=True)


@contextmanager
def in_words(worded: Callable[[str], str] = str) -> Iterator[None]:
    """Turns errors that a user can mend, and an interruption, into one message.

    Args:
        worded: Puts a message of a Python function into the words of the command line.

    Raises:
        Refusal: For a `UserError`, and for what the system says about a user's files and disk.
        Interrupted: After Ctrl-C.
    """
    try:
        yield
    except UserError as error:
        raise Refusal(worded(str(error))) from error
    except OSError as error:
        if is_of_the_user(error):
            raise Refusal(_words(error)) from error
        raise
    except click.ClickException:
        raise
    except Exception as error:
        # The writers of other languages quote the system's words about a disk.
        if (number := refused(error)) in _OF_THE_DISK:
            raise Refusal(f"{_last_line(error)}. {REMEDIES[number]}. {AGAIN}") from error
        raise
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", [])
        raise Interrupted(" ".join(["Interrupted.", *notes])) from error


def is_of_the_user(error: OSError) -> bool:
    """Returns whether an error is about the user's files, disk or rights, and says which file.

    A file of the package itself that is missing is a fault of the package.
    """
    if error.errno not in OF_THE_USER:
        return False
    if error.filename is None:
        return error.errno in WITHOUT_A_NAME
    return not Path(os.fsdecode(error.filename)).resolve().is_relative_to(PACKAGE / "tfrec_fusion")


def _words(error: OSError) -> str:
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)!r}: "
    remedy = f" {REMEDIES[error.errno]}. {AGAIN}" if error.errno in _OF_THE_DISK else ""
    return f"{where}{error.strerror}.{remedy}"


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")
