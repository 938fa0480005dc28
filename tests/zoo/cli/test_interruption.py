"""Ctrl-C at any moment of a command: one line, the exit code of a shell, no traceback."""

import signal
import subprocess
import sys

import pytest
from checkout import ROOT, child_environment

from tfrec_fusion.zoo.cli.terminal import terminal

# The program interrupts itself when it is about to import a module.
PROGRAM = """
import os, runpy, signal, sys
wanted, *sys.argv = sys.argv[1:]

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module("tfrec_fusion.zoo", run_name="__main__")
"""
PLUGIN = "import tensorflow\n"


def interrupted(module, *arguments):
    command = [sys.executable, "-c", PROGRAM, module, "tfrec-zoo", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=child_environment()
    )


@pytest.mark.parametrize(
    "module", ["click", "numpy", "pandas", "keras", "tensorflow.python.framework.ops", "sklearn"]
)
def test_while_libraries_are_imported(module):
    done = interrupted(module, "evaluate", "nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


def test_while_a_plugin_is_imported(tmp_path):
    (tmp_path / "my_model.py").write_text(PLUGIN)
    done = interrupted("tensorflow", "--plugin", tmp_path / "my_model.py", "list")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


def test_where_a_library_makes_another_error_of_it(capsys):
    with pytest.raises(SystemExit) as ended, terminal():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("numpy.core failed to import") from None
    assert ended.value.code == 130 and capsys.readouterr().err == "\nInterrupted.\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_python_can_only_print_it(capsys):
    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SystemExit) as ended, terminal():
        Dying()
        for _ in range(1000):
            signal.sigtimedwait([], 0.01)
    assert ended.value.code == 130 and capsys.readouterr().err == "\nInterrupted.\n"
