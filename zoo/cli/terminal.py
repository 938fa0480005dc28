"""Where the command line meets the terminal: characters it lacks, pipes that close, errors.

Importing it checks the backend of Keras, so that `zoo.cli.command_line` imports it before all else.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import click

import tfrec_fusion
from tfrec_fusion.errors import UserError
from tfrec_fusion.files.refusals import AGAIN, REMEDIES, refused
from tfrec_fusion.startup import check_backend

PLAIN_ASCII = "plain_ascii"
INTERRUPTED = 130  # what a shell gives for a program that SIGINT ended
PACKAGE = Path(tfrec_fusion.__file__).parent.parent
# What the operating system says about the files of a user, rather than about a fault of ours.
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
    """Ctrl-C: what was noted on the interruption, such as how to resume, and exit code 130."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Prints the message, without the word "Error"."""
        click.echo(f"\n{self.message}", err=True)


class Commands(click.Group):
    """A group that turns the errors a user can cause into a `Refusal`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise Refusal(str(error)) from error
        except OSError as error:
            if is_of_the_user(error):
                raise Refusal(_words(error)) from error
            raise
        except Exception as error:
            # What writers in other languages say of a disk quotes the system's words.
            if (number := refused(error)) in _OF_THE_DISK:
                raise Refusal(f"{_last_line(error)}. {REMEDIES[number]}. {AGAIN}") from error
            raise
        except KeyboardInterrupt as error:
            notes = getattr(error, "__notes__", [])
            raise Interrupted(" ".join(["Interrupted.", *notes])) from error


def is_of_the_user(error: OSError) -> bool:
    """Whether an error is about the user's files, disk or rights, and says which file.

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


@contextmanager
def terminal() -> Iterator[None]:
    r"""Runs a command so that the terminal's limits do not end it.

    Characters that stdout or stderr cannot encode are written as `\u00e9`, which is the same
    character in JSON. A closed pipe, such as `| head -1`, ends the program quietly. Any exception
    that nobody expected is shown with its traceback, and with what a report of it needs.
    """
    codecs.register_error("escaped", _escaped)
    codecs.register(_plain_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=PLAIN_ASCII if is_ascii else None, errors="escaped")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _close_quietly()
        sys.exit(1)
    except SystemExit:
        _flush_quietly()
        raise
    except Exception:
        traceback.print_exc()
        click.echo(report_advice(), err=True)
        sys.exit(1)


def report_advice() -> str:
    """What to do about an error of the package itself."""
    command = shlex.join(["tfrec-zoo", *sys.argv[1:]])
    names = ("tfrec-fusion", "tensorflow", "keras", "numpy", "pandas")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    return (
        "\nThis is an error of tfrec-fusion itself, not of what you gave it. Please report it to "
        "whoever you have the package from, with the lines above and these:\n"
        f"  command: {command}\n"
        f"  versions: Python {sys.version.split()[0]} on {sys.platform}, {versions}\n"
        f"  installed in: {PACKAGE}"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    r"""Writes what an encoding lacks as `\uXXXX`, beyond 16 bits as a surrogate pair."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[place : place + 2].hex() for place in range(0, len(units), 2))
    return "".join(rf"\u{pair}" for pair in pairs), error.end


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII by another name: click would write UTF-8 to a terminal of ASCII by its own."""
    if name != PLAIN_ASCII:
        return None
    ascii_ = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_.encode,
        ascii_.decode,
        ascii_.streamreader,
        ascii_.streamwriter,
        ascii_.incrementalencoder,
        ascii_.incrementaldecoder,
        name=PLAIN_ASCII,
    )


def _flush_quietly() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_quietly()


def _close_quietly() -> None:
    """Points stdout at nothing, so that Python's own flush at the end does not complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(nothing, stream.fileno())


try:
    check_backend()
except UserError as error:
    click.echo(f"Error: {error}", err=True)
    sys.exit(2)
