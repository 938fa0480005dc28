"""A catalog's texts are encoded once: vectors are kept, and only what is new is encoded."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from tfrec_fusion.errors import InvalidInput, SystemRefusal
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.whole import remove_leftovers
from tfrec_fusion.progress import progress_bar, tell_progress
from tfrec_fusion.text.encoding.segments import (
    Places,
    Segment,
    gather,
    merge,
    places_of,
    read_segments,
    write_segment,
)

logger = logging.getLogger(__name__)

TEXTS_PER_SEGMENT = 1024
MAX_SEGMENTS = 8
ATTEMPTS = 3
SHOWN_LETTERS = 60


class Encoder(Protocol):
    """What the store asks of an encoder of texts."""

    @property
    def dim(self) -> int:
        """How long its vectors are."""

    @property
    def fingerprint(self) -> str:
        """Names everything its vectors depend on: another fingerprint, another vector."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """The texts' vectors, `(len(texts), dim)` float32."""


class TextStore:
    """Vectors of texts on disk, one folder for each encoder.

    What was finished stays, whatever interrupts the encoding: vectors are written in segments,
    each whole or not at all, and verified when they are read. Several processes may use one
    store at the same time.

    Args:
        folder: Where vectors are kept; by default `text` in the cache folder
            (`TFREC_FUSION_CACHE`, or else the user's cache).
        texts_per_segment: How many texts are encoded before their vectors are written; so many
            are lost at most when the process is killed.

    Raises:
        ValueError: When `texts_per_segment` is not positive.

    Example:
    >>> import tempfile
    >>> class Lengths:
    ...     dim, fingerprint = 1, "lengths"
    ...     def encode(self, texts):
    ...         print("encoding", texts)
    ...         return np.array([[len(text)] for text in texts], np.float32)
    >>> store = TextStore(tempfile.mkdtemp())
    >>> store.encode(Lengths(), ["Alien", "Heat", "Alien"]).tolist()
    encoding ['Alien', 'Heat']
    [[5.0], [4.0], [5.0]]
    >>> store.encode(Lengths(), ["Heat", "Up"]).tolist()
    encoding ['Up']
    [[4.0], [2.0]]
    """

    def __init__(
        self, folder: str | Path | None = None, *, texts_per_segment: int = TEXTS_PER_SEGMENT
    ) -> None:
        if texts_per_segment < 1:
            raise InvalidInput(
                f"`texts_per_segment` must be at least 1. Received: {texts_per_segment}."
            )
        self.folder = cache_folder() / "text" if folder is None else Path(folder).expanduser()
        self.texts_per_segment = texts_per_segment
        self._verified: set[str] = set()

    def encode(
        self, encoder: Encoder, texts: Iterable[str], *, progress: bool = True
    ) -> np.ndarray:
        """Gives the texts' vectors; only those not yet in the store are encoded.

        Args:
            encoder: Anything with `dim`, `fingerprint` and `encode`.
            texts: A list, an array or a column of strings; duplicates are encoded once, and very
                long ones are for the encoder to truncate.
            progress: Whether to show a bar in a terminal or notebook, and elsewhere a line on
                standard error for each segment of many texts.

        Returns:
            `(num_texts, dim)` float32 in the order of `texts`, read-only; memory-mapped where a
            large catalog lies on disk in this order.

        Raises:
            ValueError: When `texts` is empty or holds what is not text, or the encoder gives
                vectors of another shape, or NaN or infinity. What was finished is kept.
        """
        checked = _checked(texts)
        keys = [_key(encoder.fingerprint, text) for text in checked]
        text_of = dict(zip(keys, checked, strict=True))
        folder = self.folder / hashlib.sha256(encoder.fingerprint.encode()).hexdigest()[:32]
        remove_leftovers(folder)
        segments, places = self._read(folder, encoder.dim)
        attempts = 0
        while missing := [key for key in text_of if key not in places]:
            if attempts == ATTEMPTS:
                raise SystemRefusal(
                    f"What is written to {folder} does not stay there. Is it sound?"
                )
            self._encode_missing(encoder, folder, missing, text_of, progress)
            segments, places = self._read(folder, encoder.dim)
            attempts += 1
        if len(segments) > MAX_SEGMENTS:
            merge(folder, segments, first=text_of)
            segments, places = self._read(folder, encoder.dim)
        return gather(segments, places, keys)

    def _read(self, folder: Path, dim: int) -> tuple[list[Segment], Places]:
        segments = read_segments(folder, dim, self._verified)
        return segments, places_of(segments)

    def _encode_missing(
        self,
        encoder: Encoder,
        folder: Path,
        missing: list[bytes],
        text_of: dict[bytes, str],
        progress: bool,
    ) -> None:
        # Of similar length, so that an encoder pads little; the longest first, so that the
        # estimate of the time left errs on the safe side and memory runs out at once or never.
        ordered = sorted(missing, key=lambda key: len(text_of[key]), reverse=True)
        kept = len(text_of) - len(missing)
        logger.info("%d texts to encode; %d are in the store.", len(missing), kept)
        with progress_bar(show=progress, total=len(ordered), desc="Encoding", unit=" texts") as bar:
            for start in range(0, len(ordered), self.texts_per_segment):
                keys = ordered[start : start + self.texts_per_segment]
                texts = [text_of[key] for key in keys]
                vectors = _checked_vectors(encoder.encode(texts), texts, encoder.dim)
                write_segment(folder, keys, vectors)
                bar.update(len(keys))
                if progress and bar.disable and len(ordered) > self.texts_per_segment:
                    done = min(start + self.texts_per_segment, len(ordered))
                    tell_progress(f"Encoding: {done:,} of {len(ordered):,} texts")


def _key(fingerprint: str, text: str) -> bytes:
    """The sha256 a vector is kept under: of the encoder and the text."""
    return hashlib.sha256(f"{fingerprint}\0{text}".encode()).digest()


def _checked(texts: Iterable[str]) -> list[str]:
    """The texts as a list, each a string that UTF-8 can hold.

    Raises:
        ValueError: With the position of the first that is not, and what to do.
    """
    if isinstance(texts, str | bytes | dict | set | frozenset) or getattr(texts, "ndim", 1) != 1:
        raise InvalidInput(
            "`texts` must be a list or column of strings, one for each item. Received: a "
            f"{type(texts).__name__}."
        )
    try:
        listed = list(texts)
    except TypeError as error:
        raise InvalidInput(
            f"`texts` must be a list of strings. Received: a {type(texts).__name__}."
        ) from error
    if not listed:
        raise InvalidInput("`texts` is an empty catalog: there is nothing to encode.")
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            raise InvalidInput(
                f"`texts` must hold strings. Received at position {position}: {_shown(text)} "
                f"({type(text).__name__}). Write a missing text as an empty string, a number "
                "with str(), bytes with .decode()."
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"The text at position {position} cannot be written as UTF-8: character "
                f"{error.start} is {text[error.start]!r}, half of a pair. Read its source with "
                "the encoding it has, or with errors='replace'."
            ) from error
    return listed


def _checked_vectors(vectors: np.ndarray, texts: list[str], dim: int) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    if vectors.shape != (len(texts), dim):
        raise InvalidInput(
            f"The encoder must give vectors of shape {(len(texts), dim)}. Received: "
            f"{vectors.shape}."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        first = texts[int(np.argmin(finite))]
        raise InvalidInput(
            f"The encoder gave NaN or infinity for {(~finite).sum()} of {len(texts)} texts, first "
            f"for {_shown(first)}; they are not stored. Try dtype='float32', or another model."
        )
    return vectors


def _shown(value: object) -> str:
    words = repr(value)
    return words if len(words) <= SHOWN_LETTERS else words[:SHOWN_LETTERS] + "…"
