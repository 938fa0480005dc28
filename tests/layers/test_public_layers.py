"""Every layer is reachable as `tfrec_fusion.layers.NAME`, and importing the package is cheap."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import keras
import pytest
from checkout import ROOT, child_environment

import tfrec_fusion
from tfrec_fusion import layers


def defined_in_the_folder():
    """Every public class and function that a module of the folder defines, by name."""
    found = {}
    for module in pkgutil.iter_modules(layers.__path__, f"{layers.__name__}."):
        for name, one in inspect.getmembers(importlib.import_module(module.name)):
            if getattr(one, "__module__", None) == module.name and not name.startswith("_"):
                found[name] = one
    return found


def is_layer(one):
    return isinstance(one, type) and issubclass(one, keras.layers.Layer)


def test_every_registered_class_is_exported():
    registered = set(keras.saving.get_custom_objects().values())
    defined = defined_in_the_folder()
    public = {name for name, one in defined.items() if one in registered or is_layer(one)}
    assert len(public) > 25
    assert public <= set(layers.__all__)
    assert {name for name in layers.__all__ if is_layer(getattr(layers, name))} == public


def test_every_name_is_the_object_of_its_module():
    defined = defined_in_the_folder()
    for name in layers.__all__:
        assert getattr(layers, name) is defined[name]
    assert dir(layers) == sorted(layers.__all__)


def test_an_unknown_layer_lists_the_known_ones():
    with pytest.raises(AttributeError, match=r"has no attribute 'MMOE'; it has .*MMoE"):
        layers.MMOE  # noqa: B018


def test_submodules_are_attributes_of_the_package():
    assert {"layers", "data", "text", "training", "evaluation", "serving"} < set(dir(tfrec_fusion))
    for name in set(dir(tfrec_fusion)) - {"__version__"}:
        assert getattr(tfrec_fusion, name).__name__ == f"tfrec_fusion.{name}"
    with pytest.raises(AttributeError, match=r"has no attribute 'layer'; it has .*layers"):
        tfrec_fusion.layer  # noqa: B018


COST = """
import sys, time
start = time.process_time()
import tfrec_fusion
from tfrec_fusion import layers, zoo
dir(tfrec_fusion), dir(layers), dir(zoo)
assert not {"keras", "tensorflow", "numpy"} & set(sys.modules)
print(time.process_time() - start)
"""


def test_an_import_costs_little_and_loads_no_keras():
    command = [sys.executable, "-c", COST]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=child_environment()
    )
    assert float(done.stdout) < 0.3
