"""The terminal around a command: characters it lacks, pipes that close, Ctrl-C, errors of ours."""

from __future__ import annotations

import _thread
import codecs
import io
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import click

from tfrec_fusion.errors import UserError
from tfrec_fusion.startup import check_backend
from tfrec_fusion.zoo.cli.plugins import place_in_a_plugin
from tfrec_fusion.zoo.cli.refusals import INTERRUPTED, PACKAGE, Interrupted

PLAIN_ASCII = "plain_ascii"


@contextmanager
def terminal() -> Iterator[None]:
    r"""Runs a command so that the terminal's limits do not end it.

    Characters that stdout or stderr cannot encode are written as `\u00e9`, which is the same
    character in JSON. A closed pipe, such as `| head -1`, ends the program quietly. Ctrl-C ends it
    with one line, even where a library turns it into an error of its own. Any unexpected
    exception is shown with its traceback, and with what a report of it needs.
    """
    codecs.register_error("escaped", _escaped)
    codecs.register(_plain_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=PLAIN_ASCII if is_ascii else None, errors="escaped")
    with _noticed_interruption() as interrupted:
        try:
            check_backend()
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            _close_quietly()
            sys.exit(1)
        except SystemExit:
            _flush_quietly()
            raise
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)
        except (Exception, KeyboardInterrupt) as error:
            if interrupted.is_set() or isinstance(error, KeyboardInterrupt):
                Interrupted("Interrupted.").show()
                sys.exit(INTERRUPTED)
            traceback.print_exc()
            click.echo(report_advice(error), err=True)
            sys.exit(1)


@contextmanager
def _noticed_interruption() -> Iterator[threading.Event]:
    """Notices Ctrl-C, which the imports of libraries may turn into other exceptions.

    Where Python can only print it, inside a callback, it is raised again a moment later.
    """
    interrupted = threading.Event()
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    if before is not signal.default_int_handler:  # ignored, or another program's test
        yield interrupted
        return

    def handler(number: int, frame: Any) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    def unraisable(fault: sys.UnraisableHookArgs) -> None:
        if issubclass(fault.exc_type, KeyboardInterrupt):
            threading.Timer(0.05, _thread.interrupt_main).start()
        else:
            hook(fault)

    try:
        signal.signal(signal.SIGINT, handler)
    except ValueError:  # not the main thread, where no signal arrives
        yield interrupted
        return
    sys.unraisablehook = unraisable
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = hook


def typed_command() -> str:
    """Returns the command as it was typed, to be noted in what it makes."""
    return shlex.join(["tfrec-zoo", *sys.argv[1:]])


def report_advice(error: BaseException) -> str:
    """Returns what to do about an unexpected error.

    Args:
        error: It came from the package itself, or from a file of `--plugin`.
    """
    if place := place_in_a_plugin(error):
        return f"\nThe error was raised at {place}, a file of --plugin: see the lines above."
    names = ("tfrec-fusion", "tensorflow", "keras", "numpy", "pandas")
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    return (
        "\nThis is an error of tfrec-fusion itself, not of what you gave it. Please report it to "
        "whoever you have the package from, with the lines above and these:\n"
        f"  command: {typed_command()}\n"
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
