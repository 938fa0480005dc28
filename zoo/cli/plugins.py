"""Files of your own that add models, data sets and language models: `--plugin FILE.py`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from tfrec_fusion.errors import InvalidInput, NotFound, UserError
from tfrec_fusion.text.language_models.registry import preset_names
from tfrec_fusion.zoo.cli.names import source_names
from tfrec_fusion.zoo.registry import specs

VARIABLE = "TFREC_ZOO_PLUGINS"
_loaded: dict[Path, ModuleType] = {}


def load_plugins(files: Iterable[Path]) -> None:
    """Imports Python files, each once, so that what they register is known.

    A file's module has the name of the file, as if it had been imported from its folder: Keras
    finds a class in it by the name under which a model was saved.

    Args:
        files: Files that call `zoo.register`, `register_source` or `register_preset`.

    Raises:
        NotFound: When there is no such file.
        InvalidInput: When one raises an error, registers nothing, or has the name of another
            module.
    """
    for file in files:
        path = file.expanduser().resolve()
        if path not in _loaded:
            _loaded[path] = _imported(path)


def plugins_variable() -> dict[str, str]:
    """Returns the environment by which another process loads the same files."""
    return {VARIABLE: os.pathsep.join(map(str, _loaded))} if _loaded else {}


def place_in_a_plugin(error: BaseException) -> str:
    """Returns the file and line of a plugin at which an error was raised, or below; "" elsewhere.

    Args:
        error: An exception with its traceback.
    """
    for path in _loaded:
        if line := _line(error, path):
            return f"{path}{line}"
    return ""


def _imported(path: Path) -> ModuleType:
    if not path.is_file() or path.suffix != ".py":
        kind = InvalidInput if path.exists() else NotFound
        missing = "" if path.exists() else ", which does not exist"
        raise kind(
            f"--plugin must be a Python file, such as models/sasrec.py. Received: {path}{missing}."
        )
    name = re.sub(r"\W", "_", path.stem)
    taken = _place_of(name)
    if taken and taken != str(path):
        raise InvalidInput(
            f"--plugin {path}: `{name}` is the name of another module, {taken}. Rename the file."
        )
    if taken and name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    return _executed(spec, path)


def _place_of(name: str) -> str | None:
    """The file of a module that Python knows or finds by a name, or a word for it."""
    if (module := sys.modules.get(name)) is not None:
        return getattr(module, "__file__", None) or "a part of Python"
    spec = importlib.util.find_spec(name)
    return None if spec is None else str(spec.origin or "a package")


def _registered() -> tuple[list[int], list[str], list[str]]:
    """Models, data sets and language models that are known; a model may be registered again."""
    return [id(spec) for spec in specs().values()], source_names(), preset_names()


def _executed(spec: ModuleSpec, path: Path) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before, done = _registered(), False
    try:
        assert spec.loader is not None
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the command's results
            spec.loader.exec_module(module)
        done = _registered() != before
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"--plugin {path}{_line(error, path)}: {_words(error, path)}") from error
    finally:
        if not done:
            del sys.modules[spec.name]
    if not done:
        raise InvalidInput(
            f"--plugin {path} registers nothing. Call `zoo.register(zoo.ModelSpec(…))` in it, "
            "after `from tfrec_fusion import zoo`."
        )
    return module


def _line(error: BaseException, path: Path) -> str:
    """The line of the file at which an error was raised, in words."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    of_file = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f", line {of_file[-1]}" if of_file else ""


def _words(error: BaseException, path: Path) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, SystemExit):
        return "The file ends the program. Keep what does so under `if __name__ == '__main__':`."
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    hint = ""
    if isinstance(error, ModuleNotFoundError) and (path.parent / f"{error.name}.py").exists():
        hint = f" It is found when PYTHONPATH holds {path.parent}."
    return f"{type(error).__name__}: {said.rstrip('.')}.{hint}"
