"""Tables by the name of a data set or by the folder they are in: what `--data` takes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tfrec_fusion.data.sources.folder import load_folder
from tfrec_fusion.data.sources.loading import load
from tfrec_fusion.data.sources.registry import source_names, suggest_source
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput

logger = logging.getLogger(__name__)


def read_tables(data: str | Path, data_dir: str | Path | None = None, **csv: Any) -> RecData:
    """Reads a data set by its name, or a folder of tables.

    Args:
        data: One of `source_names()`, or a folder as `load_folder` reads it. A folder that is
            called like a data set is read by `./NAME`.
        data_dir: A local copy of the data set.
        **csv: The keywords of `load_folder`: `sep`, `encoding` and `decimal` of CSV files.

    Raises:
        ValueError: When `data` is neither, the tables are unsound, or `csv` is given for a data
            set with a name.
        DataUnavailable: When no source could deliver the data set.

    Example:
    >>> read_tables("movielens-100k")  # doctest: +SKIP
    RecData(movielens-100k: 100000 interactions, 943 users, 1682 items, 91631 triples)
    """
    names = source_names()
    if isinstance(data, str) and data in names:
        if csv:
            raise InvalidInput(
                f"{', '.join(f'--{option} (`{option}`)' for option in csv)} must be given for a "
                f"folder of tables. Received: {data!r}, a public data set, which is read as it "
                "comes."
            )
        if Path(data).is_dir():
            logger.warning(
                "%s is read as the data set of that name. For your folder, write ./%s.", data, data
            )
        return load(data, data_dir=data_dir)
    if not Path(data).exists():
        raise InvalidInput(
            f"--data must be one of {', '.join(names)}, or a folder of tables. "
            f"Received: {str(data)!r}, which is neither.{suggest_source(str(data))}"
        )
    return load_folder(data, **csv)
