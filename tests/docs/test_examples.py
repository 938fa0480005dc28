"""The examples in the docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import tfrec_fusion

NAMES = ["tfrec_fusion"] + [
    module.name
    for module in pkgutil.walk_packages(tfrec_fusion.__path__, "tfrec_fusion.")
    if not module.name.endswith(".__main__")
]


def test_the_zoo_is_among_the_modules():
    assert {"tfrec_fusion.zoo", "tfrec_fusion.zoo.spec"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_a_module(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
