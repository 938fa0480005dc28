"""Cells that are no plain values: bytes become text, lists become labels joined by "|"."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tfrec_fusion.data.tables.columns import failure
from tfrec_fusion.data.tables.item_texts import LISTS
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_text

logger = logging.getLogger(__name__)

SEPARATOR = "|"
INSTEAD = "/"  # of a separator inside a label


def plain_cells(frame: pd.DataFrame, table: str, keep: Collection[str]) -> pd.DataFrame:
    """A table without bytes, lists and dictionaries in its cells.

    Bytes are read as UTF-8. A list, as Parquet files hold them, becomes its labels joined by "|";
    a dictionary becomes JSON.

    Args:
        frame: The table.
        table: Its name, for the messages.
        keep: Columns whose lists and dictionaries stay, as they are read by a rule of their own.

    Raises:
        ValueError: When a column holds bytes or strings that are not valid UTF-8.
    """
    plain = {}
    for name in frame.columns:
        column = frame[name]
        if not isinstance(column, pd.Series):
            continue  # of a name that occurs twice, which is refused elsewhere
        _check_unicode(column, table)
        if (objects := _objects(column)) is None:
            continue
        kinds = {type(value) for value in objects}
        if any(issubclass(kind, bytes) for kind in kinds):
            objects = _decoded(objects, table, str(name))
        if name not in keep and any(issubclass(kind, (*LISTS, dict)) for kind in kinds):
            objects = _joined(objects, table, str(name))
        elif not any(issubclass(kind, bytes) for kind in kinds):
            continue
        plain[name] = pd.Series(objects, index=column.index, dtype=object)
    if plain:
        frame = frame.copy(deep=False)
        for name, column in plain.items():  # names need not be text
            frame[name] = column
    return frame


def labels_of(cell: object, separator: str = SEPARATOR) -> list[str]:
    """Labels in a cell: each element of a list, or what a text holds between separators.

    A missing cell has none. Whole numbers are written without a fraction, as ids are. "|" inside a
    label becomes "/", as it separates labels where they are kept.

    Example:

    >>> labels_of(["Comedy", "Drama"]), labels_of("Drama| War"), labels_of(1995.0), labels_of(None)
    (['Comedy', 'Drama'], ['Drama', 'War'], ['1995'], [])
    """
    if isinstance(cell, LISTS):
        ordered = sorted(cell, key=str) if isinstance(cell, (set, frozenset)) else list(cell)
        texts = [_text(one).strip() for one in ordered]
    else:
        texts = [one.strip() for one in _text(cell).split(separator)]
    return [id_text(one.replace(SEPARATOR, INSTEAD)) for one in texts if one]


def _objects(column: pd.Series) -> np.ndarray | None:
    """The cells of a column that may hold bytes or lists; None for numbers, texts and dates."""
    if isinstance(column.dtype, pd.ArrowDtype):
        kind = column.dtype.pyarrow_dtype
        nested = pa.types.is_nested(kind) or pa.types.is_binary(kind)
        nested = nested or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        return column.to_numpy(object) if nested else None
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=True) == "string":
        return None
    return column.to_numpy()


def _check_unicode(column: pd.Series, table: str) -> None:
    """Refuses strings that are not Unicode, which would fail only where they are shown."""
    texts: Any = column.array
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string":
        texts = column.to_numpy()
    elif not isinstance(column.dtype, (pd.StringDtype, pd.ArrowDtype)):
        return
    try:
        pa.array(texts, from_pandas=True).validate(full=True)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise InvalidInput(
            f"`{table}.{column.name}` must be valid UTF-8. Received: {error}. Read it again with "
            "the encoding that it was written in."
        ) from None


def _decoded(objects: np.ndarray, table: str, name: str) -> np.ndarray:
    decoded, bad = objects.copy(), np.zeros(len(objects), bool)
    for row, value in enumerate(objects):
        if isinstance(value, bytes):
            try:
                decoded[row] = value.decode("utf-8")
            except UnicodeDecodeError:
                bad[row] = True
    if bad.any():
        first = objects[bad.argmax()]
        cure = (
            f"The first of them is {first!r:.80}. Decode them, e.g. with `.str.decode('cp1252')`."
        )
        raise failure(table, name, "must be UTF-8 where it holds bytes", bad, cure)
    return decoded


def _joined(objects: np.ndarray, table: str, name: str) -> np.ndarray:
    joined, replaced = objects.copy(), 0
    for row, value in enumerate(objects):
        if isinstance(value, dict):
            joined[row] = _text(value)
        elif isinstance(value, LISTS):
            try:
                labels = labels_of(value)
            except InvalidInput as error:
                raise InvalidInput(f"`{table}.{name}`, row {row}: {error}") from None
            replaced += sum(SEPARATOR in _text(one) for one in value)
            joined[row] = SEPARATOR.join(labels)
    if replaced:
        logger.warning(
            "%s.%s: %r in %d labels of lists replaced by %r, as it separates labels.",
            *(table, name, SEPARATOR, replaced, INSTEAD),
        )
    return joined


def _text(value: object) -> str:
    """A cell or an element of a list as text, "" where it is missing."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"A label in bytes must be UTF-8. Received: {value!r}.") from error
    if isinstance(value, (dict, *LISTS)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_jsonable)
    return "" if pd.isna(value) else f"{value}"


def _jsonable(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)
