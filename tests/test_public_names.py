"""The names that `data.<tab>` and `text.<tab>` list exist; importing both imports nothing heavy."""

import importlib
import json
import subprocess
import sys

import pytest
from checkout import ROOT, child_environment

PACKAGES = ("data", "text")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_is_listed_is_there_and_is_documented(package):
    module = importlib.import_module(f"tfrec_fusion.{package}")
    assert module.__all__ == sorted(set(module.__all__)) and set(module.__all__) <= set(dir(module))
    assert set(module.__all__) == set(module._MODULE_OF)
    for name in module.__all__:
        member = getattr(module, name)
        assert member.__name__ == name and member.__doc__
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'; it has .*, "):
        module.nothing  # noqa: B018


def test_names_of_data_sets_and_presets_need_neither_pandas_nor_keras():
    code = """
import json, sys
from tfrec_fusion import data, text
names = [data.source_names(), text.preset_names(), dir(data), dir(text)]
heavy = {"pandas", "keras", "tensorflow", "keras_hub", "scipy", "sklearn"} & set(sys.modules)
print(json.dumps([*names[:2], sorted(heavy)]))
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=child_environment()
    )
    sources, presets, heavy = json.loads(done.stdout)
    assert {"movielens-100k", "musical-instruments", "womens-clothing"} <= set(sources)
    assert {"minilm", "tiny_gpt2"} <= set(presets) and heavy == []
