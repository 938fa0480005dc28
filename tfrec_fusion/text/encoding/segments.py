"""Files of vectors under keys: written once and whole, verified when read, never changed.

A segment is one `.npy` file of records (key, vector). Its name begins with the sha256 of its
content, so that a damaged file is known by its name alone, and ends in letters of its own, so that
processes writing at the same time never meet. What is merged is written before it is removed:
at every moment each key that was ever finished is in some file.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.whole import whole_file

logger = logging.getLogger(__name__)

KEY_BYTES = 32
CHECKSUM_LETTERS = 32
BLOCK_ROWS = 4096

Places = dict[bytes, tuple[int, int]]


@dataclass(frozen=True)
class Segment:
    """One file of vectors, open.

    Attributes:
        path: The file.
        keys: Each row's key, 32 bytes.
        vectors: `(len(keys), dim)` float32, memory-mapped and read-only.
    """

    path: Path
    keys: list[bytes]
    vectors: np.ndarray


def write_segment(folder: Path, keys: list[bytes], vectors: np.ndarray) -> Path:
    """Writes vectors under their keys; the file appears whole or not at all.

    Args:
        folder: Where segments are kept.
        keys: 32 bytes each.
        vectors: `(len(keys), dim)` float32.

    Example:
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = write_segment(folder, [bytes(32)], np.ones((1, 2), np.float32))
    >>> read_segments(folder, dim=2)[0].vectors
    memmap([[1., 1.]], dtype=float32)
    """
    records = _records(keys, vectors)
    return _write(folder, len(keys), vectors.shape[1], lambda: iter([records]))


def read_segments(folder: Path, dim: int, verified: set[str] | None = None) -> list[Segment]:
    """Opens every segment of a folder; a damaged one is removed, which is logged.

    Args:
        folder: Where segments are kept; need not exist.
        dim: How long the vectors must be.
        verified: Names of files whose checksum need not be computed again; what is verified now
            is added.

    Raises:
        ValueError: When a sound file has vectors of another length.
    """
    verified = set() if verified is None else verified
    while True:
        try:
            opened = [_open(path, dim, verified) for path in sorted(folder.glob("*.npy"))]
        except FileNotFoundError:
            continue  # another process merged it away since it was listed: its rows are elsewhere
        return [segment for segment in opened if segment is not None]


def places_of(segments: list[Segment]) -> Places:
    """Where each key is: the number of its segment and its row there."""
    places: Places = {}
    for number, segment in enumerate(segments):
        for row, key in enumerate(segment.keys):
            places.setdefault(key, (number, row))
    return places


def gather(segments: list[Segment], places: Places, keys: list[bytes]) -> np.ndarray:
    """The vectors under `keys`, `(len(keys), dim)` float32, read-only.

    Memory-mapped where one segment has them in this order; otherwise in memory.
    """
    found = np.array([places[key] for key in keys], np.int64)  # (num_keys, 2)
    numbers, rows = found[:, 0], found[:, 1]
    first = segments[numbers[0]].vectors
    if (numbers == numbers[0]).all() and (np.diff(rows) == 1).all():
        return first[rows[0] : rows[0] + len(rows)]
    vectors = np.empty((len(keys), first.shape[1]), np.float32)
    for number in np.unique(numbers):
        here = numbers == number
        vectors[here] = segments[number].vectors[rows[here]]
    vectors.flags.writeable = False
    return vectors


def merge(folder: Path, segments: list[Segment], first: Iterable[bytes]) -> None:
    """Writes all segments' vectors into one, then removes them.

    Args:
        folder: Where segments are kept.
        segments: What to merge.
        first: The keys to begin with, in this order; the others follow.
    """
    places = places_of(segments)
    order = list(dict.fromkeys([*first, *places]))

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(order), BLOCK_ROWS):
            keys = order[start : start + BLOCK_ROWS]
            yield _records(keys, gather(segments, places, keys))

    _write(folder, len(order), segments[0].vectors.shape[1], blocks)
    for segment in segments:
        _remove(segment.path)


def _open(path: Path, dim: int, verified: set[str]) -> Segment | None:
    """The segment, or None when it was damaged."""
    if path.name not in verified:
        if not path.name.startswith(sha256(path)[:CHECKSUM_LETTERS]):
            logger.warning("%s was damaged and is removed; its texts are encoded again.", path)
            _remove(path)
            return None
        verified.add(path.name)
    records = np.load(path, mmap_mode="r", allow_pickle=False)
    if records.dtype != _record_type(dim):
        raise InvalidInput(
            f"{path.parent} has vectors of another length than this encoder's, {dim}, under the "
            "same fingerprint. An encoder that gives other vectors needs another `fingerprint`."
        )
    return Segment(path, records["key"].tolist(), records["vector"])


def _record_type(dim: int) -> np.dtype:
    return np.dtype([("key", f"V{KEY_BYTES}"), ("vector", "<f4", (dim,))])


def _records(keys: list[bytes], vectors: np.ndarray) -> np.ndarray:
    records = np.empty(len(keys), _record_type(vectors.shape[1]))
    records["key"] = np.frombuffer(b"".join(keys), f"V{KEY_BYTES}")
    records["vector"] = vectors
    return records


def _write(
    folder: Path, num_rows: int, dim: int, blocks: Callable[[], Iterator[np.ndarray]]
) -> Path:
    """Writes a `.npy` file of blocks of records, which are asked for twice: to hash, to write."""
    header = io.BytesIO()
    layout = {
        "descr": np.lib.format.dtype_to_descr(_record_type(dim)),
        "fortran_order": False,
        "shape": (num_rows,),
    }
    np.lib.format.write_array_header_1_0(header, layout)
    digest = hashlib.sha256(header.getvalue())
    for block in blocks():
        digest.update(block.tobytes())
    name = f"{digest.hexdigest()[:CHECKSUM_LETTERS]}-{uuid.uuid4().hex[:12]}.npy"
    with whole_file(folder / name) as file:
        file.write(header.getvalue())
        for block in blocks():
            file.write(block.tobytes())
    return folder / name


def _remove(path: Path) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        pass  # another process was faster
    except PermissionError as error:  # on Windows, while somebody reads it
        logger.info("%s stays for now: %s", path, error)
