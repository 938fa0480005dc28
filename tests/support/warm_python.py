"""A `python` that has imported already: one process imports, and forks for each program.

    with WarmPython(folder, ("tensorflow", "keras")) as python:
        subprocess.run([python.path, "-m", "tfrec_fusion.zoo", "list"])

`python.path` takes `-c`, `-m` or a script, with arguments, and has the caller's folder, environment
and streams. Under it `sys.executable` is `python.path` again. With `-I` it is a process that has
NumPy and TensorFlow alone.
"""

import contextlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

from checkout import child_environment

CALL = """#!{python} -IS
import json, os, signal, socket, sys

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the fork is not ours to interrupt
isolated = sys.argv[1:2] == ["-I"]
with socket.socket(socket.AF_UNIX) as caller:
    caller.connect({folder!r} + ("/isolated" if isolated else "/usual"))
    request = json.dumps([__file__, sys.argv[1 + isolated:], os.getcwd(), dict(os.environ)])
    socket.send_fds(caller, [len(request.encode()).to_bytes(4, "big")], [0, 1, 2])
    caller.sendall(request.encode())
    sys.exit(int(caller.recv(8) or 1))
"""


class WarmPython:
    """The two processes that fork, and the program that asks them.

    Attributes:
        path: The program.
    """

    def __init__(self, folder, imports, *, absent=(), **variables):
        self.path = Path(folder, "python")
        self.path.write_text(CALL.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(0o755)
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", **variables}
        kinds = {"usual": [imports, ()], "isolated": [("numpy", "tensorflow"), absent]}
        self.processes = [
            subprocess.Popen(
                [sys.executable, __file__, str(Path(folder, name)), json.dumps(kind)],
                env=child_environment(**quiet),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            for name, kind in kinds.items()
        ]
        for one in self.processes:
            assert one.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.processes:
            os.killpg(one.pid, signal.SIGKILL)  # and what was forked
            one.wait()
            one.stdout.close()


def execute(arguments):
    """Runs what the arguments of `python` name; gives the exit code."""
    kind, *rest = arguments
    try:
        if kind == "-c":
            sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
            exec(compile(rest[0], "<string>", "exec"), sys.modules["__main__"].__dict__)
        elif kind == "-m":
            sys.argv, sys.path[0] = rest, os.getcwd()
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv, sys.path[0] = arguments, str(Path(kind).resolve().parent)
            runpy.run_path(kind, run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def answer(caller):
    """Forks for a request, waits, and tells the exit code."""
    size, streams, _, _ = socket.recv_fds(caller, 4, 3)
    path, arguments, folder, env = json.loads(
        caller.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    )
    child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with contextlib.suppress(OSError):
            caller.sendall(str(code & 255).encode())
        return
    caller.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False), "utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), "utf-8", line_buffering=True)
        for number in (1, 2)
    )
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.executable = path
    code = execute(arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def serve(path, imports, absent):
    """Answers calls, each in a fork of its own."""
    sys.modules.update(dict.fromkeys(absent))
    for name in imports:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        os.write(1, b"ready\n")
        os.dup2(2, 1)
        while True:
            caller, _ = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listening.close()
                answer(caller)
                os._exit(0)
            caller.close()


if __name__ == "__main__":
    serve(sys.argv[1], *json.loads(sys.argv[2]))
