"""Runs commands in this process, as a user would type them."""

import json

from click.testing import CliRunner

from tfrec_fusion.zoo.cli.group import cli


def run(*arguments, code=0):
    """The result of a command, which must end with this exit code."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def answer(*arguments):
    """What a command prints with --json."""
    return json.loads(run(*arguments, "--json").stdout)
