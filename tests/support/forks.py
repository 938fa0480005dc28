"""Processes of their own without the price of an import: one process imports, and forks for each.

with Forks(("tfrec_fusion.zoo.cli.demonstration",)) as forks:
    ended = forks.run(COMMAND, ["list", "--json"])
    assert ended.code == 0, ended.errors
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from checkout import ROOT, child_environment

# `arguments` are those of the command line.
COMMAND = "from tfrec_fusion.zoo.cli.command_line import main\nmain()"


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        code: Its exit code; negative, the signal that killed it.
        output: What it printed.
        errors: What it printed on standard error.
    """

    code: int
    output: str
    errors: str


class Forks:
    """The process that forks; `imports` are what it imports before, `absent` what it cannot."""

    def __init__(self, imports=(), *, absent=(), root=ROOT):
        command = [sys.executable, str(Path(__file__).resolve()), json.dumps([imports, absent])]
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

    def run(self, program, arguments=(), *, stdin="", env=()):
        """Runs Python source in a fork.

        Args:
            program: The source; `COMMAND` runs the command line.
            arguments: For `sys.argv`.
            stdin: What it reads on standard input.
            env: Variables of the environment, by name.
        """
        request = {"program": program, "arguments": [str(one) for one in arguments]}
        request |= {"stdin": stdin, "env": dict(env)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process that forks has died"
        return Ended(**json.loads(line))


def in_fork(request, descriptors):
    """Runs a program; gives the process's exit code."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False), "utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), "utf-8", line_buffering=True)
        for number in (1, 2)
    )
    os.environ.update(request["env"])
    sys.argv = ["zoo", *request["arguments"]]
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
    pipes = [os.pipe() for _ in range(3)]
    child = os.fork()
    if child == 0:
        os.close(pipes[0][1])
        os._exit(in_fork(request, (pipes[0][0], pipes[1][1], pipes[2][1])))
    texts = {}

    def read(number):
        with os.fdopen(pipes[number][0], "rb") as stream:
            texts[number] = stream.read().decode("utf-8", "replace")

    readers = [threading.Thread(target=read, args=(number,)) for number in (1, 2)]
    os.close(pipes[0][0])
    for number, reader in enumerate(readers, 1):
        os.close(pipes[number][1])
        reader.start()
    with contextlib.suppress(BrokenPipeError), os.fdopen(pipes[0][1], "wb") as stream:
        stream.write(request["stdin"].encode())
    _, status = os.waitpid(child, 0)
    for reader in readers:
        reader.join()
    return {"code": os.waitstatus_to_exitcode(status), "output": texts[1], "errors": texts[2]}


def serve(imports, absent):
    """Answers requests, a JSON line each, until there are none."""
    answers = os.fdopen(os.dup(1), "w")
    requests = os.fdopen(os.dup(0), "r")
    os.dup2(2, 1)
    sys.modules.update(dict.fromkeys(absent))
    for name in imports:
        __import__(name)
    for line in requests:
        answers.write(json.dumps(fork(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(*json.loads(sys.argv[1]))
