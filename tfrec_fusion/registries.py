"""Members of one kind by name: the package's own, those of installed packages, a program's own."""

from __future__ import annotations

import difflib
import pkgutil
import warnings
from collections.abc import Iterator
from importlib import import_module, metadata
from threading import RLock
from typing import Generic, Protocol, TypeVar

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.errors import InvalidInput


class Named(Protocol):
    """A member: it says what it is called."""

    @property
    def name(self) -> str:
        """Its name, by which it is found."""


Member = TypeVar("Member", bound=Named)


class Registry(Generic[Member]):
    """Members of one kind by name. Nothing is imported before the first question.

    Args:
        kind: The members' class, which has a `name`.
        noun: What one is called in messages, such as `data source`.
        packages: Packages that hold the package's own members. A module there ends in one
            (`constant`) or several of them (`constant` + "S").
        constant: Such as `SOURCE`.
        group: The entry-point group in which installed packages name theirs.
        only_packages: Whether only the packages inside of `package` hold members; the modules
            next to them are then not imported.

    Example:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Color:
    ...     name: str
    >>> colors = Registry(Color, "color", ("json",), "COLOR", "colors", only_packages=True)
    >>> colors.add(Color("red"))
    Color(name='red')
    >>> colors.names(), colors.find("blue")
    (['red'], None)
    """

    def __init__(
        self,
        kind: type[Member],
        noun: str,
        packages: tuple[str, ...],
        constant: str,
        group: str,
        *,
        only_packages: bool = False,
    ) -> None:
        self.kind, self.noun, self.packages = kind, noun, packages
        self.constant, self.group, self.only_packages = constant, group, only_packages
        self._added: dict[str, Member] = {}
        self._installed: dict[str, Member] | None = None
        self._lock = RLock()

    def add(self, member: Member) -> Member:
        """Adds a member of the program; one that the program added before is replaced.

        Returns:
            The same.

        Raises:
            WrongType: When it is of another class.
            InvalidInput: When the package or an installed one has a member of that name.
        """
        remedy = f"Describe the {self.noun} by {self.kind.__name__}(...)."
        check_instance(member, self.kind, self.noun.replace(" ", "_"), remedy)
        if self.installed().get(member.name, member) is not member:
            raise InvalidInput(
                f"There is a {self.noun} {member.name!r} already. Choose another `name` for yours."
            )
        self._added[member.name] = member
        return member

    def members(self) -> dict[str, Member]:
        """Returns every member by name, in alphabetical order."""
        return dict(sorted({**self.installed(), **self._added}.items()))

    def names(self) -> list[str]:
        """Returns every name, in alphabetical order."""
        return list(self.members())

    def find(self, name: object) -> Member | None:
        """Returns the member of that name, or None."""
        return self.members().get(name) if isinstance(name, str) else None

    def get(self, name: object) -> Member:
        """Returns the member of that name.

        Raises:
            InvalidInput: When no member has it; the message lists the names and the closest one.
        """
        if (member := self.find(name)) is not None:
            return member
        raise InvalidInput(
            f"There is no {self.noun} {name!r:.60}.{self.suggestion(name)} "
            f"Choose one of: {', '.join(self.names())}."
        )

    def suggestion(self, name: object) -> str:
        """Returns ` Did you mean …?` with the closest name, or an empty string."""
        text = str(name).casefold()
        close = difflib.get_close_matches(text, self.names(), n=1)
        close = close or [known for known in self.names() if text and known.startswith(text)]
        return f" Did you mean {close[0]!r}?" if close else ""

    def installed(self) -> dict[str, Member]:
        """Returns the package's own members and those of installed packages, by name."""
        with self._lock:
            if self._installed is None:
                # Known before it is filled: a module that is imported now may add its member.
                self._installed = {}
                try:
                    self._installed |= {member.name: member for member in self._own()}
                    self._load_entry_points(self._installed)
                except BaseException:
                    self._installed = None
                    raise
            return self._installed

    def _own(self) -> Iterator[Member]:
        for package in self.packages:
            path = import_module(package).__path__
            for module in sorted(pkgutil.iter_modules(path), key=lambda found: found.name):
                if module.ispkg or not self.only_packages:
                    names = vars(import_module(f"{package}.{module.name}"))
                    yield from names.get(f"{self.constant}S", ())
                    yield from (names[self.constant],) if self.constant in names else ()

    def _load_entry_points(self, members: dict[str, Member]) -> None:
        for point in metadata.entry_points(group=self.group):
            try:
                member = point.load()
                check_instance(member, self.kind, point.name, "The entry point must name one.")
            except Exception as error:  # a stranger's package must not break every command
                warnings.warn(
                    f"The {self.noun} {point.name!r} of {point.value} cannot be used: {error}",
                    stacklevel=4,
                )
                continue
            if members.setdefault(member.name, member) is not member:
                warnings.warn(
                    f"{point.value}: there is a {self.noun} {member.name!r} already.", stacklevel=4
                )
