"""Every module has one name, `zoo` is no name of one, and the commands are the same everywhere."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, child_environment
from module_names import EVERY_MODULE

from tfrec_fusion import zoo


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=child_environment(),
    )


def test_every_module_of_the_checkout_has_one_name():
    done = python("-c", EVERY_MODULE)
    assert done.returncode == 0, done.stderr[-4000:]
    modules = json.loads(done.stdout)
    assert not {file: names for file, names in modules.items() if len(names) > 1}
    sources = [path for top in ("tfrec_fusion", "zoo") for path in (ROOT / top).rglob("*.py")]
    assert set(modules) == {str(path.resolve()) for path in sources if path.is_file()}
    assert modules[str(ROOT / "zoo" / "runs" / "run.py")] == ["tfrec_fusion.zoo.runs.run"]


def test_no_test_has_imported_a_module_by_another_name():
    import tfrec_fusion.zoo.runs.run

    own = (Path(tfrec_fusion.__file__).parent, ROOT / "zoo")
    found = {}
    for name, module in sorted(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "/").resolve()
        if any(path.is_relative_to(folder) for folder in own):
            found.setdefault(path, []).append(name)
    assert len(found) > 50 and not [names for names in found.values() if len(names) > 1]
    assert not [name for name in sys.modules if name.partition(".")[0] == "zoo"]
    assert zoo.__name__ == "tfrec_fusion.zoo"


@pytest.mark.parametrize("code", ["import zoo", "from zoo.runs.train import train"])
def test_the_folder_of_the_checkout_says_how_it_is_imported(code):
    done = python("-c", code)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(
        "ImportError: The zoo is a part of tfrec_fusion: write `from tfrec_fusion import zoo`."
    )


def test_the_module_is_the_command():
    done = python("-m", "tfrec_fusion.zoo", "--help")
    assert done.returncode == 0 and {"train", "recommend", "serve"} <= set(done.stdout.split())
