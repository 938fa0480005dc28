"""A folder of one's own tables, as the command line's `--data FOLDER` takes it."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from tfrec_fusion.data.tables.rec_data import RecData, from_frames
from tfrec_fusion.data.tables.text_tables import DECIMALS, read_decimals, read_text_table
from tfrec_fusion.errors import InvalidInput, NotAFolder, NotFound

logger = logging.getLogger(__name__)

TABLES = ("interactions", "items", "users", "graph")
ENDINGS = (".csv", ".csv.gz", ".parquet")


def load_folder(
    path: str | Path, *, sep: str | None = None, encoding: str = "utf-8", decimal: str = "."
) -> RecData:
    """Reads `interactions`, `items` and, where present, `users` and `graph` from a folder.

    Each table is one file, .csv, .csv.gz or .parquet, with the columns of `RecData`. In CSV
    files everything but `rating` and `timestamp` is text as it is written: the id `007` stays
    `007`, a title `NA` stays a title. Without `items` the catalog is the items that occur.

    Args:
        path: The folder; its name becomes the data set's.
        sep: What separates the columns of CSV files; a comma by default.
        encoding: The CSV files' encoding.
        decimal: What separates the fraction of a rating or timestamp in a CSV file.

    Raises:
        FileNotFoundError: When there is no such folder, or no interactions in it.
        NotADirectoryError: When `path` is a file.
        ValueError: When a table comes in two files or is unsound (see `RecData`); the message
            begins with the folder.

    Example:
    >>> data = load_folder("shop")  # shop/interactions.csv, shop/items.parquet  # doctest: +SKIP
    """
    folder = Path(path)
    if not folder.exists():
        raise NotFound(f"There is no folder {folder}. Give one that holds {_expected()}.")
    if not folder.is_dir():
        raise NotAFolder(f"{folder} is a file. Give the folder that holds {_expected()}.")
    files = {table: _file(folder, table) for table in TABLES}
    if files["interactions"] is None:
        raise NotFound(
            f"{folder} holds no interactions. Received: {_present(folder)}. "
            f"Expected: {_expected()}."
        )
    if files["items"] is None:
        logger.warning(
            "%s holds no items: the catalog is made of the interactions' items. Found: %s.",
            folder,
            _present(folder),
        )
    try:
        read = {
            table: _read(file, sep, encoding) for table, file in files.items() if file is not None
        }
        if decimal != ".":
            read["interactions"] = read_decimals(read["interactions"], DECIMALS, decimal)
        return from_frames(**read, name=folder.resolve().name)
    except ValueError as error:
        raise InvalidInput(f"{folder}: {error}") from error


def _expected() -> str:
    return f"interactions{{{','.join(ENDINGS)}}}, items and, if you have them, users and graph"


def _present(folder: Path) -> str:
    return ", ".join(sorted(entry.name for entry in folder.iterdir())) or "an empty folder"


def _file(folder: Path, table: str) -> Path | None:
    found = [folder / (table + ending) for ending in ENDINGS]
    found = [file for file in found if file.is_file()]
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise InvalidInput(f"{folder} holds the table `{table}` more than once: {names}. Keep one.")
    return found[0] if found else None


def _read(file: Path, sep: str | None, encoding: str) -> pd.DataFrame:
    if file.suffix != ".parquet":
        return read_text_table(file, sep, encoding)
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file.name} is not a readable parquet file: {error}") from error
