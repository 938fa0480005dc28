"""Registries: the package's own members, those of installed packages, and a program's."""

import importlib
import subprocess
import sys
from dataclasses import dataclass

import pytest
from checkout import ROOT, child_environment

from tfrec_fusion.errors import WrongType
from tfrec_fusion.registries import Registry


@dataclass(frozen=True)
class Color:
    name: str
    code: int = 0


OWN = {
    "colors/__init__.py": "",
    "colors/cool.py": "from test_registries import Color\nCOLORS = (Color('blue'), Color('cyan'))",
    "colors/warm/__init__.py": "from test_registries import Color\nCOLOR = Color('red')",
    "colors/tools.py": "",
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def colors(tmp_path, monkeypatch):
    """A way to make a registry of colors, of which a package defines three."""
    write(tmp_path, OWN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield lambda **how: Registry(Color, "color", ("colors",), "COLOR", "example.colors", **how)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("colors", "strange")]:
        del sys.modules[name]


def test_the_packages_own_members_are_found_by_walking_it(colors):
    registry = colors()
    assert registry.names() == ["blue", "cyan", "red"]
    assert registry.get("red") == registry.find("red") == Color("red")
    assert registry.find("green") is None and registry.find(["red"]) is None


def test_modules_next_to_the_packages_are_not_imported(colors):
    assert colors(only_packages=True).names() == ["red"]
    assert "colors.cool" not in sys.modules


def test_a_program_adds_its_own_and_may_replace_it(colors):
    registry = colors()
    assert registry.add(Color("green")) == Color("green")
    registry.add(Color("green", 1))
    assert registry.get("green").code == 1 and registry.names() == ["blue", "cyan", "green", "red"]
    with pytest.raises(ValueError, match=r"There is a color 'red' already\. Choose another `name`"):
        registry.add(Color("red", 1))
    assert registry.add(registry.get("red")) is registry.get("red")  # the same one is no other
    with pytest.raises(
        WrongType, match=r"`color` must be of Color\. Describe the color by Color\("
    ):
        registry.add("green")


def test_an_unknown_name_lists_the_names_and_the_closest_one(colors):
    with pytest.raises(ValueError) as caught:
        colors().get("Blu")
    assert str(caught.value) == (
        "There is no color 'Blu'. Did you mean 'blue'? Choose one of: blue, cyan, red."
    )
    with pytest.raises(ValueError, match=r"no color 7\. Choose one of: blue"):
        colors().get(7)
    registry = colors()
    registry.add(Color("violet-of-the-evening"))
    assert registry.suggestion("violet") == " Did you mean 'violet-of-the-evening'?"
    assert registry.suggestion("") == registry.suggestion("black") == ""


def distribution(folder, name, groups):
    """An installed package, as Python sees it: a folder with its entry points."""
    points = [f"[{group}]\n" + "\n".join(named) for group, named in groups.items()]
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "entry_points.txt": "\n".join(points),
    }
    write(folder / f"{name}-1.0.dist-info", files)


def test_installed_packages_name_theirs_and_a_broken_one_breaks_nothing(colors, tmp_path):
    strange = """
from test_registries import Color
GREEN, RED = Color("green"), Color("red", 1)
WORD = "green"
"""
    write(tmp_path, {"strange.py": strange})
    points = ["g = strange:GREEN", "r = strange:RED", "w = strange:WORD", "n = strange:NO"]
    distribution(tmp_path, "strange", {"example.colors": points})
    registry = colors()
    with pytest.warns(UserWarning) as warned:
        assert registry.names() == ["blue", "cyan", "green", "red"]
    messages = sorted(str(warning.message) for warning in warned)
    assert len(messages) == 3
    assert messages[0].startswith("The color 'n' of strange:NO cannot be used: ")
    assert messages[1].startswith(
        "The color 'w' of strange:WORD cannot be used: `w` must be of Color"
    )
    assert messages[2] == "strange:RED: there is a color 'red' already."
    assert registry.get("red").code == 0
    with pytest.raises(ValueError, match="There is a color 'green' already"):
        registry.add(Color("green", 2))


def test_a_module_that_adds_its_member_when_it_is_loaded_is_no_loop(colors, tmp_path):
    registry = colors()
    text = "from test_registries import Color, LOOPS\nPINK = LOOPS[0].add(Color('pink'))"
    write(tmp_path, {"strange.py": text})
    distribution(tmp_path, "strange", {"example.colors": ["pink = strange:PINK"]})
    LOOPS[:] = [registry]
    assert registry.names() == ["blue", "cyan", "pink", "red"]


LOOPS = []


def test_a_walk_that_fails_is_repeated_and_not_forgotten(colors, tmp_path):
    registry = colors()
    write(tmp_path, {"colors/tools.py": "raise ImportError('half installed')"})
    for _ in range(2):
        with pytest.raises(ImportError, match="half installed"):
            registry.names()
    write(tmp_path, {"colors/tools.py": "'mended'"})
    assert registry.names() == ["blue", "cyan", "red"]


def test_a_package_adds_a_data_set_and_a_language_model_by_entry_points(tmp_path):
    """In a process of its own, as it would be after `pip install`."""
    mine = """
from pathlib import Path
from tfrec_fusion.data import DataSource, Tables, generate
from tfrec_fusion.text import TextPreset

def make():
    data = generate(20, 10, 90)
    return Tables(data.interactions, data.items)

SOURCE = DataSource("their-data", "Of another package", "CC0", "Them, 2024", make=make)
PRESET = TextPreset("their-model", "Of another package", lambda cache: Path("nowhere/at/all"))
"""
    write(tmp_path, {"mine.py": mine})
    groups = {
        "tfrec_fusion.sources": ["theirs = mine:SOURCE"],
        "tfrec_fusion.text_presets": ["theirs = mine:PRESET"],
    }
    distribution(tmp_path, "mine", groups)
    code = """
from tfrec_fusion import data, text
print(data.read_tables("their-data"), text.get_preset("their-model").summary)
"""
    environment = child_environment()
    environment["PYTHONPATH"] += f":{tmp_path}"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    shown = "RecData(their-data: 90 interactions, 20 users, 10 items) Of another package\n"
    assert done.stdout == shown
