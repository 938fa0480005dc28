"""Tables in text files, read as they are written, and what is said of files that are none."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import logging
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tfrec_fusion.data.tables.columns import failure, separator_hint
from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.files.archives import CHUNK, check_expansion, open_archive, read_member
from tfrec_fusion.files.regular import open_regular

logger = logging.getLogger(__name__)

DECIMALS = ("rating", "timestamp")  # columns of interactions that are numbers
MARKS = (  # the longer ones first: that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OPENERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_DAMAGED = (zlib.error, EOFError, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile)
_DECIMALS = r"\s*[-+]?\d*{}\d+\s*"


def read_text_table(
    path: str | Path, sep: str | None = None, encoding: str = "utf-8"
) -> pd.DataFrame:
    """Reads a .csv, .tsv (or such, compressed) with every value as the text that is written.

    Nothing is interpreted: `007` stays `007`, and `NA` and `None` stay words. A carriage return
    alone ends a line only in files in which no line ends otherwise.

    Args:
        path: The file; its first line names the columns.
        sep: What separates columns, such as `";"` or `"::"`; by default a tab for .tsv and a comma
            otherwise.
        encoding: The file's encoding.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When the file is not such a table or names a column twice; the message names
            the file.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    return _table(path, None, sep, encoding)


def parse_text_table(
    content: bytes, name: str | Path, sep: str | None = None, encoding: str = "utf-8"
) -> pd.DataFrame:
    r"""Reads what a file holds as `read_text_table` reads the file.

    Args:
        content: Of the file, compressed where its name says so.
        name: Of the file, such as `events.csv.gz`; messages name it.
        sep: As of `read_text_table`.
        encoding: As of `read_text_table`.

    Raises:
        ValueError: As of `read_text_table`.

    Example:

    >>> parse_text_table(b"item_id\n007\n", "items.csv")["item_id"].tolist()
    ['007']
    """
    return _table(Path(name), content, sep, encoding)


def _table(path: Path, content: bytes | None, sep: str | None, encoding: str) -> pd.DataFrame:
    if sep is None:
        sep = "\t" if ".tsv" in path.suffixes else ","
    sep = sep.replace("\\t", "\t")  # as a shell passes it on
    if sep in ("", '"', "\n", "\r"):
        raise InvalidInput(f"`sep` must be what separates columns, such as ';'. Received: {sep!r}.")
    content = _utf8(path, content, encoding)
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "sep": sep}
    if len(sep) > 1:
        options |= {"sep": re.escape(sep), "engine": "python"}
    if content.count(b"\r") > content.count(b"\r\n") and b"\n" in content:
        content = content.replace(b"\r\n", b"\n")
        options |= {"lineterminator": "\n"} if len(sep) == 1 else {}
    try:
        first = pd.read_csv(io.BytesIO(content), header=None, nrows=1, **options)
        frame = pd.read_csv(io.BytesIO(content), **options)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        why = (
            "a double quote is opened and not closed"
            if "EOF inside string" in f"{error}"
            else error
        )
        hint = _separator_hint(content, sep)
        raise InvalidInput(f"{path} is not a table separated by {sep!r}: {why}{hint}") from None
    if not isinstance(frame.index, pd.RangeIndex):
        hint = _separator_hint(content, sep)
        raise InvalidInput(f"{path} has more values in a row than columns in its first line.{hint}")
    _check_names(path, first.iloc[0].tolist())
    return frame


def read_decimals(frame: pd.DataFrame, names: Iterable[str | None], decimal: str) -> pd.DataFrame:
    """Writes numbers with a decimal point that are written with another character.

    Args:
        frame: A table of texts.
        names: Columns of numbers; those that are missing are passed over.
        decimal: The character that separates the fraction, such as `","`.

    Raises:
        ValueError: When `decimal` is not one character, or a number has a decimal point already.

    Example:

    >>> read_decimals(pd.DataFrame({"rating": ["3,5", "4"]}), ["rating"], ",")["rating"].tolist()
    ['3.5', '4']
    """
    if len(decimal) != 1 or decimal.isalnum():
        raise InvalidInput(f"`decimal` must be one character, such as ','. Received: {decimal!r}.")
    for name in names:
        if name is None or name not in frame or not pd.api.types.is_string_dtype(frame[name].dtype):
            continue
        column = frame[name].astype(str)
        point = column.str.fullmatch(_DECIMALS.format(r"\.")).to_numpy(bool)
        if decimal != "." and point.any():
            cure = f"The first of them is {column[point].iloc[0]!r}. Write all numbers alike."
            raise failure("interactions", name, f"must have the decimal {decimal!r}", point, cure)
        written = column.str.fullmatch(_DECIMALS.format(re.escape(decimal)))
        frame = frame.assign(
            **{name: column.mask(written, column.str.replace(decimal, ".", regex=False))}
        )
    return frame


def _separator_hint(content: bytes, sep: str) -> str:
    names = content.partition(b"\n")[0].decode("utf-8")
    return "" if sep in names else f" {separator_hint(names)}".rstrip()


def _utf8(path: Path, content: bytes | None, encoding: str) -> bytes:
    """What a file holds, in UTF-8 whatever its encoding."""
    try:
        content = _content(path, content)
    except _DAMAGED as error:
        raise InvalidInput(f"{path} is not a sound compressed file: {error}") from None
    try:
        text = content.decode(encoding)
    except LookupError:
        raise InvalidInput(
            "`encoding` must be one of a text, such as utf-8, cp1252 or utf-16. "
            f"Received: {encoding!r}."
        ) from None
    except UnicodeError as error:
        found = ""
        if isinstance(error, UnicodeDecodeError):
            line = content.count(b"\n", 0, error.start) + 1
            found = f"byte {error.start} is {content[error.start]:#04x} (line {line}). "
        raise InvalidInput(f"{path} is not {encoding}: {found}{_advice(content)}") from None
    if "\0" in text:
        raise InvalidInput(f"{path} is not {encoding}: it holds NUL. {_advice(content)}")
    plain = codecs.lookup(encoding).name == "utf-8"
    return content if plain else text.removeprefix("\ufeff").encode("utf-8")


def _content(path: Path, content: bytes | None) -> bytes:
    """What a file holds, uncompressed; it is read where its content is not given."""
    if path.suffix == ".zip":
        with _opened(path, content) as packed, open_archive(packed, path) as archive:
            inside = [name for name in archive.namelist() if not name.endswith("/")]
            if len(inside) != 1:
                raise InvalidInput(f"{path} must hold one file. Received: {len(inside)}.")
            return bytes(read_member(archive, inside[0]))
    if path.suffix in _OPENERS:
        plain, stored = bytearray(), path.stat().st_size if content is None else len(content)
        opened = path if content is None else io.BytesIO(content)
        with _OPENERS[path.suffix](opened) as file:
            while piece := file.read(CHUNK):
                plain += piece
                check_expansion(path, len(plain), stored)
        return bytes(plain)
    return path.read_bytes() if content is None else content


def _opened(path: Path, content: bytes | None) -> BinaryIO:
    return open_regular(path) if content is None else io.BytesIO(content)


def _advice(content: bytes) -> str:
    """The encoding to name: what a byte order mark, zero bytes or the bytes of Windows say."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return (
                f"It begins with the mark of {encoding}: give --encoding {encoding} (`encoding`)."
            )
    if b"\0" in content[:4096]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        return f"It looks like {encoding}: give --encoding {encoding} (`encoding`)."
    encoding = "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"
    with contextlib.suppress(UnicodeDecodeError):
        content.decode("utf-8")
        encoding = "utf-8"
    return f"Give its encoding, e.g. --encoding {encoding} (`encoding`)."


def _check_names(path: Path, names: list[str]) -> None:
    """Refuses columns of one name, which pandas would rename; reports those without a name."""
    named = [str(name) for name in names if str(name).strip()]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InvalidInput(
            f"{path} names a column more than once: {', '.join(map(repr, twice))}. "
            f"Received: {', '.join(map(repr, names))}. Rename or drop one of each."
        )
    for place, name in enumerate(names):
        if not str(name).strip():
            logger.warning(
                "%s: column %d has no name; read as %r.", path, place + 1, f"Unnamed: {place}"
            )
