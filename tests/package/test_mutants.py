"""The tables of mutants fit the sources; `make mutants` runs the tests on each of them."""

import ast
import functools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "mutants"))
from run import ROOT, mutated, read_mutants

MUTANTS = read_mutants()


@pytest.mark.parametrize("area", sorted({one.area for one in MUTANTS}))
def test_each_mutant_is_a_change_that_compiles(area):
    for mutant in (one for one in MUTANTS if one.area == area):
        source = (ROOT / mutant.file).read_text("utf-8")
        changed = mutated(mutant, source)
        assert changed != source, mutant.why
        compile(changed, mutant.file, "exec")


def test_mutants_are_told_apart_and_tested():
    changes = [(one.file, one.find, one.replace) for one in MUTANTS]
    assert len(set(changes)) == len(changes)
    assert all(one.why and one.tests for one in MUTANTS)


def test_the_tests_that_mutants_name_are_there():
    missing = {test for one in MUTANTS for test in one.tests if not _is_there(test)}
    assert not missing


def test_a_mutant_whose_text_is_gone_is_refused():
    with pytest.raises(ValueError, match="occurs 0 times instead of once"):
        mutated(MUTANTS[0], "")


@functools.cache
def _is_there(test: str) -> bool:
    name, _, function = test.partition("::")
    path = ROOT / name
    if "::" not in test or not path.is_file():
        return path.is_file()
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return function.partition("[")[0] in defined
