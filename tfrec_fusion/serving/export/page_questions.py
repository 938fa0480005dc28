"""Questions about pages of items: what is asked, and how an answer is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfrec_fusion.serving.export.catalog import LOWEST, UNSEEN, Catalog
from tfrec_fusion.serving.export.signatures import FILTERED, UNKNOWN
from tfrec_fusion.serving.export.sources import MODEL, NO_ANSWER, POPULARITY
from tfrec_fusion.serving.export.verification import ExportMismatch, Question, compare_numbers


@dataclass(frozen=True, eq=False)
class Rows:
    """The expected answers to the rows of a request.

    Attributes:
        masked: `(batch, num_items)` scores, the lowest value where an item is no answer.
        source: `(batch,)` words, of what the scores come from.
        unknown: `(batch,)`, which rows ask for what the model does not know.
    """

    masked: np.ndarray
    source: np.ndarray
    unknown: np.ndarray

    def known(self) -> Rows:
        """The rows that the model knows."""
        rows = ~self.unknown
        return Rows(self.masked[rows], self.source[rows], self.unknown[rows])


class PageQuestions:
    """Makes questions about pages of items.

    Args:
        catalog: What is asked about.
        page_sizes: As of the export.
        some: Indices of items that are excluded, or allowed.
        whole: Whether all of the best items must be answered, as an index need not.
        default: The signature that is asked where none is named.
    """

    def __init__(
        self,
        catalog: Catalog,
        page_sizes: Sequence[int],
        some: np.ndarray,
        whole: bool,
        default: str = "recommend",
    ) -> None:
        self.catalog, self.page_sizes, self.some, self.whole = catalog, page_sizes, some, whole
        self.default = default
        self.unused = unused_id(catalog.item_ids)
        self.index = {item_id: row for row, item_id in enumerate(catalog.item_ids.tolist())}

    def pages(self, name: str, inputs: dict[str, Any], rows: Rows) -> list[Question]:
        """A ranked signature under its names, and once without the rows that are unknown.

        Requests that name nobody unknown take a way of their own.
        """
        others = {
            key: [one for one, unknown in zip(column, rows.unknown, strict=True) if not unknown]
            for key, column in inputs.items()
        }
        return [
            *self._of_every_name(name, inputs, rows),
            self._ranked(name, others, rows.known(), self.page_sizes[0]),
        ]

    def filtered(
        self, name: str, inputs: dict[str, Any], rows: Rows, exact: np.ndarray
    ) -> list[Question]:
        """A signature with no, excluded and allowed items, which are scored as in `exact`."""
        name, number, k = f"{name}{FILTERED}", len(rows.masked), self.page_sizes[0]
        nothing = [[UNSEEN]] * number
        none: dict[str, Any] = {"exclude_item_ids": nothing, "allow_item_ids": nothing}
        ids = self.catalog.item_ids[self.some].tolist()
        without, only = rows.masked.copy(), np.full_like(rows.masked, LOWEST)
        without[:, self.some] = LOWEST
        only[:, self.some] = exact[:, self.some]
        excluded = inputs | none | {"exclude_item_ids": [[*ids, self.unused]] * number}
        allowed = inputs | none | {"allow_item_ids": [[*ids, self.unused]] * number}
        return [
            *self._of_every_name(name, inputs | none, rows),
            self._ranked(name, excluded, replace(rows, masked=without), k),
            self._ranked(name, allowed, replace(rows, masked=only), k),
        ]

    def nothing(self, name: str, asked: str) -> list[Question]:
        """Requests without a row."""
        masked = np.zeros((0, self.catalog.num_items), np.float32)
        rows = Rows(masked, np.zeros(0, object), np.zeros(0, bool))
        inputs: dict[str, Any] = {asked: []}
        lists: dict[str, Any] = {"exclude_item_ids": [], "allow_item_ids": []}
        return [
            self._ranked(name, inputs, rows, self.page_sizes[0]),
            self._ranked(f"{name}{FILTERED}", inputs | lists, rows, self.page_sizes[0]),
        ]

    def _of_every_name(self, name: str, inputs: dict[str, Any], rows: Rows) -> list[Question]:
        names = {name: self.page_sizes[0]} | {f"{name}_{k}": k for k in self.page_sizes}
        if name == self.default:
            names = {"serving_default": self.page_sizes[0]} | names
        return [self._ranked(key, inputs, rows, k) for key, k in names.items()]

    def _ranked(self, name: str, inputs: dict[str, Any], rows: Rows, k: int) -> Question:
        return Question(name, inputs, lambda answer: self._compare(answer, name, inputs, rows, k))

    def _compare(
        self, answer: dict[str, Any], name: str, inputs: dict[str, Any], rows: Rows, k: int
    ) -> float:
        """Compares all outputs of one signature with what is expected."""
        masked = rows.masked
        best = np.argsort(-masked, axis=1, kind="stable")[:, :k]
        expected = np.take_along_axis(masked, best, axis=1)  # (batch, k)
        if [len(row) for row in answer["item_id"]] != [k] * len(masked):
            raise ExportMismatch(f"`{name}` must answer {len(masked)} rows of {k} items.")
        ids = [[self.index.get(item_id, -1) for item_id in row] for row in answer["item_id"]]
        served = np.array(ids, np.int64).reshape(-1, k)
        if (served < 0).any():
            raise ExportMismatch(f"`{name}` answered item ids that are not in the catalog.")
        if any(len(set(row[row > 0])) != (row > 0).sum() for row in served):
            raise ExportMismatch(f"`{name}` answered an item twice.")
        if self.catalog.titles[served].tolist() != answer["title"]:
            raise ExportMismatch(f"`{name}` answered titles that do not belong to its item ids.")
        own = np.take_along_axis(masked, served, axis=1)  # the model's score of the served item
        if ((served > 0) != (own > LOWEST)).any():
            raise ExportMismatch(f"`{name}` answered items that are no answer.")
        source = np.where(served > 0, rows.source[:, None], NO_ANSWER)
        self._compare_words(answer, name, inputs, source)
        if not self.whole:  # some of the best may be missing, not all of them
            if not (served > 0).any() and (expected > LOWEST).any():
                raise ExportMismatch(f"`{name}` answered nothing where there are items.")
            expected = -np.sort(-own, axis=1)
        compare_numbers(own, expected, f"{name}: order of items")
        shown = np.where(expected > LOWEST, expected, 0)
        return compare_numbers(np.array(answer["score"]).reshape(-1, k), shown, name)

    def _compare_words(
        self, answer: dict[str, Any], name: str, inputs: dict[str, Any], source: np.ndarray
    ) -> None:
        """Compares the sources, and the ids that are unknown."""
        if answer["source"] != source.tolist():
            raise ExportMismatch(f"`{name}` answered other sources than {source.tolist()[:1]}.")
        lists = [key for key in ("item_ids", "exclude_item_ids", "allow_item_ids") if key in inputs]
        columns = [inputs[key] for key in lists]
        unknown = [
            [UNSEEN if one in self.index else one for cells in row for one in cells]
            for row in zip(*columns, strict=True)
        ]
        if lists and answer.get(UNKNOWN) != unknown:
            raise ExportMismatch(f"`{name}` answered other unknown ids than {unknown[:1]}.")


def sources_of(unknown: np.ndarray) -> np.ndarray:
    """Returns the words for rows that the model knows, or not."""
    return np.where(unknown, POPULARITY, MODEL).astype(object)


def unused_id(ids: np.ndarray) -> str:
    """Returns an id that is not among `ids`."""
    unused = "unseen"
    while unused in ids:
        unused += "?"
    return unused
