"""What entities and relations of a knowledge graph are called: kept on disk, shown to people."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.whole import write_text

INVERSE = " (inverse)"
_FREEBASE = re.compile(r"\w+\.(\w+)\.(\w+)")  # domain.type.property


@dataclass(frozen=True)
class GraphNames:
    """Names by index, as `data.knowledge.Knowledge` has them.

    Attributes:
        entities: Ids in the graph, the items' first, "" where there is none.
        relations: Names; inverse ones end in " (inverse)".

    Example:

    >>> relation = "film.film.directed_by"
    >>> names = GraphNames(("", "m.1"), (relation, relation + INVERSE))
    >>> names.relation(1)
    'film: directed by'
    >>> names.arrow(0), names.arrow(1), names.arrow(1, backwards=True)
    ('--film: directed by-->', '<--film: directed by--', '--film: directed by-->')
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]

    def relation(self, index: int) -> str:
        """A relation for people: of Freebase's `domain.type.property` the type and the property.

        An inverse relation is called what the relation is; `arrow` says which way it goes.
        """
        name = self.relations[index].removesuffix(INVERSE)
        if found := _FREEBASE.fullmatch(name):
            name = ": ".join(found.groups())
        return name.replace("_", " ")

    def arrow(self, index: int, backwards: bool = False) -> str:
        """An arrow from the head of the graph's triple to its tail.

        Args:
            index: Of the relation that leads from an item to its neighbor.
            backwards: Whether the neighbor stands on the left; otherwise the item does.
        """
        to_the_left = self.relations[index].endswith(INVERSE) != backwards
        return f"<--{self.relation(index)}--" if to_the_left else f"--{self.relation(index)}-->"

    def save(self, path: str | Path) -> None:
        """Writes a JSON object of two lists; the file appears whole or not at all."""
        write_text(path, json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def load(cls, path: str | Path) -> GraphNames:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: When there is no such file.
            ValueError: When the file holds something else.
        """
        try:
            found = read_json(path)
        except InvalidInput as error:
            raise InvalidInput(f"{path} does not hold a graph's names: {error}") from None
        lists = found if isinstance(found, dict) else {}
        for name in ("entities", "relations"):
            names = lists.get(name)
            if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
                raise InvalidInput(
                    f"{path} must hold a JSON object with the lists of strings `entities` and "
                    f"`relations`. Received: {name}={names!r:.60}."
                )
        return cls(tuple(lists["entities"]), tuple(lists["relations"]))
