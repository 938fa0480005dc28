"""Columns of ids as text: the rule of `tfrec_fusion.ids`, applied once to each distinct value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.ids import id_text

_EXACT_KINDS = "iu"  # whole numbers need no check


@dataclass(frozen=True, eq=False)
class DistinctIds:
    """The distinct values of a column and the ids that they are.

    Attributes:
        codes: `(num_rows,)` int64, the position of each row's value in `texts`; -1 where it is
            missing.
        texts: `(num_values,)` ids as objects, "" for a value that is no id. Values that are
            written in two ways, such as `7` and `"7.0"`, are two positions with one text.
        errors: What is wrong with a value, by its position.
        respelled: The id of each value that is written otherwise than its id.
    """

    codes: np.ndarray
    texts: np.ndarray
    errors: dict[int, str]
    respelled: dict[str, str]

    def rows(self) -> np.ndarray:
        """`(num_rows,)` ids as objects, "" where there is none."""
        return np.append(self.texts, "")[self.codes]

    def spelled_twice(self) -> dict[str, str]:
        """Values by which an id is written, next to another value of the same id."""
        count = Counter(self.texts.tolist()) if self.respelled else {}
        return {written: one for written, one in self.respelled.items() if count[one] > 1}


def read_ids(values: Iterable[object], *, allow_empty: bool = False) -> DistinctIds:
    """Reads ids of any type: a column, an array or a list, or what else can be iterated.

    Args:
        values: `(num_rows,)` ids.
        allow_empty: Whether the empty string is one, that of the out-of-vocabulary index 0.

    Example:

    >>> read_ids(pd.Series([7.0, 8.0, 7.0])).rows().tolist()
    ['7', '8', '7']
    >>> read_ids([1.5, b"8"]).errors
    {0: 'An id must be text or a whole number. Received: 1.5, a number with a fraction. \
Convert it with `str`, if this is an id.'}
    """
    column = values if isinstance(values, pd.Series) else _series(values)
    column = column.reset_index(drop=True)
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        return _distinct(
            used.cat.codes.to_numpy(np.int64), used.cat.categories.to_series(), allow_empty
        )
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) != "string":
        return _mixed(column.to_numpy(), allow_empty)
    try:
        codes, distinct = pd.factorize(column)
    except (NotImplementedError, TypeError):  # Arrow's lists and the like
        return _mixed(column.to_numpy(object), allow_empty)
    several = pd.Series(distinct)
    if pd.api.types.is_float_dtype(column.dtype):
        several = several.astype(column.dtype)  # pandas may have widened float16 and float32
    return _distinct(codes.astype(np.int64), several, allow_empty)


def _series(values: Iterable[object]) -> pd.Series:
    """A column that keeps each value's own type: 2**53 + 1 next to 0.5 stays what it is."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidInput(f"`ids` must be a list of ids. Received: {values!r:.80}.")
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InvalidInput(f"`ids` must be a list. Received: an array of shape {values.shape}.")
    if isinstance(values, (np.ndarray, pd.Index, pd.api.extensions.ExtensionArray)):
        return pd.Series(values)
    listed = list(values)
    return pd.Series(_as_objects(listed), dtype=object)


def _as_objects(values: list[object]) -> np.ndarray:
    """`(num_values,)` objects, lists among them as they are."""
    objects = np.empty(len(values), object)
    for position, value in enumerate(values):
        objects[position] = value
    return objects


def _mixed(values: np.ndarray, allow_empty: bool) -> DistinctIds:
    """Of objects: `1`, `1.0` and `True` are equal, so values are told apart by type as well."""
    missing = pd.isna(values) if len(values) else np.zeros(0, bool)
    positions: dict[tuple[type, object], int] = {}
    distinct: list[object] = []
    codes = np.full(len(values), -1, np.int64)
    for row in np.flatnonzero(~missing):
        value = values[row]
        try:
            position = positions.setdefault((type(value), value), len(distinct))
        except TypeError:  # a list or the like, which is no id
            position = len(distinct)
        if position == len(distinct):
            distinct.append(value)
        codes[row] = position
    objects = _as_objects(distinct)
    return _distinct(codes, pd.Series(objects, dtype=object), allow_empty)


def _distinct(codes: np.ndarray, values: pd.Series, allow_empty: bool) -> DistinctIds:
    """Applies the rule to distinct values, numbers of one type without a loop."""
    numbers = values.to_numpy() if isinstance(values.dtype, np.dtype) else None
    if numbers is None and pd.api.types.is_integer_dtype(values.dtype):
        return DistinctIds(codes, values.astype(str).to_numpy(object), {}, {})
    if numbers is None and pd.api.types.is_float_dtype(values.dtype):
        numbers = values.to_numpy(values.dtype.numpy_dtype)  # of a masked or an Arrow column
    if numbers is not None and numbers.dtype.kind in _EXACT_KINDS:
        return DistinctIds(codes, numbers.astype(str).astype(object), {}, {})
    texts = np.full(len(values), "", object)
    left = np.arange(len(values))
    objects: Any = values.to_numpy(object)
    if numbers is not None and numbers.dtype.kind == "f":
        objects = numbers  # keeps the type, which says what is exact
        if numbers.dtype.itemsize <= 8:
            sound = _is_whole(numbers)
            texts[sound] = numbers[sound].astype(np.int64).astype(str)
            left = left[~sound]
    errors, respelled = {}, {}
    for position in left.tolist():
        value = objects[position]
        if allow_empty and isinstance(value, str) and value == "":
            continue
        try:
            texts[position] = text = id_text(value)
        except InvalidInput as error:
            errors[position] = str(error)
        else:
            if value is not text and (written := _written(value)) != text:
                respelled[written] = text
    return DistinctIds(codes, texts, errors, respelled)


def _is_whole(numbers: np.ndarray) -> np.ndarray:
    """`(num_values,)` bool: floats that are whole and that their type can tell from the next."""
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
        return whole & (
            np.abs(numbers.astype(np.float64)) < 2 ** (np.finfo(numbers.dtype).nmant + 1)
        )


def _written(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else f"{value}"


def natural_order(ids: Iterable[object]) -> list[str]:
    """Sorts ids as a person would: by number when every id is one, else by letter.

    Args:
        ids: Ids of any type, see `tfrec_fusion.ids`.

    Returns:
        The distinct ids as strings, sorted.

    Raises:
        ValueError: When one is missing, blank or no id.

    Example:
    >>> natural_order(["10", "9", "9"])
    ['9', '10']
    >>> natural_order(["10", "b", "a"])
    ['10', 'a', 'b']
    """
    distinct = {*distinct_texts(read_ids(ids))}
    if all(one.isascii() and one.isdigit() for one in distinct):
        return sorted(distinct, key=lambda one: (int(one), one))
    return sorted(distinct)


def distinct_texts(ids: DistinctIds) -> list[str]:
    """Distinct values as ids, each of which must be one."""
    if (ids.codes < 0).any():
        raise InvalidInput(
            f"`ids` must not be missing. Received: none at position {int(ids.codes.argmin())}."
        )
    if ids.errors:
        position = int(np.isin(ids.codes, list(ids.errors)).argmax())
        raise InvalidInput(f"`ids`, position {position}: {ids.errors[int(ids.codes[position])]}")
    return ids.texts.tolist()
