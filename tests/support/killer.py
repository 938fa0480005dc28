"""Runs programs that die, or meet a full disk, at a chosen change of a folder.

    with Killer() as killer:
        whole = killer.run(TRAIN, arguments, folder=out)          # whole.changes is, say, 24
        dead = killer.run(TRAIN, arguments, folder=out, at=7)     # SIGKILL before the 7th change
        full = killer.run(TRAIN, arguments, folder=out, at=7, errno=errno.ENOSPC)
        torn = killer.run(TRAIN, arguments, folder=out, limit=4096, torn=True)

A change is what Python's audit events tell: a file opened for writing, renamed or removed, a folder
made or removed. What other languages write is met by `limit`, a number of bytes beyond which no
file can grow: the write fails, or with `torn` the process dies in the middle of it.
"""

import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from forks import Ended, Forks

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Of each event the paths among its arguments, and the descriptor of the folder of each.
EVENTS = {
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
}


@dataclass(frozen=True)
class Stopped(Ended):
    """How a program ended whose changes were counted.

    Attributes:
        changes: Changes of the folder that it began.
    """

    changes: int

    @property
    def killed(self):
        return self.code in (-signal.SIGKILL, -signal.SIGXFSZ)


class Killer(Forks):
    """A process that forks for programs which are watched; see `Forks`."""

    def run(
        self, program, arguments=(), *, folder, at=None, errno=None, limit=None, torn=False, env=()
    ):
        """Runs Python source in a fork.

        Args:
            program: The source; `forks.COMMAND` runs the command line.
            arguments: For `sys.argv`.
            folder: Whose changes are counted.
            at: The change, counted from 1, before which the program is killed.
            errno: With `at`: the program is not killed, this error is raised instead, from there
                on by every change that may take space.
            limit: Bytes beyond which no file can grow.
            torn: With `limit`: the program is killed by a write beyond it.
            env: Variables of the environment, by name.
        """
        with tempfile.NamedTemporaryFile() as counter:
            counter.write(bytes(8))
            counter.flush()
            watched = (str(Path(folder).resolve()), counter.name, at, errno, limit, torn)
            begin = f"import killer\nkiller.begin(*{watched!r})\n"
            ended = super().run(begin + program, arguments, env=env)
            (changes,) = struct.unpack("q", Path(counter.name).read_bytes())
        return Stopped(**vars(ended), changes=changes)


def changed(event, arguments, folder):
    """Whether an audit event changes something in a folder, and whether that takes space."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str | bytes | os.PathLike) or not flags & WRITES:
            return False, False
        paths, takes = [(path, -1)], True
    elif event in EVENTS:
        paths = [(arguments[p], -1 if d is None else arguments[d]) for p, d in EVENTS[event]]
        takes = event in ("os.mkdir", "os.link")
    else:
        return False, False
    return any(_is_in(path, descriptor, folder) for path, descriptor in paths), takes


def _is_in(path, descriptor, folder):
    if isinstance(path, int):
        return False
    given = os.fsdecode(path)
    if descriptor not in (-1, None):
        given = os.path.join(os.readlink(f"/proc/self/fd/{descriptor}"), given)
    return f"{os.path.abspath(given)}/".startswith(f"{folder}/")


def begin(folder, counter, at, number, limit, torn):
    """Watches the program that follows in this process, see `Killer.run`."""
    with open(counter, "r+b") as file:
        shared = mmap.mmap(file.fileno(), 8)
    if limit is not None:
        if torn:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    watch(folder, shared, at, number)


def watch(folder, counter, at, number):
    """Counts the changes of a folder, and ends or refuses them."""

    def hook(event, arguments):
        inside, takes = changed(event, arguments, folder)
        if not inside:
            return
        (count,) = struct.unpack("q", counter[:8])
        counter[:8] = struct.pack("q", count + 1)
        if at is None or count + 1 < at:
            return
        if number is None:
            os.kill(os.getpid(), signal.SIGKILL)
        elif takes:
            raise OSError(number, os.strerror(number), arguments[0])

    sys.addaudithook(hook)
