"""The process that has only TensorFlow, forked from one that has imported it."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from forks import Forks

from tfrec_fusion.serving.export import reload

SCRIPT = str(Path(reload.__file__).resolve())
PROGRAM = f"import runpy\nrunpy.run_path({SCRIPT!r}, run_name='__main__')"


class CleanProcesses:
    """Runs `reload.py` in forks; TensorFlow is imported once, at the first call."""

    def __init__(self):
        self.forks = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.forks is not None:
            self.forks.__exit__()

    def run(self, command, *, input, env, **_):
        """As `subprocess.run`, for the command that `call_in_clean_process` runs."""
        _, isolated, script, *arguments = command
        assert (isolated, script) == ("-I", SCRIPT)
        if self.forks is None:
            self.forks = Forks(("numpy", "tensorflow"), absent=reload.FORBIDDEN)
        changed = {name: value for name, value in env.items() if os.environ.get(name) != value}
        ended = self.forks.run(PROGRAM, arguments, stdin=input, env=changed)
        return subprocess.CompletedProcess(command, ended.code, ended.output, ended.errors)


@pytest.fixture(scope="session", autouse=True)
def clean_processes():
    """Exported models are asked in forks: to import TensorFlow costs more than most exports."""
    with CleanProcesses() as processes, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reload, "subprocess", SimpleNamespace(run=processes.run))
        yield processes
