"""Tables of strings as CSV that come back as they were, whatever the strings hold."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from tfrec_fusion.files.whole import whole_file


def write_strings(path: str | Path, table: pd.DataFrame) -> None:
    r"""Writes a table whose cells `read_strings` gives back exactly.

    Every cell is quoted: without quotes a bare carriage return in a text would end its row. What is
    missing is written as an empty string. The file appears whole or not at all.

    Args:
        path: The file.
        table: The rows; its index is not written.

    Example:

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "titles.csv"
    >>> write_strings(file, pd.DataFrame({"title": ["Heat\r1995", "NA", ' "quoted" ']}))
    >>> read_strings(file)["title"].tolist()
    ['Heat\r1995', 'NA', ' "quoted" ']
    """
    text = table.to_csv(index=False, quoting=csv.QUOTE_ALL, lineterminator="\n")
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "surrogatepass"))


def read_strings(path: str | Path) -> pd.DataFrame:
    """Reads a table that `write_strings` wrote.

    Returns:
        The columns with strings as their cells; an empty cell is an empty string.

    Raises:
        ValueError: When the file is no UTF-8 or no table.
    """
    # Columns of type `str` cannot hold half a surrogate pair, which a text may have.
    return pd.read_csv(
        path, dtype=object, keep_default_na=False, na_filter=False, encoding_errors="surrogatepass"
    )
