"""Tables by the name of a public data set or by the folder they are in: what `--data` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfrec_fusion.data.sources.folder import load_folder
from tfrec_fusion.data.sources.registry import SOURCES, load
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput


def read_tables(data: str, data_dir: str | Path | None = None, **csv: Any) -> RecData:
    """A public data set by name, or a folder of tables.

    Args:
        data: A name of `SOURCES`, or a folder as `load_folder` reads it.
        data_dir: A local copy of the public data set.
        **csv: The keywords of `load_folder`: `sep`, `encoding` and `decimal` of CSV files.

    Raises:
        ValueError: When `data` is neither, the tables are unsound, or `csv` is given for a public
            data set.
        DataUnavailable: When no source could deliver the public data set.

    Example:
    >>> read_tables("movielens-100k")  # doctest: +SKIP
    RecData(movielens-100k: 100000 interactions, 943 users, 1682 items, 91631 triples)
    """
    if data in SOURCES:
        if csv:
            raise InvalidInput(
                f"{', '.join(f'--{one} (`{one}`)' for one in csv)} must be given for a folder of "
                f"tables. Received: {data!r}, a public data set, which is read as it comes."
            )
        return load(data, data_dir=data_dir)
    if not Path(data).exists():
        raise InvalidInput(
            f"--data must be one of {', '.join(SOURCES)}, or a folder of tables. "
            f"Received: {data!r}, which is neither."
        )
    return load_folder(data, **csv)
