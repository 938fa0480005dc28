"""The architecture: which folder may import which, and what no file does.

Data flows one way: tables, models of layers, training and evaluation, run folders, exports. Every
rule is shown, below, to catch a file that breaks it.
"""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "tfrec_fusion"

# Any file may import these modules of the package.
EVERYWHERE = {
    *("answer_warnings", "argument_types", "errors", "ids", "progress", "questions"),
    *("registries", "saved_classes"),
}

# The folders, and those that each may import from; its own files it may always import. A folder
# that is not named is a part of the one around it.
FOLDERS: dict[str, set[str]] = {
    "": {"startup", *EVERYWHERE},  # modules of the package itself
    "files": set(),
    "data/tables": {"files"},
    "data": {"files", "data/tables"},
    "data/sources": {"files", "data/tables"},
    "data/batches": {"data"},
    "layers": set(),
    "losses": set(),
    "text/language_models": {"files"},
    "text/encoding": {"files", "text/language_models"},
    "text/interests": {"files", "text/encoding"},
    "text/pretraining": {"files", "text/encoding", "text/language_models"},
    "text": {"text/encoding", "text/language_models"},
    "training/recipe": {"losses"},
    "training": {"files", "layers", "training/recipe"},
    "evaluation": {"files"},
    "serving/export": {"files"},
    "serving/index": {"serving/export"},
    "serving/local": {"serving/export"},
    "serving/client": {"serving/export"},
}
LIBRARY = set(FOLDERS)
TEXT = {one for one in LIBRARY if one.startswith("text")}
DATA = {one for one in LIBRARY if one.startswith("data")}
FOLDERS |= {
    "zoo/spec": set(),
    "zoo/protocols": set(),
    "zoo/ranges": {"zoo/spec"},
    "zoo/training_options": {"data/tables", "zoo/ranges", "zoo/spec"},
    "zoo/reading": {"data/sources", "data/tables"},
    "zoo/scoring": {"layers"},
    "zoo/registry": {"zoo/spec"},
    "zoo/retrieval_model": {"layers", "zoo/registry", "zoo/scoring"},
}
# A model is made of layers, losses and text; its spec names a recipe and a batch maker.
FOLDERS["zoo/models"] = {
    *("layers", "losses", "saved_classes", "training/recipe", "data", "data/batches", *TEXT),
    *(one for one in FOLDERS if one.startswith("zoo/")),
}
FOLDERS["zoo/baselines"] = {
    *("layers", "data", "data/tables", *TEXT, "zoo/spec", "zoo/ranges", "zoo/training_options"),
}
FOLDERS["zoo/answers"] = {"files", "data", "data/tables", "evaluation", "zoo/protocols", *TEXT}
FOLDERS["zoo/runs"] = {*FOLDERS} - {"serving/export", "serving/index", "serving/local"}
FOLDERS["zoo/exports"] = {*FOLDERS} - {"training"}
FOLDERS["zoo/prebuilt/card"] = {"files"}
FOLDERS["zoo/recommender"] = {*FOLDERS}
FOLDERS["zoo/prebuilt"] = {*FOLDERS} - {"training"}
FOLDERS["zoo/trained"] = {*FOLDERS}
FOLDERS["zoo/cli"] = {*FOLDERS}
FOLDERS["zoo"] = {*FOLDERS}
FOLDERS["testing"] = {*FOLDERS}

# Names that say nothing about what is inside.
SEDIMENT = {"utils", "util", "common", "helpers", "misc", "base", "core"}
MAX_LINES = 350

SOURCES = sorted(path for top in (PACKAGE, "zoo") for path in (ROOT / top).rglob("*.py"))


def imports(tree: ast.AST, *, types: bool = True) -> set[str]:
    """Every dotted name a file imports: `from a import b` gives both `a` and `a.b`.

    Without `types` what is imported for annotations alone is left out.
    """
    found = set()
    skipped = {
        id(inside)
        for node in ast.walk(tree)
        if not types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inside in ast.walk(node)
    }
    for node in (one for one in ast.walk(tree) if id(one) not in skipped):
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


def folder_of(path: Path) -> str:
    """The innermost folder of the table around a file, such as `data/batches`."""
    parts = path.with_suffix("").parts
    inside = parts[1:] if parts[0] == PACKAGE else parts
    while inside and "/".join(inside) not in FOLDERS:
        inside = inside[:-1]
    return "/".join(inside)


def target(name: str) -> Path | None:
    """The file of the package that a dotted name means, or is in."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    for end in range(len(parts), 0, -1):
        path = Path(*parts[:end])
        if (ROOT / path / "__init__.py").exists():
            return path / "__init__.py"
        if (ROOT / path).with_suffix(".py").exists():
            return path.with_suffix(".py")
    return None


def imports_upward(path: Path, tree: ast.AST) -> list[str]:
    own = folder_of(path)
    named = imports(tree, types=False)
    # `from a import b` gives `a` too, which is no more than `a.b` where that is a module.
    named -= {name.rpartition(".")[0] for name in named if _is_module(name)}
    found = set()
    for name in named - {f"{PACKAGE}.__version__"}:
        if (file := target(name)) is None:
            continue
        folder = folder_of(file)
        everyones = folder == "" and file.stem in EVERYWHERE
        if folder != own and folder not in FOLDERS[own] and not everyones:
            found.add(f"{own or PACKAGE} imports {name}")
    return sorted(found)


def _is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def old_name_of_the_zoo(path: Path, tree: ast.AST) -> list[str]:
    return [f"imports {name}" for name in imports(tree) if name.split(".")[0] == "zoo"]


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


def asks_for_an_attribute(path: Path, tree: ast.AST) -> list[str]:
    """What code asks of a model is a protocol of `zoo.protocols`, or a field of its spec."""
    if path.parts[0] != "zoo":
        return []
    found = (call for call in calls(tree) if ast.unparse(call.func) == "hasattr")
    return [f"line {call.lineno}: {ast.unparse(call)}" for call in found]


@functools.cache
def model_names() -> frozenset[str]:
    """The models' names, also those of earlier versions, as their specs say them."""
    from tfrec_fusion.zoo.registry import specs

    return frozenset(name for one in specs().values() for name in (one.name, *one.former_names))


def tells_models_by_name(path: Path, tree: ast.AST) -> list[str]:
    """A model describes itself: nobody else compares its name, or has a table of names."""
    if path.parts[:2] in (("zoo", "models"), ("zoo", "baselines")):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            parts += [one for part in parts if isinstance(part, _SEQUENCES) for one in part.elts]
            named = [part for part in parts if _names_a_model(part)]
        elif isinstance(node, ast.Dict):
            named = [key for key in node.keys if _names_a_model(key)]
        else:
            continue
        if named:
            found.append(f"line {node.lineno}: {ast.unparse(named[0])}")
    return found


_SEQUENCES = (ast.Tuple, ast.List, ast.Set)


def _names_a_model(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in model_names() - _OTHER_MEANINGS


# Words that mean something else, too: where a score comes from; a head of the hybrid.
_OTHER_MEANINGS = {"popularity", "two_tower"}


def name_says_nothing(path: Path, tree: ast.AST) -> list[str]:
    return [part for part in path.with_suffix("").parts if part.strip("_") in SEDIMENT]


RULES = [
    imports_upward,
    old_name_of_the_zoo,
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
    asks_for_an_attribute,
    tells_models_by_name,
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
    *(
        (imports_upward, path, text)
        for path, text in [
            ("tfrec_fusion/layers/fusion.py", "from tfrec_fusion.data import split"),
            ("tfrec_fusion/layers/fusion.py", "from tfrec_fusion import data"),
            ("tfrec_fusion/losses.py", "import tfrec_fusion.data.split"),
            ("tfrec_fusion/training/fit.py", "import tfrec_fusion.evaluation.ranking"),
            ("tfrec_fusion/serving/export/export.py", "from tfrec_fusion.training import x"),
            ("tfrec_fusion/evaluation/rating.py", "from tfrec_fusion.zoo import build"),
            ("tfrec_fusion/__init__.py", "from tfrec_fusion import data"),
            ("tfrec_fusion/data/a.py", "def f():\n    from tfrec_fusion.text import b"),
            ("tfrec_fusion/data/tables/a.py", "from tfrec_fusion.data.events import Events"),
            ("zoo/models/ncf/network.py", "from tfrec_fusion.data.sources import registry"),
            (
                "zoo/models/ncf/network.py",
                "from tfrec_fusion.zoo.runs.network_trainer import train",
            ),
            ("zoo/models/two_tower/network.py", "from tfrec_fusion.training import fit"),
            ("zoo/baselines/ease.py", "from tfrec_fusion.evaluation.ranking import ndcg"),
            ("zoo/answers/catalog_answers.py", "from tfrec_fusion.zoo import runs"),
            ("zoo/runs/run.py", "from tfrec_fusion.serving.export import export"),
            ("zoo/runs/run.py", "from tfrec_fusion.zoo.cli.command_line import main"),
            ("zoo/runs/train.py", "import tfrec_fusion.zoo.exports.export_run"),
        ]
    ),
    (old_name_of_the_zoo, "zoo/runs/run.py", "import zoo"),
    (old_name_of_the_zoo, "tfrec_fusion/data/split.py", "from zoo.runs import run"),
    (relative_import, "zoo/models/ncf/network.py", "from .two_tower import build"),
    (relative_import, "tfrec_fusion/data/split.py", "from . import tables"),
    (star_import, "zoo/models/ncf/network.py", "from keras.layers import *"),
    (
        legacy_keras,
        "zoo/models/ncf/network.py",
        "import tensorflow as tf\nmodel = tf.keras.Model()",
    ),
    (legacy_keras, "zoo/models/ncf/network.py", "from tensorflow import keras"),
    (private_tensorflow, "zoo/models/ncf/network.py", "from tensorflow.python.ops import nn"),
    (private_tensorflow, "zoo/models/ncf/network.py", "import tensorflow as tf\ntf.python.ops()"),
    (pickle, "zoo/runs/run.py", "import pickle"),
    (pickle, "zoo/runs/run.py", "from joblib import dump"),
    (pickle, "zoo/runs/run.py", "np.load('x.npy', allow_pickle=True)"),
    (evaluated_text, "zoo/runs/run.py", "eval('1')"),
    (evaluated_text, "zoo/runs/run.py", "exec('1')"),
    (shell, "zoo/runs/run.py", "subprocess.run('ls', shell=True)"),
    (shell, "zoo/runs/run.py", "os.system('ls')"),
    (bare_except, "zoo/runs/run.py", "try:\n    pass\nexcept:\n    pass"),
    (builtin_error, "zoo/runs/run.py", "raise ValueError('no run')"),
    (written_otherwise, "zoo/runs/run.py", "np.savez_compressed(folder / 'events.npz', **events)"),
    (written_otherwise, "zoo/runs/run.py", "model.save(folder / 'model.keras')"),
    (written_otherwise, "zoo/runs/run.py", "(folder / 'run.json').write_text(text)"),
    (written_otherwise, "zoo/runs/run.py", "with open(path, 'w') as file:\n    file.write(text)"),
    (written_otherwise, "zoo/runs/run.py", "with path.open('ab') as file:\n    file.write(text)"),
    (written_otherwise, "zoo/runs/run.py", "file = path.open(mode='x')"),
    (written_otherwise, "zoo/runs/run.py", "shutil.copyfile(source, target)"),
    (written_otherwise, "zoo/runs/run.py", "os.replace(part, target)"),
    (written_otherwise, "zoo/runs/run.py", "table.to_csv(path)"),
    (written_otherwise, "tfrec_fusion/serving/a.py", "tf.io.TFRecordWriter(str(path))"),
    (written_otherwise, "tfrec_fusion/text/a.py", "backbone.save_to_preset(str(folder))"),
    (written_otherwise, "tfrec_fusion/text/a.py", "zipfile.ZipFile(path, 'w')"),
    (asks_for_an_attribute, "zoo/runs/run.py", "if hasattr(model, 'score'):\n    pass"),
    (tells_models_by_name, "zoo/runs/run.py", "if name == 'multi_task':\n    pass"),
    (tells_models_by_name, "zoo/runs/run.py", "x = name in ('gmf', 'mlp')"),
    (tells_models_by_name, "zoo/cli/train.py", "TABLE = {'ease': 1, 'neumf': 2}"),
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
    ("tfrec_fusion/data/split.py", "from tfrec_fusion.data.tables.rec_data import RecData"),
    ("tfrec_fusion/data/split.py", "import keras\nnp.load('x', allow_pickle=False)"),
    ("zoo/cli/command_line.py", "from tfrec_fusion import data, training, evaluation"),
    ("zoo/cli/train.py", "from tfrec_fusion.training.fit import fit\nimport zoology"),
    ("zoo/runs/train.py", "from tfrec_fusion.zoo.runs.full_ranking import ranking_of"),
    ("zoo/runs/run.py", "from tfrec_fusion.data.vocabulary import Vocabulary"),
    (
        "zoo/models/ncf/network.py",
        "from tfrec_fusion.layers.fusion import GatedFusion\nmodel.eval()",
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_lets_pass(rule):
    for path, text in ALLOWED:
        assert not rule(Path(path), ast.parse(text)), (path, text)
