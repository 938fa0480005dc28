"""Runs commands as a user would type them, in this process or in one of their own."""

import json
import subprocess
import sys

from checkout import ROOT, child_environment
from click.testing import CliRunner

from tfrec_fusion.zoo.cli.group import cli


def run(*arguments, code=0):
    """The result of a command, which must end with this exit code."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="tfrec-zoo")
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def answer(*arguments):
    """What a command prints with --json."""
    return json.loads(run(*arguments, "--json").stdout)


def in_a_process(*arguments, **variables):
    """A finished process of the checkout's command line; `variables` are of its environment."""
    command = [sys.executable, "-m", "tfrec_fusion.zoo", *map(str, arguments)]
    environment = child_environment(**variables)
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
