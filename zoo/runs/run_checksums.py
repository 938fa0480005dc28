"""Checksums of a run folder's files, kept in its `run.json`, so that a changed byte is found.

`files` has the sha256 of each file by its name, and `checksum` that of all else that `run.json`
says. They find what a disk, a copy or an editor did; they are no signature. A run of an earlier
version has neither and is read as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.checksums import checked_checksums, checksums, fault_of
from tfrec_fusion.files.json_file import read_json

# What only people read: it may be removed.
FOR_PEOPLE = ("metrics.csv", "report.html", "plan.json")
_READ = (
    *("model.keras", "model.npz", "users.json", "items.json", "catalogue.csv", "item_columns.csv"),
    *("events.npz", "interests.npz", "graph.json"),
)
_CHECKPOINTS = "training/choose_epochs-*/checkpoints/training.npz"
_MEMBERS = "members/*/model.*"


def with_checksums(folder: Path, info: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `run.json` says, with the checksums of the folder's files as they are now."""
    said = {key: value for key, value in info.items() if key not in ("files", "checksum")}
    names = [name for name in (*_READ, *FOR_PEOPLE) if (folder / name).is_file()]
    for pattern in (_MEMBERS, _CHECKPOINTS):
        names += [path.relative_to(folder).as_posix() for path in folder.glob(pattern)]
    said["files"] = checksums(folder, names)
    return said | {"checksum": _checksum(said)}


def belongs(folder: Path, name: str, files: Collection[str] | None) -> bool:
    """Returns whether a file is one of a run's; where these are not known, whether it exists."""
    return (folder / name).exists() if files is None else name in files


def fault_of_run(folder: Path) -> str:
    """Says which file of a run is not what it was when `run.json` was written; "" where all are.

    Checkpoints, which only ensembles read, are not looked at; see `fault_of_checkpoint`.

    Args:
        folder: The run folder, whose `run.json` can be read.
    """
    path = folder / "run.json"
    info = read_json(path)
    if "files" not in info and "checksum" not in info:
        return ""
    try:
        files = checked_checksums(info.get("files"))
    except InvalidInput as error:
        return f"{path} is damaged, its `files`: {error}"
    said = {key: value for key, value in info.items() if key != "checksum"}
    if info.get("checksum") != _checksum(said):
        return (
            f"{path} was changed: it is not what its `checksum` is of. If you changed it "
            "yourself, remove `files` and `checksum` from it."
        )
    for name, digest in files.items():
        one = folder / name
        # What is missing is said where it is read; what is for people is not needed.
        if name.startswith("training/") or not one.exists():
            continue
        if fault := fault_of(one, digest):
            more = " Or remove it: only people read it." if name in FOR_PEOPLE else ""
            return f"{one} {fault}.{more}"
    return ""


def fault_of_checkpoint(path: Path, folder: Path, info: Mapping[str, Any]) -> str:
    """Says why a checkpoint of a run is not what it was; "" where it is, or is not known to be."""
    digest = info.get("files", {}).get(path.relative_to(folder).as_posix())
    fault = "" if digest is None else fault_of(path, digest)
    return f"{path} {fault}." if fault else ""


def _checksum(said: Mapping[str, Any]) -> str:
    """sha256 of the content, however it is laid out in the file."""
    plain = json.loads(json.dumps(said))  # what is read again: lists instead of tuples
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
