"""Checksums of a version's files, inside it, so that a changed byte is found.

TensorFlow compares the variables of a SavedModel with checksums of their own, and nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.checksums import checked_checksums, checksums, first_fault
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.serving.export.verification import ExportMismatch

CHECKSUMS = "assets.extra/checksums.json"  # a folder that servers leave alone
_CURE = "Copy the version again from where it is whole, or export again."


def write_checksums(version_dir: Path) -> None:
    """Writes sha256 by name of all files of a version."""
    found = checksums(version_dir)
    found.pop(CHECKSUMS, None)
    write_text(version_dir / CHECKSUMS, json.dumps(found, indent=1) + "\n")


def check_checksums(version_dir: Path) -> None:
    """Compares a version with its checksums; one that was exported earlier has none.

    Raises:
        ExportMismatch: When a file is missing or was changed.
    """
    path = version_dir / CHECKSUMS
    if not path.exists():
        return
    try:
        found = first_fault(version_dir, checked_checksums(read_json(path)))
    except (InvalidInput, OSError) as error:
        raise ExportMismatch(f"{path} cannot be read: {error} {_CURE}") from error
    if found:
        raise ExportMismatch("{} {}. {}".format(*found, _CURE))
