"""Public data sets by name, from the nearest place that has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfrec_fusion.data.sources import movielens
from tfrec_fusion.data.sources.layouts import Layout, Tables, read_local, read_zip
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.download import Archive, Unreachable, Wheel, fetched, in_cache

logger = logging.getLogger(__name__)

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
HARPER_KONSTAN = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4: 19:1-19:19. "
    "https://doi.org/10.1145/2827872"
)


class DataUnavailable(UserError, RuntimeError):
    """No source could deliver a data set; the message lists each, why it failed, what to do."""


@dataclass(frozen=True)
class Source:
    """Where a data set is to be had, how it is read, and on which terms.

    Attributes:
        archive: The official download.
        layouts: The layouts its files may come in, the richest first.
        num_interactions: How many the official release has.
        licence: Under which terms it may be used.
        citation: What to cite.
        wheel: A wheel that carries the data too and, alone, the knowledge graph, if any.
    """

    archive: Archive
    layouts: tuple[Layout, ...]
    num_interactions: int
    licence: str
    citation: str
    wheel: Wheel | None = None


SOURCES = {
    "movielens-100k": Source(
        archive=Archive(
            "ml-100k.zip",
            "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
            f"{GROUPLENS}/ml-100k.zip",
        ),
        layouts=movielens.LAYOUTS_100K,
        num_interactions=100_000,
        licence=(
            "Research use with citation; no redistribution without separate permission and no "
            "commercial use without permission of GroupLens, University of Minnesota. "
            f"{GROUPLENS}/ml-100k-README.txt"
        ),
        citation=(
            f"{HARPER_KONSTAN} The Freebase graph, where present: as packaged by RecBole 1.2.1, "
            "https://recbole.io"
        ),
        wheel=Wheel(
            "recbole-1.2.1-py3-none-any.whl",
            "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
            "recbole==1.2.1",
        ),
    ),
    "movielens-latest-small": Source(
        archive=Archive(
            "ml-latest-small.zip",
            "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
            f"{GROUPLENS}/ml-latest-small.zip",
        ),
        layouts=movielens.LAYOUTS_LATEST_SMALL,
        num_interactions=100_836,
        licence=(
            "Research use with citation; redistribution, also of transformations, under these "
            "same conditions; no commercial use without permission of GroupLens, University of "
            f"Minnesota. {GROUPLENS}/ml-latest-small-README.html"
        ),
        citation=HARPER_KONSTAN,
    ),
}


def load(
    name: str, data_dir: str | Path | None = None, cache_dir: str | Path | None = None
) -> RecData:
    """Loads a public data set, downloading it once.

    Sources are tried in this order: the cache; `data_dir`; the official address; the wheel that
    carries the data. Every archive is checked against its sha256 when it is downloaded and
    again whenever it is read from the cache.

    Args:
        name: `movielens-100k` (items with `year`, `genres`, `entity_id`; users; the Freebase
            graph) or `movielens-latest-small` (items with `year`, `genres`, `tags`, `imdb_id`,
            `tmdb_id`). Genres and tags are joined by "|"; all these columns are strings, empty
            where nothing is known.
        data_dir: A local copy: the zip, its unpacked folder, RecBole's files, or a folder that
            holds one of these.
        cache_dir: Where downloads are kept; by default the variable `TFREC_FUSION_CACHE`, or
            else the user's cache folder.

    Raises:
        ValueError: When there is no data set of that name, or `data_dir` holds damaged files.
        DataUnavailable: When no source could deliver.

    Example:
    >>> load("movielens-100k")  # doctest: +SKIP
    RecData(movielens-100k: 100000 interactions, 943 users, 1682 items, 91631 triples)
    """
    if name not in SOURCES:
        raise InvalidInput(f"There is no source {name!r}. Choose one of: {', '.join(SOURCES)}.")
    source = SOURCES[name]
    cache = cache_folder(cache_dir)
    local = None if data_dir is None else Path(data_dir).expanduser()
    archives: list[Archive | Wheel] = [source.archive]
    if source.wheel is not None:
        archives.append(source.wheel)
    tables, place, failures = _first(_attempts(archives, source.layouts, local, cache))
    if tables is None:
        raise DataUnavailable(_advice(name, source, failures))
    for where, why in failures:
        logger.log(_level(where), "%s: not from %s: %s.", name, where, why)
    if len(tables.interactions) != source.num_interactions:
        logger.warning(
            "%s: %s holds %d interactions; the official release has %d.",
            name,
            place,
            len(tables.interactions),
            source.num_interactions,
        )
    if source.wheel is not None and tables.graph is None:
        tables = _with_graph(name, source.wheel, tables, local, cache)
    try:
        return RecData(
            tables.interactions,
            tables.items,
            tables.users,
            tables.graph,
            name,
            source.licence,
            source.citation,
        )
    except ValueError as error:
        raise InvalidInput(f"{name} from {place} is damaged: {error}") from error


Attempt = tuple[str, Callable[[], Tables]]
Failures = list[tuple[str, str]]
LOCAL = "--data-dir"


def _attempts(
    archives: list[Archive | Wheel],
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
        (f"the cache ({one.file_name})", partial(from_cache, one)) for one in archives
    ]
    names = [one.file_name for one in archives]
    place = LOCAL if local is None else f"{LOCAL} {local}"
    attempts.append((place, partial(read_local, local, names, layouts)))
    return attempts + [(one.place, partial(from_network, one)) for one in archives]


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


def _with_graph(name: str, wheel: Wheel, tables: Tables, local: Path | None, cache: Path) -> Tables:
    """Adds the knowledge graph from the wheel, or says that there is none."""
    layout = Layout(movielens.GRAPH_FILES, partial(movielens.with_graph, tables))
    found, _, failures = _first(_attempts([wheel], (layout,), local, cache))
    if found is not None:
        return found
    why = "; ".join(f"{place}: {reason}" for place, reason in failures)
    logger.warning("%s: no knowledge graph, the wheel that has it is out of reach: %s.", name, why)
    return tables


def _advice(name: str, source: Source, failures: Failures) -> str:
    tried = "\n".join(f"  {n}. {place}: {why}" for n, (place, why) in enumerate(failures, 1))
    mirror = (
        ""
        if source.wheel is None
        else (
            ";\n  - or let pip reach a package index or mirror that has "
            f"{source.wheel.requirement} (PIP_INDEX_URL), and try again."
        )
    )
    return (
        f"{name} could not be had from any source. Tried:\n{tried}\nWhat to do:\n"
        f"  - download {source.archive.url} where there is a network, and give\n"
        f"    the zip or its unpacked folder as --data-dir (`data_dir`){mirror}"
    )
