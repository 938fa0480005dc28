"""SECURITY.md keeps its word: the tests, options and files that it names are there."""

import configparser
import re

import click
from checkout import ROOT
from written_pages import subcommand, subcommands

from tfrec_fusion.files.archives import FLOOR_BYTES, MOST_EXPANSION
from tfrec_fusion.serving.export.bundle import COMPOSE
from tfrec_fusion.zoo.cli.group import cli

PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def commands(group):
    for name in subcommands(group):
        command = subcommand(group, name)
        yield name, command
        if isinstance(command, click.Group):
            yield from commands(command)


def test_the_tests_that_it_names_are_there():
    named = set(re.findall(r"`(test_\w+\.py)`", PAGE))
    assert len(named) >= 6
    there = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert named <= there


def test_the_commands_and_options_that_it_names_are_there():
    known = dict(commands(cli))
    for name in ("recommend", "evaluate", "explain", "export", "fine-tune", "ensemble", "publish"):
        assert name in known
    for name in ("serve", "verify"):
        assert "--allow-unsafe-ops" in {one for p in known[name].params for one in p.opts}
    (host,) = (one for one in known["serve"].params if one.name == "host")
    assert host.default == "127.0.0.1"


def test_the_numbers_and_files_that_it_names_are_so():
    assert f"{MOST_EXPANSION} times as large, above {FLOOR_BYTES >> 20} MiB" in PAGE
    for name in ("pure_ops.txt", "stateful_ops.txt"):
        assert name in PAGE and (ROOT / "tfrec_fusion/serving/export" / name).is_file()
    assert ":ro" in COMPOSE.template


def test_the_address_is_named_as_soon_as_there_is_one():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert ("url" in setup["metadata"]) != ("The project has no public address yet" in PAGE)


def test_it_is_one_page():
    assert len(PAGE.split()) < 900
