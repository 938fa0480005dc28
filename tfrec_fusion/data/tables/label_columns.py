"""Whether a column holds labels: numbers, free texts and lists in another spelling are refused."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence

from tfrec_fusion.errors import InvalidInput

logger = logging.getLogger(__name__)

MOST_CODES = 10  # whole numbers that may be codes of categories
FEWEST_ROWS = 10  # below this, nothing is said about how often labels recur
LARGEST_NEW_SHARE = 0.8  # of what is labeled, the share that may be labels seen for the first time
LISTS = (",", ";")  # separators that are looked for first, as free texts hold "/" as well
_BEFORE = r"(?:[$€£¥₹]|[A-Z]{3}\s)?\s*"
_AFTER = r"\s*(?:[$€£¥₹%°]|(?i:eur|usd|gbp|mg|kg|g|mm|cm|m|ml|l|mb|gb|tb|oz|lb|in))?"
_NUMBER = re.compile(rf"{_BEFORE}[-+]?{_BEFORE}\d[\d.,' \u00a0]*(?:[eE][-+]?\d+)?{_AFTER}")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?")
_WHOLE = re.compile(r"\d+")
_WRITTEN_LIST = re.compile(r"\[.*\]|\{.*\}", re.DOTALL)


def check_labels(column: str, rows: Sequence[Sequence[str]], separator: str | None) -> None:
    """Refuses a column that would become a feature for nearly every item or combination.

    Args:
        column: Its name.
        rows: Labels of each item.
        separator: What the caller said separates labels; None for the usual "|".

    Raises:
        ValueError: When the labels are numbers or dates, hardly recur, or look like several labels
            in one.
    """
    labels = Counter(label for row in rows for label in row)
    if written := [label for label in labels if _WRITTEN_LIST.fullmatch(label)]:
        raise InvalidInput(
            f"Column {column!r} of the catalog must hold labels. Received: {written[0]!r:.80}, a "
            'list that was written as text. Write its labels joined by "|", such as '
            '"Comedy|Drama", or keep lists in a Parquet file.'
        )
    if separator is None:
        for one in LISTS:
            _check_separator(column, labels, one)
    measures = [label for label in labels if _is_number(label)]
    if len(measures) > 0.9 * len(labels):
        codes = all(_WHOLE.fullmatch(label) for label in labels)
        if not codes or len(labels) > MOST_CODES:
            raise InvalidInput(
                f"Column {column!r} of the catalog must hold labels, such as genres. Received: "
                f"{len(labels)} numbers or dates, such as {measures[0]!r}, and each would become a "
                "feature without an order. Leave the column out, as numeric features are not "
                "supported yet, or write a few ranges into a column, e.g. with `pd.qcut(column, "
                '5, labels=["lowest", "low", "middle", "high", "highest"])`.'
            )
        logger.warning(
            "Column %r of the catalog: %d whole numbers are taken as labels without an order.",
            *(column, len(labels)),
        )
    labeled = sum(1 for row in rows if row)
    if labeled >= FEWEST_ROWS and len(labels) > LARGEST_NEW_SHARE * labels.total():
        raise InvalidInput(
            f"Column {column!r} of the catalog must hold labels that items share, such as genres."
            f" Received: {len(labels)} labels in {labeled} items, such as {next(iter(labels))!r}. "
            "Leave the column out, or write labels that recur into it."
        )
    if separator is None:
        _check_separator(column, labels, "/")


def _check_separator(column: str, labels: Counter[str], separator: str) -> None:
    """Refuses labels that look like lists, as parts of them recur in others."""
    split = {
        label: {part for part in map(str.strip, label.split(separator)) if part} for label in labels
    }
    lists = [label for label, parts in split.items() if len(parts) > 1]
    if all(map(_is_number, lists)):
        return
    count = Counter(part for parts in split.values() for part in parts)
    if shared := [label for label in lists if any(count[part] > 1 for part in split[label])]:
        raise InvalidInput(
            f"Column {column!r} of the catalog seems to hold lists of labels separated by "
            f"{separator!r}. Received: {shared[0]!r:.80}, parts of which occur elsewhere, too. "
            f"Give --label-separator {separator!r} (`label_separator`), or '|' if these are single "
            "labels."
        )
    logger.warning(
        "Column %r of the catalog: %r in %d labels, such as %r, is taken as part of the label. "
        "If it separates labels, give --label-separator (`label_separator`).",
        *(column, separator, len(lists), lists[0]),
    )


def _is_number(label: str) -> bool:
    return _NUMBER.fullmatch(label) is not None or _DATE.fullmatch(label) is not None
