"""The files of a run folder, read as if anybody had written them: whole, bounded, and its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.graph_names import GraphNames
from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.files.archives import read_arrays
from tfrec_fusion.files.keras_file import check_keras_file
from tfrec_fusion.files.regular import open_regular
from tfrec_fusion.text.interests.profiles import Interests
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain
from tfrec_fusion.zoo.protocols import Model
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.ensemble import Ensemble

Read = TypeVar("Read")
# Of each column of events: its kinds of numbers.
COLUMNS = {"user": "iu", "item": "iu", "rating": "f", "timestamp": "i"}


class BrokenRun(UserError, RuntimeError):
    """A folder that is not, or no longer, a whole run."""


def read_file(folder: Path, name: str, read: Callable[[Path], Read]) -> Read:
    """Reads a file of a run folder.

    Args:
        folder: The run folder.
        name: The file's path in it.
        read: Reads a path.

    Raises:
        BrokenRun: When it is missing, no file, leads out of the folder, or cannot be read; the
            message names the file, the reason and the cure.
    """
    path = folder / name
    cure = f"Restore it, or train again with --out {folder}."
    if not path.exists():
        present = ", ".join(sorted(one.name for one in folder.iterdir())) or "nothing"
        raise BrokenRun(f"{folder} is broken: {name} is missing (present: {present}). {cure}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BrokenRun(
            f"{path} leads out of the run folder, to {path.resolve()}. Put the file itself there."
        )
    try:
        open_regular(path).close()
        return read(path)
    except (UserError, ValueError, KeyError, OSError) as error:
        raise BrokenRun(f"{path} cannot be read: {error} {cure}") from error
    except Exception as error:  # the readers of Keras and pandas raise what a file makes them raise
        kind = type(error).__name__
        raise BrokenRun(f"{path} cannot be read ({kind}): {error} {cure}") from error


def read_model(folder: Path, where: str, name: str) -> Any:
    """Reads the model of a run, or a member of an ensemble.

    Args:
        folder: The run folder.
        where: Folder of the model in it, with a slash, or "".
        name: The model's name in the zoo.

    Raises:
        BrokenRun: When the file is not sound, or holds another model.
    """
    spec = get_spec(name)
    if spec.is_baseline:
        kind = spec.config
        return read_file(
            folder, f"{where}model.npz", lambda path: kind.from_arrays(read_arrays(path))
        )

    def read(path: Path) -> Any:
        check_keras_file(path)
        model: Any = keras.models.load_model(path, safe_mode=True)
        received = getattr(model, "name", type(model).__name__)
        if not isinstance(model, Model) or received not in (name, spec.name, *spec.former_names):
            raise InvalidInput(f"It must hold the model {name}. Received: {received!r:.60}.")
        return model

    return read_file(folder, f"{where}model.keras", read)


def check_sizes(folder: Path, model: Any, num_users: int, num_items: int) -> None:
    """Refuses a model of other users or items than a run's.

    Raises:
        BrokenRun: With both numbers.
    """
    for one in model.members.values() if isinstance(model, Ensemble) else (model,):
        sizes = one if isinstance(one, MatrixChain) else one.config
        # A config may lack the number of users.
        found = (vars(sizes).get("num_users", num_users), sizes.num_items)
        if found != (num_users, num_items):
            of_model, of_run = (
                f"{users - 1:,} users and {items - 1:,} items"
                for users, items in (found, (num_users, num_items))
            )
            raise BrokenRun(
                f"{folder} is broken: its model is of {of_model}, its vocabularies of {of_run}. "
                f"Restore the files, or train again with --out {folder}."
            )


def read_events(
    path: Path, parts: Sequence[str], num_users: int, num_items: int
) -> dict[str, Events]:
    """Reads the parts of `events.npz`.

    Raises:
        InvalidInput: When a column is missing, not of its kind, or names users or items that the
            run does not have.
    """
    arrays = read_arrays(path)
    return {part: _events(arrays, part, num_users, num_items) for part in parts}


def _events(arrays: Mapping[str, np.ndarray], part: str, num_users: int, num_items: int) -> Events:
    columns = {name: _column(arrays, f"{part}.{name}", kinds) for name, kinds in COLUMNS.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"{part} must have columns of one length. Received: {lengths}.")
    for name, size in (("user", num_users), ("item", num_items)):
        column = columns[name]
        if len(column) and not 0 <= int(column.min()) <= int(column.max()) < size:
            raise InvalidInput(
                f"{part}.{name} must be from 0 to {size - 1}. Received: from {column.min()} to "
                f"{column.max()}."
            )
    if (np.diff(columns["user"].astype(np.int64)) < 0).any():
        raise InvalidInput(f"{part} must be sorted by user.")
    if not np.isfinite(columns["rating"]).all():
        raise InvalidInput(f"{part}.rating must be finite.")
    return Events(**columns, num_users=num_users, num_items=num_items)


def read_interests(path: Path, num_users: int) -> Interests:
    """Reads what users care about.

    Raises:
        InvalidInput: When it is of another number of users.
    """
    interests = Interests.load(path)
    if interests.num_users != num_users:
        raise InvalidInput(
            f"It must be of {num_users - 1:,} users. Received: {interests.num_users - 1:,}."
        )
    return interests


def read_graph(path: Path, config: Any) -> GraphNames:
    """Reads the names of a knowledge graph that a model reads.

    Raises:
        InvalidInput: When they are not as many as the model has.
    """
    names = GraphNames.load(path)
    found, expected = (
        f"{entities} entities and {relations} relations"
        for entities, relations in (
            (len(names.entities), len(names.relations)),
            (config.num_entities, config.num_relations),
        )
    )
    if found != expected:
        raise InvalidInput(f"It must name the model's {expected}. Received: {found}.")
    return names


def _column(arrays: Mapping[str, np.ndarray], name: str, kinds: str) -> np.ndarray:
    if name not in arrays:
        raise InvalidInput(f"The array {name} is missing.")
    column = arrays[name]
    if column.ndim != 1 or column.dtype.kind not in kinds:
        raise InvalidInput(
            f"{name} must be one column of {'whole ' if 'i' in kinds else ''}numbers. Received: "
            f"the shape {column.shape} of {column.dtype}."
        )
    return column
