"""Runs programs that die, or meet a full disk, at a chosen change of a folder.

    with Killer() as killer:
        whole = killer.run(TRAIN, arguments, folder=out)          # whole.changes is, say, 24
        dead = killer.run(TRAIN, arguments, folder=out, at=7)     # SIGKILL before the 7th change
        full = killer.run(TRAIN, arguments, folder=out, at=7, errno=errno.ENOSPC)
        torn = killer.run(TRAIN, arguments, folder=out, limit=4096, torn=True)

A change is what Python's audit events tell: a file opened for writing, renamed or removed, a folder
made or removed. What other languages write is met by `limit`, a number of bytes beyond which no
file can grow: the write fails, or with `torn` the process dies in the middle of it. One process
imports the package and forks for each program, so that a run costs no import.
"""

import contextlib
import io
import json
import mmap
import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, child_environment

# `arguments` are those of the command line.
COMMAND = "from tfrec_fusion.zoo.cli.command_line import main\nmain()"
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
class Ended:
    """How a program ended.

    Attributes:
        code: Its exit code; negative, the signal that killed it.
        changes: Changes of the folder that it began.
        output: What it printed.
        errors: What it printed on standard error.
    """

    code: int
    changes: int
    output: str
    errors: str

    @property
    def killed(self):
        return self.code in (-signal.SIGKILL, -signal.SIGXFSZ)


class Killer:
    """The process that forks; `imports` are what it imports before."""

    def __init__(self, imports=("tfrec_fusion.zoo.cli.demonstration",), root=ROOT):
        command = [sys.executable, str(Path(__file__).resolve()), *imports]
        paths = [str(root), child_environment()["PYTHONPATH"]]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def run(
        self, program, arguments=(), *, folder, at=None, errno=None, limit=None, torn=False, env=()
    ):
        """Runs Python source in a fork.

        Args:
            program: The source; `COMMAND` runs the command line.
            arguments: For `sys.argv`.
            folder: Whose changes are counted.
            at: The change, counted from 1, before which the program is killed.
            errno: With `at`: the program is not killed, this error is raised instead, from there
                on by every change that may take space.
            limit: Bytes beyond which no file can grow.
            torn: With `limit`: the program is killed by a write beyond it.
            env: Variables of the environment, by name.
        """
        request = {
            "program": program,
            "arguments": [str(one) for one in arguments],
            "folder": str(Path(folder).resolve()),
            **{"at": at, "errno": errno, "limit": limit, "torn": torn, "env": dict(env)},
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process that forks has died"
        return Ended(**json.loads(line))


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


def in_fork(request, counter, output, errors):
    """Runs a program; gives the process's exit code."""
    for number, descriptor in ((1, output), (2, errors)):
        os.dup2(descriptor, number)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), "utf-8", line_buffering=True)
        for number in (1, 2)
    )
    os.environ.update(request["env"])
    sys.argv = ["zoo", *request["arguments"]]
    if request["limit"] is not None:
        if request["torn"]:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"], request["limit"]))
    watch(request["folder"], counter, request["at"], request["errno"])
    code = 0
    try:
        exec(compile(request["program"], "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    return code


def fork(request):
    """Runs a request in a fork; gives how it ended."""
    counter = mmap.mmap(-1, 8)
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    if child == 0:
        os._exit(in_fork(request, counter, *(writing for _, writing in pipes)))
    texts = ["", ""]

    def read(place):
        with os.fdopen(pipes[place][0], "rb") as stream:
            texts[place] = stream.read().decode("utf-8", "replace")

    readers = [threading.Thread(target=read, args=(place,)) for place in (0, 1)]
    for (_, writing), reader in zip(pipes, readers, strict=True):
        os.close(writing)
        reader.start()
    _, status = os.waitpid(child, 0)
    for reader in readers:
        reader.join()
    (count,) = struct.unpack("q", counter[:8])
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "changes": count, "output": texts[0], "errors": texts[1]}


def serve(imports):
    """Answers requests, a JSON line each, until there are none."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in imports:
        __import__(name)
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1:])
