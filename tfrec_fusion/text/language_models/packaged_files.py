"""The language models that come with the package, their files compared with a list of checksums."""

from __future__ import annotations

import json
from pathlib import Path

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.checksums import BrokenPackage, checked_checksums, checksums, first_fault
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.text.language_models.folders import one_line
from tfrec_fusion.text.language_models.registry import find_preset

PACKAGED = Path(__file__).parent / "packaged"
REINSTALL = "Install tfrec-fusion again, or in a clone get the file back by `git checkout`."


def packaged_folder(preset: str) -> Path:
    """Returns the folder of a language model that comes with the package."""
    return PACKAGED / preset


def is_packaged(preset: str) -> bool:
    """Returns whether a language model comes with the package."""
    return (named := find_preset(preset)) is not None and named.packaged


def check_packaged(preset: str) -> None:
    """Compares a language model that comes with the package with its list of checksums.

    Raises:
        BrokenPackage: When a file is missing or changed, or there is one too many.
    """
    folder, listed = packaged_folder(preset), _list_of_checksums(preset)
    try:
        expected = checked_checksums(read_json(listed))
    except (OSError, InvalidInput) as error:
        raise BrokenPackage(f"{listed} cannot be read: {one_line(error)}. {REINSTALL}") from error
    if fault := first_fault(folder, expected):
        raise BrokenPackage("{} {}. {}".format(*fault, REINSTALL))
    if strange := sorted(checksums(folder).keys() - expected.keys()):
        raise BrokenPackage(
            f"{folder} holds what does not belong to {preset}: {', '.join(strange)}. Remove it."
        )


def checked_folder(preset: str) -> Path:
    """The folder of a language model that comes with the package, its files compared.

    Raises:
        BrokenPackage: As of `check_packaged`.
    """
    check_packaged(preset)
    return packaged_folder(preset)


def write_packaged_checksums(preset: str) -> None:
    """Writes the list that `check_packaged` compares with, of a model that was just packed."""
    listed = checksums(packaged_folder(preset))
    write_text(_list_of_checksums(preset), json.dumps(listed, indent=1) + "\n")


def _list_of_checksums(preset: str) -> Path:
    return PACKAGED / f"{preset}.json"
