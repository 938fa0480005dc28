"""Models of a file that `--plugin` names: in every command, and clear errors for odd files."""

import json
import re
import sys

import pytest
from command_line import answer, in_a_process, run

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.zoo import registry
from tfrec_fusion.zoo.cli import command_line, plugins

SHOP = '''
"""A baseline of one's own: the newest items, or the oldest."""
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfrec_fusion import zoo
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain
from tfrec_fusion.zoo.spec import itself


@dataclass
class Newest(MatrixChain):
    """Items by the time of their first event."""

    order: str = zoo.option("newest", "items that come first", choices=("newest", "oldest"))
    offset: float = zoo.option(1.0, "added to every score")
    score_chain: ClassVar[tuple[str, ...]] = ("everyone", "age")
    why_no_similar: ClassVar[str] = "It has no notion of similar items."

    def fit(self, events, item_texts=None):
        first = np.zeros((1, events.num_items), np.float32)
        for item, row in sorted(zip(events.item, range(len(events)), strict=True), reverse=True):
            first[0, item] = row
        sign = 1.0 if self.order == "newest" else -1.0
        everyone = np.ones((events.num_users, 1), np.float32)
        return self._keep(everyone=everyone, age=sign * first + self.offset)


zoo.register(zoo.ModelSpec("newest", "the newest items of the shop", Newest, itself))
'''


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Plugins are known within a test alone."""
    monkeypatch.setattr(registry._models, "_added", {})
    monkeypatch.setattr(plugins, "_loaded", {})
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if name.startswith("shop"):
            del sys.modules[name]


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop_models.py"
    path.write_text(SHOP)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generate(30, 24, 300, seed=2).interactions.to_csv(folder / "interactions.csv", index=False)
    return folder


def test_a_model_of_a_file_is_listed_trained_measured_and_asked(shop, folder, tmp_path):
    rows = answer("--plugin", shop, "list")["models"]
    (row,) = [row for row in rows if row["name"] == "newest"]
    assert row["summary"] == "the newest items of the shop"
    shown = run("--plugin", shop, "train", "newest", "--help").stdout
    assert "--order [newest|oldest]" in shown and "[default: newest]" in shown
    refused = run("--plugin", shop, "train", "newest", "--order", "best", code=2).stderr
    assert "'best' is not one of 'newest', 'oldest'" in refused
    out = tmp_path / "run"
    given = ("--data", folder, "--out", out, "--order", "oldest")
    trained = answer("--plugin", shop, "train", "newest", *given)
    assert trained["hyperparameters"] == {"order": "oldest", "offset": 1.0}
    assert [row["model"] for row in trained["rows"]][-1] == "newest"
    assert answer("--plugin", shop, "evaluate", out)["test"] == trained["test"]
    items = answer("--plugin", shop, "recommend", out, "--user-id", "u01", "-k", 3)["items"]
    assert len(items) == 3


def test_a_run_of_a_model_that_is_not_registered_says_how_it_comes(shop, folder, tmp_path):
    out = tmp_path / "run"
    run("--plugin", shop, "train", "newest", "--data", folder, "--out", out)
    command = json.loads((out / "run.json").read_text())["command"]
    assert command.startswith("tfrec-zoo")
    registry._models._added.clear()
    for arguments in (("evaluate", out), ("recommend", out, "--user-id", "u01")):
        refused = run(*arguments, code=2).stderr
        assert (
            "Received: 'newest'" in refused and "--plugin" in refused and "Traceback" not in refused
        )


def test_the_environment_names_files_too(shop, folder, tmp_path):
    second = tmp_path / "shop_second.py"
    second.write_text(SHOP.replace('"newest"', '"second"'))
    listed = in_a_process("list", TFREC_ZOO_PLUGINS=f"{shop}:{second}").stdout
    assert re.search(r"^newest +the newest", listed, re.M) and "\nsecond" in listed
    # A file named twice is read once.
    done = in_a_process("--plugin", shop, "--plugin", shop, "list", TFREC_ZOO_PLUGINS=str(shop))
    assert done.returncode == 0 and "newest" in done.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "import nothing_like_it",
            "line 1: ModuleNotFoundError: No module named 'nothing_like_it'",
        ),
        ("\nvalue = 1 / 0", "line 2: ZeroDivisionError: division by zero."),
        ("def f(:", "line 1: SyntaxError: invalid syntax."),
        ("value = 1", "registers nothing. Call `zoo.register(zoo.ModelSpec(…))` in it"),
        ("raise SystemExit(3)", "line 1: The file ends the program."),
        (SHOP.replace('"newest", "the', '"ease", "the'), "There is a model 'ease' already."),
        (SHOP.replace('"newest", "the', '"my newest", "the'), "`name` must be an identifier."),
    ],
)
def test_an_odd_file_is_told_with_its_line(source, message, tmp_path):
    path = tmp_path / "shop_odd.py"
    path.write_text(source)
    refused = run("--plugin", path, "list", code=2).stderr
    assert refused.startswith(f"Error: --plugin {path}") and message in refused
    assert refused.count("\n") == 1 and "shop_odd" not in sys.modules


def test_what_is_no_python_file_is_refused(tmp_path):
    refused = run("--plugin", tmp_path / "none.py", "list", code=2).stderr
    assert "must be a Python file" in refused and "none.py, which does not exist." in refused
    (tmp_path / "model.txt").write_text(SHOP)
    assert "must be a Python file" in run("--plugin", tmp_path / "model.txt", "list", code=2).stderr
    (tmp_path / "json.py").write_text(SHOP)
    refused = run("--plugin", tmp_path / "json.py", "list", code=2).stderr
    assert "`json` is the name of another module" in refused and "Rename the file." in refused


def test_a_module_next_to_the_file_is_hinted_at(tmp_path):
    (tmp_path / "layers_next_to_it.py").write_text("x = 1")
    path = tmp_path / "shop_importing.py"
    path.write_text("import layers_next_to_it")
    refused = run("--plugin", path, "list", code=2).stderr
    assert f"It is found when PYTHONPATH holds {tmp_path}." in refused


def test_an_error_in_the_code_of_a_file_is_not_called_one_of_the_package(
    shop, folder, tmp_path, monkeypatch, capsys
):
    source = SHOP.replace("        first = np", "        events.no_such_column\n        first = np")
    shop.write_text(source)
    line = 1 + source.splitlines().index("        events.no_such_column")
    asked = ["train", "newest", "--data", str(folder), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["tfrec-zoo", "--plugin", str(shop), *asked])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "AttributeError" in told
    assert f"The error was raised at {shop}, line {line}, a file of --plugin" in told
    assert "Please report it" not in told


def test_the_option_belongs_before_the_command(shop):
    refused = run("train", "ease", "--plugin", shop, code=2).stderr
    assert "--plugin belongs before the command: tfrec-zoo --plugin … train …" in refused


def test_what_a_file_prints_is_not_a_result(shop):
    shop.write_text(f"print('hello')\n{SHOP}")
    done = in_a_process("--plugin", shop, "list", "--json")
    assert "newest" in [row["name"] for row in json.loads(done.stdout)["models"]]
    assert done.stderr == "hello\n"


def test_help_is_shown_without_reading_the_files(tmp_path):
    shown = run("--plugin", tmp_path / "none.py", "--help").stdout
    assert "--plugin FILE.py" in shown and "TFREC_ZOO_PLUGINS" in shown
