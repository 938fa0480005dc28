"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import tfrec_fusion
from tfrec_fusion import zoo

MODULES = [
    module.name
    for package in (tfrec_fusion, zoo)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if module.name != "tfrec_fusion.zoo.cli.command_line"
]


@pytest.mark.parametrize("name", [*MODULES, "zoo"])
def test_examples_of_a_module(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
