"""Archives whose names and sizes are looked at before anything is unpacked.

A zip says how large its members become. What says too much, for its own size, is a bomb; a member
that becomes larger than it says is never read beyond that.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.regular import open_regular

MOST_MEMBERS = 10_000
MOST_EXPANSION = 100  # bytes for each byte of the archive, above the floor
FLOOR_BYTES = 2**28
CHUNK = 2**20
VERSIONS = (b"\1\0", b"\2\0")  # of `.npy` files, of whose headers NumPy's readers are public
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def check_expansion(path: str | Path, declared: int, stored: int) -> None:
    """Refuses a file that says it becomes much larger than it is.

    Args:
        path: The file, for the message.
        declared: The bytes that it says it becomes.
        stored: The bytes that it has.

    Raises:
        InvalidInput: When `declared` is above 256 MiB and above a hundred times `stored`.
    """
    if declared > max(FLOOR_BYTES, MOST_EXPANSION * stored):
        raise InvalidInput(
            f"{path} must not become more than {MOST_EXPANSION} times as large as it is, above "
            f"{FLOOR_BYTES >> 20} MiB. Received: {declared:,} bytes out of {stored:,}."
        )


def open_archive(file: BinaryIO, path: str | Path) -> zipfile.ZipFile:
    """Opens a zip file whose table of contents is sound.

    Args:
        file: The open file, which stays open as long as the archive is used.
        path: Its path, for the messages.

    Raises:
        InvalidInput: When it is no zip file, has a name twice or one that leads out of a folder,
            is encrypted, or would become too large.
    """
    stored = file.seek(0, 2)
    try:
        archive = zipfile.ZipFile(file)
    except DAMAGED as error:
        raise InvalidInput(f"{path} is no sound zip file: {error}") from error
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise InvalidInput(
            f"{path} must have at most {MOST_MEMBERS:,} members. Received: {len(members):,}."
        )
    if len({one.filename for one in members}) < len(members):
        raise InvalidInput(f"{path} must name each member once.")
    for one in members:
        parts = one.orig_filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or "\0" in one.orig_filename or ":" in parts[0]:
            raise InvalidInput(
                f"{path} must name its members inside of a folder. Received: "
                f"{one.orig_filename!r:.80}."
            )
        if one.flag_bits & 0x1:
            raise InvalidInput(f"{path} must not be encrypted. Received: {one.filename!r:.80}.")
    check_expansion(path, sum(one.file_size for one in members), stored)
    return archive


def read_member(archive: zipfile.ZipFile, name: str) -> bytearray:
    """Reads a member, never more than the table of contents says.

    Raises:
        zipfile.BadZipFile: When its content is other than that says; also the other errors of
            `DAMAGED`.
        KeyError: When there is none of the name.
    """
    size = archive.getinfo(name).file_size
    content = bytearray()
    with archive.open(name) as member:
        while len(content) < size and (piece := member.read(min(CHUNK, size - len(content)))):
            content += piece
        if len(content) < size or member.read(1):
            raise zipfile.BadZipFile(f"{name} has not the {size:,} bytes that are announced.")
    return content


def read_arrays(path: str | Path, prefix: str = "") -> dict[str, np.ndarray]:
    """Reads the plain arrays of an `.npz` file that may have been written by anybody.

    Args:
        path: The file.
        prefix: Reads only arrays whose names begin so.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is no such file, an array is not as long as it says, or would run
            code; nothing has been unpacked then that its size does not allow.

    Example:

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a.npz"
    >>> np.savez(file, allow_pickle=False, a=np.arange(3))
    >>> read_arrays(file)["a"].tolist()
    [0, 1, 2]
    """
    with open_regular(path) as file, open_archive(file, path) as archive:
        arrays = {}
        for name in archive.namelist():
            key = name.removesuffix(".npy")
            if key == name:
                raise InvalidInput(f"{path} must hold arrays alone. Received: {name!r:.80}.")
            if not key.startswith(prefix):
                continue
            try:
                arrays[key] = _array(read_member(archive, name))
            except Exception as error:  # NumPy's reader raises what the header makes it raise
                raise InvalidInput(f"{path}: {name} is no sound array: {error}") from error
        return arrays


def _array(content: bytearray) -> np.ndarray:
    """The array of an `.npy` file, on the memory of its content."""
    if content[:6] != np.lib.format.MAGIC_PREFIX or bytes(content[6:8]) not in VERSIONS:
        raise InvalidInput("it does not begin like one.")
    width = 2 if content[6] == 1 else 4
    start = 8 + width + int.from_bytes(content[8 : 8 + width], "little")
    shape, in_columns, dtype = _header(bytes(content[:start]))
    if dtype.hasobject or not dtype.itemsize:
        raise InvalidInput(f"its type must be plain. Received: {dtype}.")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(content) - start:
        raise InvalidInput(
            f"its shape {shape} of {dtype} does not go with {len(content) - start:,} bytes."
        )
    values = np.frombuffer(content, dtype, offset=start)
    return values.reshape(shape, order="F" if in_columns else "C")


def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)
