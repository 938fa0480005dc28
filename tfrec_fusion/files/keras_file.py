"""`.keras` files looked through before Keras opens them: sizes, names and links inside."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.archives import DAMAGED, check_expansion, open_archive
from tfrec_fusion.files.regular import open_regular

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST_CONFIG_BYTES = 2**26
MOST_OBJECTS = 100_000
_LOCAL_HEADER = 30


def check_keras_file(path: str | Path) -> None:
    """Refuses a `.keras` file that Keras would unpack without end, or that leads elsewhere.

    Keras itself refuses code in it (`safe_mode`).

    Args:
        path: The file, as `model.save` writes it: a zip of members that are not compressed.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is no such file, says it is larger than it is, or links to another.
    """
    with open_regular(path) as file, open_archive(file, path) as archive:
        for one in archive.infolist():
            if one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size:
                raise InvalidInput(
                    f"{path} must hold its members as Keras writes them, uncompressed. Received: "
                    f"{one.filename!r:.80}, {one.compress_size:,} bytes for {one.file_size:,}."
                )
        try:
            config, weights = archive.getinfo(CONFIG), archive.getinfo(WEIGHTS)
            start = _start(file, weights)
        except (KeyError, *DAMAGED) as error:
            raise InvalidInput(f"{path} is no model that Keras saved: {error}") from error
        if config.file_size > MOST_CONFIG_BYTES:
            raise InvalidInput(
                f"{path}: {CONFIG} must have at most {MOST_CONFIG_BYTES:,} bytes. "
                f"Received: {config.file_size:,}."
            )
        check_weights(_Part(file, start, weights.file_size), path, weights.file_size)


def check_weights(file: Any, path: str | Path, stored: int) -> None:
    """Refuses a file of weights (HDF5) that says it is larger than it is, or links to another.

    Args:
        file: The open file, or its path.
        path: Its path, for the messages.
        stored: Its bytes.

    Raises:
        InvalidInput: When it is no such file, or one of the above.
    """
    import h5py

    declared, seen = 0, set[Any]()
    try:
        with h5py.File(file, "r") as root:
            waiting: list[Any] = [root]
            while waiting:
                group = waiting.pop()
                for name in group:
                    link = group.get(name, getlink=True)
                    if not isinstance(link, h5py.HardLink):
                        raise InvalidInput(f"{path} must not lead elsewhere. Received: {name!r}.")
                    one = group[name]
                    place = h5py.h5o.get_info(one.id).addr
                    if place in seen:
                        continue
                    seen.add(place)
                    if len(seen) > MOST_OBJECTS:
                        raise InvalidInput(
                            f"{path} must have at most {MOST_OBJECTS:,} groups and arrays."
                        )
                    if isinstance(one, h5py.Group):
                        waiting.append(one)
                    elif isinstance(one, h5py.Dataset):
                        if one.external or one.is_virtual:
                            raise InvalidInput(
                                f"{path} must hold its numbers itself. Received: {name!r}, which "
                                "is kept in another file."
                            )
                        declared += math.prod(one.shape or ()) * one.dtype.itemsize
    except InvalidInput:
        raise
    except Exception as error:  # HDF5's Python raises what the file makes it raise
        raise InvalidInput(f"{path} holds no sound weights: {error}") from error
    check_expansion(path, declared, stored)


def _start(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where the content of an uncompressed member begins in the archive."""
    file.seek(member.header_offset)
    header = file.read(_LOCAL_HEADER)
    if header[:4] != b"PK\3\4":
        raise zipfile.BadZipFile(f"{member.filename} is not where it is said to be")
    lengths = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return member.header_offset + _LOCAL_HEADER + sum(lengths)


class _Part(io.RawIOBase):
    """A part of an open file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._first, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, begin + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._place))
        self._file.seek(self._first + self._place)
        content = self._file.read(wanted)
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
