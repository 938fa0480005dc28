"""Tables by the name of a public data set or by the folder they are in: what `--data` takes."""

from __future__ import annotations

from pathlib import Path

from tfrec_fusion.data.folder import load_folder
from tfrec_fusion.data.sources import SOURCES, load
from tfrec_fusion.data.tables import RecData
from tfrec_fusion.errors import InvalidInput


def read_tables(data: str, data_dir: str | Path | None = None) -> RecData:
    """A public data set by name, or a folder of tables.

    Args:
        data: A name of `SOURCES`, or a folder as `load_folder` reads it.
        data_dir: A local copy of the public data set.

    Raises:
        ValueError: When `data` is neither, or the tables are unsound.
        DataUnavailable: When no source could deliver the public data set.

    Example:
    >>> read_tables("movielens-100k")  # doctest: +SKIP
    RecData(movielens-100k: 100000 interactions, 943 users, 1682 items, 91631 triples)
    """
    if data in SOURCES:
        return load(data, data_dir=data_dir)
    if not Path(data).exists():
        raise InvalidInput(
            f"--data must be one of {', '.join(SOURCES)}, or a folder of tables. "
            f"Received: {data!r}, which is neither."
        )
    return load_folder(data)
