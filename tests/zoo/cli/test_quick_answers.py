"""Help, mistakes and completion: answered at once, without the libraries that compute."""

import resource
import statistics
import subprocess
import sys

import pytest
from checkout import ROOT, child_environment
from command_line import in_a_process

from tfrec_fusion.zoo.cli.group import PLACES

MOST_SECONDS = 0.6  # of CPU
RUNS = 3
HEAVY = ("keras", "tensorflow", "pandas", "scipy", "sklearn", "keras_hub", "matplotlib", "rich")
TAB = {"_TFREC_ZOO_COMPLETE": "bash_complete"}
QUICK = {
    "help": ("--help",),
    "version": ("--version",),
    "help of a command": ("recommend", "--help"),
    "help of train": ("train", "--help"),
    "help of a hybrid": ("train", "text_hybrid", "--help"),
    "help of a baseline": ("train", "ease", "--help"),
    "list": ("list",),
    "script": ("completion", "zsh"),
    "unknown command": ("trian",),
    "unknown model": ("train", "two_towr"),
    "unknown option": ("train", "ease", "--l3", "1"),
    "bad choice": ("train", "two_tower", "--encoder", "x"),
    "missing option": ("train", "ease"),
}
COMPLETED = {
    "commands": "tfrec-zoo ",
    "models": "tfrec-zoo train ",
    "options": "tfrec-zoo train neumf --",
    "choices": "tfrec-zoo train two_tower --encoder ",
    "data sets": "tfrec-zoo train ease --data movie",
    "runs": "tfrec-zoo evaluate ",
}


def cpu_seconds(*arguments, **variables):
    """CPU seconds of a fresh process, user and system, the median of a few."""
    spent = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        in_a_process(*arguments, **variables)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(spent)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Bytecode of the package is there, as after its first use."""
    in_a_process("--help")


@pytest.mark.parametrize("arguments", QUICK.values(), ids=QUICK)
def test_a_command_answers_at_once(arguments):
    assert cpu_seconds(*arguments) <= MOST_SECONDS


@pytest.mark.parametrize("words", COMPLETED.values(), ids=COMPLETED)
def test_completion_answers_at_once(words):
    line = words.split(" ")
    typed = {"COMP_WORDS": words, "COMP_CWORD": str(len(line) - 1)}
    assert in_a_process(**TAB, **typed).stdout
    assert cpu_seconds(**TAB, **typed) <= MOST_SECONDS


def test_help_of_every_command_imports_no_library_that_computes():
    asked = [("--help",), *((name, "--help") for name in PLACES), *QUICK.values()]
    program = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from tfrec_fusion.zoo.cli.group import cli\n"
        f"for arguments in {asked!r}:\n"
        "    CliRunner().invoke(cli, arguments)\n"
        f"    if found := sorted(set({HEAVY!r}) & sys.modules.keys()):\n"
        "        sys.exit(f'{arguments} imports {found}')\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=ROOT, env=child_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
