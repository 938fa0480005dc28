"""The architecture, as tables that are checked: who may lean on whom, and what nobody does.

Data flows one way: tables, models of layers, training and evaluation, export. Only the command
line puts them together. Every rule is shown, below, to catch a file that breaks it.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIBRARY = "tfrec_fusion"

# Any file may import these.
EVERYONES = {"answer_warnings", "errors", "ids", "progress", "questions"}

# What a floor of the library may import from the others. Its own files it may always import.
LIBRARY_FLOORS = {
    "answer_warnings": set(),
    "questions": set(),
    "errors": set(),
    "ids": set(),
    "progress": set(),
    "files": set(),
    "data": {"files"},
    "layers": set(),
    "losses": {"layers"},
    "text": {"files", "layers", "losses"},
    "training": {"files", "layers"},
    "evaluation": {"files"},
    "serving": {"files"},
    "saved_classes": set(),
    "startup": {"saved_classes"},
    "": {"startup"},  # tfrec_fusion/__init__.py
}

# What a room of the zoo may import from the library; the first pattern matching its name counts.
# The classics are computed from a user-item matrix, so they read data; networks are only described.
ZOO_ROOMS = {
    r"__main__|commands\w*": {
        "data",
        "files",
        "layers",
        "losses",
        "text",
        "training",
        "evaluation",
        "serving",
    },
    r"terminal": {"files", "startup"},
    r"plan|pages": {"files"},
    r"network_trainer": {"data", "text", "training"},
    r"ensembling": {"data", "evaluation", "layers", "training"},
    r"train|comparison|measuring|ranking|pair_metrics|score_weighing": {
        "data",
        "evaluation",
        "files",
    },
    r"seeds": {"evaluation"},
    r"publishing|card_updates|package_files|query_texts": {"evaluation", "files", "text"},
    r"reproducing": {"data", "evaluation"},
    r"fine_tuning|data_options|near_misses|item_titles": {"data"},
    r"train_options": {"data", "layers"},
    r"demo": {"data", "evaluation", "serving"},
    r"exporting": {"serving", "text"},
    r"indexing": {"data", "evaluation", "serving"},
    r"explanation": {"evaluation", "text"},
    r"graph_paths": {"data"},
    r"baselines|ease|matrix_\w+|neighbours|popularity": {"data"},
    r"tfidf": {"data", "text"},
    r"run_checksums": {"files"},
    r"__init__|recommender|recipes|registry|run|run_\w+|card|item_rows|half_precision|prebuilt": {
        "data",
        "files",
        "layers",
        "losses",
        "text",
    },
    r"\w+": {"layers", "losses", "text"},
}

# The command line and the rooms that only it is made of. Nobody else imports them, so that no model
# reaches training, evaluation or serving through a neighbour; and the door itself nobody imports.
DOOR = r"__main__|commands\w*"
COMMAND_LINE = (
    DOOR + r"|train|ensembling|explanation|network_trainer|comparison|ranking|demo|model_options"
    r"|measuring|pair_metrics|score_weighing|exporting|indexing|publishing|card_updates|reproducing"
    r"|seeds|fine_tuning|terminal|data_options"
)

# Answers for people who have only a name: explanations and all, like the command line.
FACADE = r"prebuilt"

# Names that say nothing about what is inside.
SEDIMENT = {"utils", "util", "common", "helpers", "misc", "base", "core"}
MAX_LINES = 350

SOURCES = sorted(path for top in (LIBRARY, "zoo") for path in (ROOT / top).rglob("*.py"))


def imports(tree: ast.AST) -> set[str]:
    """Every dotted name a file imports: `from a import b` gives both `a` and `a.b`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def attributes(tree: ast.AST) -> set[str]:
    """Every dotted name a file uses, such as `tf.keras.Model`."""
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def floors_imported(tree: ast.AST, package: str) -> set[str]:
    """The floors below `package` that a file imports, without those that are everyone's."""
    names = (name.split(".") for name in imports(tree))
    return {parts[1] for parts in names if parts[0] == package and len(parts) > 1} - EVERYONES


def library_leans_upward(path: Path, tree: ast.AST) -> list[str]:
    if path.parts[0] != LIBRARY:
        return []
    own = path.with_suffix("").parts[1].replace("__init__", "")
    above = floors_imported(tree, LIBRARY) - LIBRARY_FLOORS.get(own, set()) - {own, "__version__"}
    names = [f"{own or LIBRARY} imports {LIBRARY}.{floor}" for floor in sorted(above)]
    return names + [f"imports {name}" for name in imports(tree) if name.split(".")[0] == "zoo"]


def floor_is_not_in_the_table(path: Path, tree: ast.AST) -> list[str]:
    own = path.with_suffix("").parts[1].replace("__init__", "")
    known = path.parts[0] != LIBRARY or own in LIBRARY_FLOORS
    return [] if known else [f"{own} is not a floor: see LIBRARY_FLOORS"]


def zoo_leans_upward(path: Path, tree: ast.AST) -> list[str]:
    if path.parts[0] != "zoo":
        return []
    room = path.with_suffix("").parts[1]
    may = next(floors for name, floors in ZOO_ROOMS.items() if re.fullmatch(name, room))
    above = floors_imported(tree, LIBRARY) - may - {"__version__"}
    return [f"zoo/{room} imports {LIBRARY}.{floor}" for floor in sorted(above)]


def command_line_is_imported(path: Path, tree: ast.AST) -> list[str]:
    room = path.with_suffix("").parts[1]
    inside = path.parts[0] == "zoo" and re.fullmatch(rf"{COMMAND_LINE}|{FACADE}", room)
    may_not = DOOR if inside else COMMAND_LINE
    if path.parts[0] == "zoo" and re.fullmatch(DOOR, room):
        may_not = "__main__"
    found = {room for room in floors_imported(tree, "zoo") if re.fullmatch(may_not, room)}
    return [f"imports zoo.{name}" for name in sorted(found)]


def relative_import(path: Path, tree: ast.AST) -> list[str]:
    return [f"imports {name}" for name in imports(tree) if name.startswith(".")]


def star_import(path: Path, tree: ast.AST) -> list[str]:
    return [f"imports {name}" for name in imports(tree) if name.endswith("*")]


def legacy_keras(path: Path, tree: ast.AST) -> list[str]:
    used = attributes(tree) | imports(tree)
    return [name for name in used if re.match(r"(tf|tensorflow)\.keras\b", name)]


def private_tensorflow(path: Path, tree: ast.AST) -> list[str]:
    used = attributes(tree) | imports(tree)
    return [name for name in used if re.match(r"(tf|tensorflow)\.python\b", name)]


def pickle(path: Path, tree: ast.AST) -> list[str]:
    modules = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    found = [name for name in imports(tree) if name.split(".")[0] in modules]
    for call in calls(tree):
        found += [
            ast.unparse(call)
            for word in call.keywords
            if word.arg == "allow_pickle" and ast.unparse(word.value) != "False"
        ]
    return found


def evaluated_text(path: Path, tree: ast.AST) -> list[str]:
    bare = [call.func.id for call in calls(tree) if isinstance(call.func, ast.Name)]
    return [name for name in bare if name in {"eval", "exec", "__import__"}]


def shell(path: Path, tree: ast.AST) -> list[str]:
    through = [
        ast.unparse(call)
        for call in calls(tree)
        for word in call.keywords
        if word.arg == "shell" and ast.unparse(word.value) != "False"
    ]
    return through + [name for name in attributes(tree) if name in {"os.system", "os.popen"}]


def bare_except(path: Path, tree: ast.AST) -> list[str]:
    handlers = (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
    return [f"line {node.lineno}" for node in handlers if node.type is None]


def builtin_error(path: Path, tree: ast.AST) -> list[str]:
    """What the caller can mend is a `UserError`; the built-in classes are faults of ours."""
    names = {"ValueError", "TypeError", "OSError", "FileNotFoundError", "FileExistsError"}
    raised = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
    called = (one.func for one in raised if isinstance(one, ast.Call))
    return [f"line {one.lineno}" for one in called if ast.unparse(one) in names]


# Calls that write to a path, by their last name or by their whole one.
WRITERS = {
    *("savez", "savez_compressed", "savetxt", "to_parquet", "to_feather", "write_bytes"),
    *("save_weights", "save_to_preset", "write_out", "TFRecordWriter", "NamedTemporaryFile"),
    *("np.save", "model.save", "tf.saved_model.save", "json.dump", "os.rename", "os.replace"),
    *(f"shutil.{name}" for name in ("copy", "copy2", "copyfile", "copytree", "move")),
}
WHOLE = {"whole_file", "whole_path", "whole_folder", "staging"}


def written_otherwise(path: Path, tree: ast.AST) -> list[str]:
    """A file is written through `files.whole` alone, so that it is whole whatever happens."""
    if str(path) == "tfrec_fusion/files/whole.py":
        return []
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and WHOLE & {
            ast.unparse(item.context_expr).split("(")[0] for item in node.items
        }:
            inside |= {id(call) for call in calls(node)}
    return [
        f"line {call.lineno}: {ast.unparse(call.func)}"
        for call in calls(tree)
        if id(call) not in inside and _writes(call)
    ]


def _writes(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if name == "os.open":
        given = ast.unparse(call)
        return bool(re.search("O_WRONLY|O_RDWR", given)) and "devnull" not in given
    if last in ("open", "File", "ZipFile"):
        given = [word.value for word in call.keywords if word.arg == "mode"] + call.args[:2]
        modes = [one.value for one in given if isinstance(one, ast.Constant)]
        return any(re.fullmatch(r"[bt]*[wax][bt]*\+?|r[bt]*\+", str(mode)) for mode in modes)
    if last in ("to_csv", "tofile"):  # without a path it gives the text
        return bool(call.args)
    if last == "write_text":  # ours is called by its bare name
        return "." in name
    return bool({name, last} & WRITERS)


def name_says_nothing(path: Path, tree: ast.AST) -> list[str]:
    return [part for part in path.with_suffix("").parts if part.strip("_") in SEDIMENT]


RULES = [
    library_leans_upward,
    floor_is_not_in_the_table,
    zoo_leans_upward,
    command_line_is_imported,
    relative_import,
    star_import,
    legacy_keras,
    private_tensorflow,
    pickle,
    evaluated_text,
    shell,
    bare_except,
    builtin_error,
    written_otherwise,
    name_says_nothing,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_file_breaks(rule):
    broken = {}
    for source in SOURCES:
        path = source.relative_to(ROOT)
        found = rule(path, ast.parse(source.read_text(encoding="utf-8")))
        if found:
            broken[str(path)] = found
    assert not broken


def test_measuring_scripts_write_whole_files_too():
    scripts = sorted((ROOT / "benchmarks").glob("*.py"))
    scripts.remove(ROOT / "benchmarks" / "first_answers.py")  # copies sources to build them
    trees = {path.name: ast.parse(path.read_text("utf-8")) for path in scripts}
    found = {
        name: written_otherwise(Path("benchmarks", name), tree) for name, tree in trees.items()
    }
    assert len(trees) > 20 and not any(found.values()), found


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert not {name: length for name, length in lengths.items() if length > MAX_LINES}


CAUGHT = [
    (library_leans_upward, "tfrec_fusion/layers/fusion.py", "from tfrec_fusion.data import split"),
    (library_leans_upward, "tfrec_fusion/layers/fusion.py", "from tfrec_fusion import data"),
    (library_leans_upward, "tfrec_fusion/losses.py", "import tfrec_fusion.data.split"),
    (
        library_leans_upward,
        "tfrec_fusion/training/fit.py",
        "import tfrec_fusion.evaluation.ranking",
    ),
    (library_leans_upward, "tfrec_fusion/serving/export.py", "from tfrec_fusion.training import x"),
    (library_leans_upward, "tfrec_fusion/evaluation/rating.py", "from zoo import build"),
    (library_leans_upward, "tfrec_fusion/__init__.py", "from tfrec_fusion import data"),
    (
        library_leans_upward,
        "tfrec_fusion/data/a.py",
        "def f():\n    from tfrec_fusion.text import b",
    ),
    (floor_is_not_in_the_table, "tfrec_fusion/models/ncf.py", ""),
    (zoo_leans_upward, "zoo/ncf.py", "from tfrec_fusion.data.events import Events"),
    (zoo_leans_upward, "zoo/two_tower.py", "from tfrec_fusion.training import fit"),
    (zoo_leans_upward, "zoo/run.py", "from tfrec_fusion.serving import export"),
    (zoo_leans_upward, "zoo/train.py", "from tfrec_fusion.serving import export"),
    (zoo_leans_upward, "zoo/demo.py", "from tfrec_fusion.training import fit"),
    (zoo_leans_upward, "zoo/baselines.py", "from tfrec_fusion.evaluation.ranking import ndcg"),
    (command_line_is_imported, "zoo/run.py", "from zoo.__main__ import main"),
    (command_line_is_imported, "zoo/__init__.py", "import zoo.commands_data"),
    (command_line_is_imported, "zoo/train.py", "import zoo.commands_data"),
    (command_line_is_imported, "zoo/two_tower.py", "from zoo.network_trainer import train"),
    (command_line_is_imported, "zoo/recommender.py", "from zoo import ranking"),
    (relative_import, "zoo/ncf.py", "from .two_tower import build"),
    (relative_import, "tfrec_fusion/data/split.py", "from . import tables"),
    (star_import, "zoo/ncf.py", "from keras.layers import *"),
    (legacy_keras, "zoo/ncf.py", "import tensorflow as tf\nmodel = tf.keras.Model()"),
    (legacy_keras, "zoo/ncf.py", "from tensorflow import keras"),
    (private_tensorflow, "zoo/ncf.py", "from tensorflow.python.ops import nn"),
    (private_tensorflow, "zoo/ncf.py", "import tensorflow as tf\ntf.python.ops()"),
    (pickle, "zoo/run.py", "import pickle"),
    (pickle, "zoo/run.py", "from joblib import dump"),
    (pickle, "zoo/run.py", "np.load('x.npy', allow_pickle=True)"),
    (evaluated_text, "zoo/run.py", "eval('1')"),
    (evaluated_text, "zoo/run.py", "exec('1')"),
    (shell, "zoo/run.py", "subprocess.run('ls', shell=True)"),
    (shell, "zoo/run.py", "os.system('ls')"),
    (bare_except, "zoo/run.py", "try:\n    pass\nexcept:\n    pass"),
    (builtin_error, "zoo/run.py", "raise ValueError('no run')"),
    (written_otherwise, "zoo/run.py", "np.savez_compressed(folder / 'events.npz', **events)"),
    (written_otherwise, "zoo/run.py", "model.save(folder / 'model.keras')"),
    (written_otherwise, "zoo/run.py", "(folder / 'run.json').write_text(text)"),
    (written_otherwise, "zoo/run.py", "with open(path, 'w') as file:\n    file.write(text)"),
    (written_otherwise, "zoo/run.py", "with path.open('ab') as file:\n    file.write(text)"),
    (written_otherwise, "zoo/run.py", "file = path.open(mode='x')"),
    (written_otherwise, "zoo/run.py", "shutil.copyfile(source, target)"),
    (written_otherwise, "zoo/run.py", "os.replace(part, target)"),
    (written_otherwise, "zoo/run.py", "table.to_csv(path)"),
    (written_otherwise, "tfrec_fusion/serving/a.py", "tf.io.TFRecordWriter(str(path))"),
    (written_otherwise, "tfrec_fusion/text/a.py", "backbone.save_to_preset(str(folder))"),
    (written_otherwise, "tfrec_fusion/text/a.py", "zipfile.ZipFile(path, 'w')"),
    (name_says_nothing, "tfrec_fusion/data/utils.py", ""),
    (name_says_nothing, "tfrec_fusion/core/split.py", ""),
    (name_says_nothing, "tfrec_fusion/data/_helpers.py", ""),
]


@pytest.mark.parametrize(("rule", "path", "text"), CAUGHT)
def test_the_rule_catches(rule, path, text):
    assert rule(Path(path), ast.parse(text))


def test_every_rule_is_shown_to_catch_something():
    assert {rule for rule, _, _ in CAUGHT} == set(RULES)


ALLOWED = [
    ("zoo/run.py", "with whole_file(path) as file:\n    np.savez(file, allow_pickle=False)"),
    ("zoo/run.py", "with whole_path(path) as part, other():\n    model.save(part)"),
    ("zoo/run.py", "write_text(path, table.to_csv(index=False))\nusers.save(path)"),
    ("zoo/run.py", "open(path)\npath.open('rb')\npath.open(encoding='utf-8')\nrow.copy()"),
    ("tfrec_fusion/data/split.py", "from tfrec_fusion.data.tables import RecData"),
    ("tfrec_fusion/data/split.py", "import keras\nnp.load('x', allow_pickle=False)"),
    ("zoo/__main__.py", "from tfrec_fusion import data, training, evaluation, serving"),
    ("zoo/commands_train.py", "from tfrec_fusion.training.fit import fit\nimport zoo.ncf"),
    ("zoo/__main__.py", "from zoo.commands import cli\nfrom zoo.demo import run_demo"),
    ("zoo/train.py", "from zoo.ranking import ranking_of"),
    ("zoo/run.py", "from tfrec_fusion.data.vocabulary import Vocabulary"),
    ("zoo/ncf.py", "from tfrec_fusion.layers.fusion import GatedFusion\nmodel.eval()"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_lets_pass(rule):
    for path, text in ALLOWED:
        assert not rule(Path(path), ast.parse(text)), (path, text)
