"""Files of `zoo/prebuilt/weights`: each appears whole, and never over one that a card names.

A card is written last and names its files with their checksums, so that until then the files of a
publication mean nothing, and whatever ends it leaves the models as they were. Files that no card
names any more are removed by the next publication.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.checksums import checksum_of
from tfrec_fusion.files.string_table import read_strings
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.zoo.prebuilt.card import cards

_LETTERS = 12  # of a checksum, in the name of a file


def cards_naming(path: Path, root: Path) -> list[str]:
    """Returns the names of the cards that name a file of `root`."""
    name = path.relative_to(root).as_posix()
    return [card.name for card in cards().values() if name in card.files]


def check_shared(sources: Iterable[Path], folder: Path, root: Path) -> None:
    """Makes sure that models of a folder can share files with those that are there.

    Args:
        sources: Files of a run.
        folder: The folder of `root` that will hold them.
        root: `zoo/prebuilt/weights`.

    Raises:
        ValueError: When a file differs from one that a card names.
    """
    for source in sources:
        target = folder / source.name
        named = cards_naming(target, root)
        if named and target.exists() and not _equal(target, source):
            raise InvalidInput(
                f"{target} is not {source}, and {', '.join(named)} "
                f"{'reads' if len(named) == 1 else 'read'} it. Train on the same data, or "
                "publish into another folder of zoo/prebuilt/weights, by --folder."
            )


def keep_shared(sources: Iterable[Path], folder: Path, root: Path) -> list[Path]:
    """Copies the files of a run that are not there yet, and returns where all of them are.

    Args:
        sources: Files of a run, as `check_shared` found them sound.
        folder: The folder of `root` that will hold them.
        root: `zoo/prebuilt/weights`.
    """
    targets = []
    for source in sources:
        target = folder / source.name
        # What no card names may be the rest of a publication that did not end.
        if not target.exists() or not (cards_naming(target, root) or _equal(target, source)):
            with source.open("rb") as content, whole_file(target) as file:
                shutil.copyfileobj(content, file)
        targets.append(target)
    return targets


def keep_own(written: Path, folder: Path, stem: str, root: Path) -> Path:
    """Gives a written file its name: one that is free, or that of an equal file.

    Args:
        written: The file, in `folder`.
        folder: The folder of `root`.
        stem: How its name begins; a part of its checksum is added where a card names that file.
        root: `zoo/prebuilt/weights`.
    """
    digest = checksum_of(written)
    for name in (stem, f"{stem}-{digest[:_LETTERS]}"):
        target = folder / f"{name}{written.suffix}"
        if target.exists() and checksum_of(target) == digest:
            written.unlink()
            return target
        if not cards_naming(target, root):
            break
    written.replace(target)
    return target


def remove_unnamed(folder: Path, root: Path) -> None:
    """Removes what publications that did not end, or were replaced, have left in a folder."""
    named = {name for card in cards().values() for name in card.files}
    for pattern in ("*.safetensors", "*.part"):
        for path in folder.glob(pattern):
            if path.relative_to(root).as_posix() not in named:
                path.unlink()


def _equal(one: Path, other: Path) -> bool:
    """Returns whether two files have the same content, however cells are quoted or it is packed."""
    if checksum_of(one) == checksum_of(other):
        return True
    try:
        if one.suffix == ".csv":
            return read_strings(one).equals(read_strings(other))
        if one.suffix == ".npz":
            with (
                np.load(one, allow_pickle=False) as mine,
                np.load(other, allow_pickle=False) as its,
            ):
                return mine.files == its.files and all(
                    np.array_equal(mine[name], its[name], equal_nan=mine[name].dtype.kind == "f")
                    for name in mine.files
                )
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):  # cut short, perhaps
        return False
    return False
