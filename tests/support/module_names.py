"""A program that imports every module of the package and prints the names of each file."""

EVERY_MODULE = """
import importlib, json, pkgutil, sys
from pathlib import Path
import tfrec_fusion

for module in pkgutil.walk_packages(tfrec_fusion.__path__, "tfrec_fusion."):
    importlib.import_module(module.name)
folders = [Path(tfrec_fusion.__file__).parent, Path(tfrec_fusion.zoo.__file__).parent]
names = {}
for name, module in sorted(sys.modules.items()):
    if file := getattr(module, "__file__", None):
        path = Path(file).resolve()
        if any(path.is_relative_to(folder.resolve()) for folder in folders):
            names.setdefault(str(path), []).append(name)
print(json.dumps(names))
"""
