"""A data set's files, wherever they lie: recognized by name in a folder or a zip, then read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.archives import DAMAGED, open_archive, read_member
from tfrec_fusion.files.download import Unreachable
from tfrec_fusion.files.regular import open_regular

if TYPE_CHECKING:
    import pandas as pd

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Tables:
    """The tables of a `RecData` as a layout's files hold them, not yet validated."""

    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame | None = None
    graph: pd.DataFrame | None = None


@dataclass(frozen=True)
class Layout:
    """The files a data set comes in, by name, and how they are read.

    Attributes:
        required: Names of the files there must be.
        read: Makes the tables of the files' contents.
        optional: Names of files that are read where present.
    """

    required: tuple[str, ...]
    read: Callable[[Files], Tables]
    optional: tuple[str, ...] = ()


def read_local(local: Path | None, names: list[str], layouts: tuple[Layout, ...]) -> Tables:
    """Reads a data set from what the user points at.

    Args:
        local: A zip, a folder of the files, or a folder that holds either; None for nothing.
        names: What zip files are called that may lie in the folder.
        layouts: The layouts to look for, the richest first.

    Raises:
        Unreachable: When none of it is there.
        ValueError: When the files are there and damaged.
    """
    if local is None:
        raise Unreachable("none was given")
    if not local.exists():
        raise Unreachable(f"{local} does not exist")
    if local.is_file():
        return read_zip(local, layouts)
    folders = [local, *sorted(entry for entry in local.iterdir() if entry.is_dir())]
    for folder in folders:
        inside = {entry.name: entry.read_bytes for entry in folder.iterdir() if entry.is_file()}
        if (tables := _read(inside, layouts, str(folder))) is not None:
            return tables
    for name in names:
        if (local / name).is_file():
            return read_zip(local / name, layouts)
    zips = f"neither {' nor '.join(names)} nor" if names else "no"
    raise Unreachable(f"{local} holds {zips} {_wanted(layouts)}")


def read_zip(path: Path, layouts: tuple[Layout, ...]) -> Tables:
    """Reads the files of the first layout that lie together in one folder of a zip.

    Raises:
        Unreachable: When `path` is no sound zip, or holds none of the layouts.
        ValueError: When the files are there and damaged.
    """
    try:
        with open_regular(path) as packed, _archive(packed, path) as archive:
            folders: dict[str, dict[str, Callable[[], bytes]]] = {}
            for member in archive.namelist():
                file = PurePosixPath(member)
                inside = folders.setdefault(str(file.parent), {})
                inside[file.name] = partial(_member, archive, member)
            for inside in folders.values():
                if (tables := _read(inside, layouts, str(path))) is not None:
                    return tables
    except DAMAGED as error:
        raise Unreachable(f"{path} is not a sound zip file: {error}") from error
    raise Unreachable(f"{path} holds no {_wanted(layouts)}")


def _archive(packed: BinaryIO, path: Path) -> zipfile.ZipFile:
    try:
        return open_archive(packed, path)
    except InvalidInput as error:
        raise Unreachable(f"{path} is not a sound zip file: {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    return bytes(read_member(archive, name))


def _read(
    inside: dict[str, Callable[[], bytes]], layouts: tuple[Layout, ...], place: str
) -> Tables | None:
    """The tables of the first layout whose files are all `inside`, None when there is none."""
    for layout in layouts:
        if all(name in inside for name in layout.required):
            names = (*layout.required, *layout.optional)
            files: Files = {name: inside[name]() for name in names if name in inside}
            try:
                return layout.read(files)
            except (KeyError, ValueError) as error:
                raise InvalidInput(f"The files in {place} are damaged: {error}") from error
    return None


def _wanted(layouts: tuple[Layout, ...]) -> str:
    return " or ".join(" + ".join(layout.required) for layout in layouts)
