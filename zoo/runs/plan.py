"""The training that a run folder is for, and the one process that may write to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfrec_fusion.errors import AlreadyExists, InvalidInput
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.files.whole import remove_leftovers, write_text
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.differences import differences
from tfrec_fusion.zoo.runs.run import is_measured
from tfrec_fusion.zoo.runs.settings import default_options

PLAN = "plan.json"


@contextmanager
def claimed(folder: Path, plan: Mapping[str, Any]) -> Iterator[None]:
    """Keeps a run folder for one process and one plan, which is noted in it.

    Only the same training goes on in the folder. One that was refused before it began leaves no
    note, and no folder that it made: the next one may be another.

    Args:
        folder: Created when missing.
        plan: Everything that decides the run, as JSON can write it.

    Raises:
        AlreadyExists: When the folder holds a finished run, or was begun with another plan.
        Busy: When another process writes to it.
    """
    _check_unfinished(folder)
    was_there = folder.exists()
    text = json.dumps(plan, indent=2, sort_keys=True) + "\n"
    path = folder / PLAN
    with only_writer(folder):
        _check_unfinished(folder)  # another process may have finished it meanwhile
        asked = json.loads(text)
        begun = _begun(path) if path.exists() else asked
        if changed := differences(_completed(begun), _completed(asked)):
            raise AlreadyExists(
                f"{folder} holds the beginning of another training (see {path}): "
                f"{'; '.join(changed)}. Choose another folder, remove that one, or train as "
                "before to resume."
            )
        remove_leftovers(folder)
        write_text(path, text)
        try:
            yield
        except BaseException:
            if list(folder.iterdir()) == [path]:
                path.unlink()
                if not was_there:
                    folder.rmdir()
            raise


def _completed(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan in the names of this version, with the defaults of options that it does not name.

    Plans of version 0.1 name the options of all models, and none that came later.
    """
    try:
        spec = get_spec(plan.get("model"))
    except InvalidInput:  # an ensemble's
        return dict(plan)
    options = {**default_options(), **plan.get("options", {})}
    keywords = spec.current_names(plan.get("hyperparameters", {}))
    return {**plan, "model": spec.name, "options": options, "hyperparameters": keywords}


def _begun(path: Path) -> dict[str, Any]:
    """The plan that a folder was begun with."""
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise InvalidInput(f"it must hold an object. Received: {found!r:.60}.")
        for name in ("options", "hyperparameters"):
            if not isinstance(part := found.get(name, {}), dict):
                raise InvalidInput(f"`{name}` must be an object. Received: {part!r:.60}.")
    except InvalidInput as error:
        raise AlreadyExists(
            f"{path} says what the folder is for, and cannot be read: {error} Choose another "
            "folder, or remove that one."
        ) from error
    return found


def _check_unfinished(folder: Path) -> None:
    if is_measured(folder):
        raise AlreadyExists(
            f"{folder} holds a finished run already. Choose another folder, or remove that one."
        )
