"""Texts that a command reads: lines of a file, or columns of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.zoo.cli.printing import tell

TEXT_COLUMN = "text"


def written_texts(
    data: str | None,
    data_dir: Path | None,
    csv: Mapping[str, str],
    columns: tuple[str, ...],
    file: Path | None,
) -> list[str]:
    """Returns the texts that two options name, without the blank ones, which are counted.

    Args:
        data: Value of `--data`.
        data_dir: Value of `--data-dir`.
        csv: How CSV files are written.
        columns: Values of `--column`.
        file: Value of `--texts`.

    Raises:
        InvalidInput: When not one of `--data` and `--texts` is given, or there are no such texts.
    """
    if (data is None) == (file is None):
        raise InvalidInput("Give the texts by --data or by --texts, one of them.")
    if file is not None:
        if columns or data_dir or csv:
            raise InvalidInput(
                "--column, --data-dir, --sep, --encoding and --decimal belong to --data, not to "
                "--texts."
            )
        texts = lines_of(file)
    else:
        texts = texts_of(str(data), data_dir, columns or (TEXT_COLUMN,), **csv)
    written = [text for text in texts if text.strip()]
    if blank := len(texts) - len(written):
        tell(f"{blank} of {len(texts)} texts are blank and are omitted.")
    return written


def texts_of(data: str, data_dir: Path | None, columns: Iterable[str], **csv: Any) -> list[str]:
    """Returns the texts in columns of a data set's items and interactions, wherever they are.

    The column `text` of items is their titles and texts joined, as models read them.

    Args:
        data: A name of a public data set, or a folder, as `read_tables` takes it.
        data_dir: A local copy of the public data set.
        columns: Names of columns; one of each table may have the name, or both.
        **csv: How CSV files are written, as `read_tables` takes it.

    Raises:
        ValueError: When neither table has a column, or it holds something else than texts.
    """
    import pandas as pd

    from tfrec_fusion.data.sources.reading import read_tables
    from tfrec_fusion.data.tables.item_texts import joined_texts

    tables = read_tables(data, data_dir, **csv)
    items = tables.items.assign(text=joined_texts(tables.items))
    frames = {"items": items, "interactions": tables.interactions}
    texts: list[str] = []
    for column in columns:
        found = {name: frame[column] for name, frame in frames.items() if column in frame}
        if not found:
            have = "; ".join(f"{name} has {', '.join(one)}" for name, one in frames.items())
            raise InvalidInput(f"--column must be one of a table's. Received: {column!r}; {have}.")
        for name, series in found.items():
            values = series.dropna()
            if pd.api.types.is_numeric_dtype(values) or not values.map(type).eq(str).all():
                raise InvalidInput(
                    f"--column {column}: {name}.{column} must hold texts. "
                    f"Received: values of type {values.dtype}."
                )
            texts += values.tolist()
    return texts


def lines_of(file: Path, option: str = "--texts") -> list[str]:
    """Returns a file's lines.

    Args:
        file: A UTF-8 text file.
        option: The option that names it, for the messages.

    Raises:
        NotFound: When it is not a file.
        ValueError: When it is not UTF-8.
    """
    if not file.is_file():
        raise NotFound(f"{option} must be a file. Received: {file}, which is not one.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{option} must be a UTF-8 file. Received: {file}, whose byte {error.start} is "
            f"{error.object[error.start]:#04x}. Convert it, e.g. `iconv -f latin1 -t utf-8`."
        ) from error
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")
