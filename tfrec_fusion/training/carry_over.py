"""A trained model's weights continue in a model of larger vocabularies.

Vocabularies grow at their ends: an id keeps its index, so each row of the old tables is the row of
the same id in the new ones, and the rows after it are as they were initialized.

Optimizer slots are not carried over. Adam divides its moments by `1 - beta ** step`: old moments
with a step count that begins anew make the first steps of old weights 0.17 to 0.5 of the learning
rate, and new rows with a step count that continues make theirs 3 times as large.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class Carried:
    """Values of one weight that a model took over.

    Attributes:
        weight: Its path.
        shape: Its shape now.
        kept: Number of values that are those of the trained model.
        new: Number of values that are as they were initialized.
    """

    weight: str
    shape: tuple[int, ...]
    kept: int
    new: int


def carry_over(
    old: keras.Model, new: keras.Model, grown: Collection[tuple[int, int]]
) -> list[Carried]:
    """Gives a model the values of a smaller one.

    Args:
        old: The trained model, compiled or not.
        new: A model of the same kind, compiled or not.
        grown: Sizes that differ, such as those of vocabularies, `(before, after)`; only such axes
            may.

    Returns:
        A row a weight, in the model's order.

    Raises:
        ValueError: When the models differ by more than these sizes.

    Example:

    >>> tables = [keras.Sequential([keras.Input(()), keras.layers.Embedding(rows, 2)])
    ...           for rows in (3, 5)]
    >>> carry_over(*tables, grown=[(3, 5)])[0].new
    4
    """
    if len(old.weights) != len(new.weights):
        raise InvalidInput(
            f"The models have {len(old.weights)} and {len(new.weights)} weights: they differ by "
            "more than the size of their vocabularies."
        )
    for before, after in zip(old.weights, new.weights, strict=True):
        _check_grown(before, after, set(grown))
    rows = []
    for before, after in zip(old.weights, new.weights, strict=True):
        values = np.array(ops.convert_to_numpy(after))
        values[tuple(slice(0, size) for size in before.shape)] = ops.convert_to_numpy(before)
        after.assign(values)
        kept = int(np.prod(before.shape))
        rows.append(Carried(after.path, tuple(after.shape), kept, values.size - kept))
    return rows


def _check_grown(before: Any, after: Any, allowed: set[tuple[int, int]]) -> None:
    same = len(before.shape) == len(after.shape)
    pairs = zip(before.shape, after.shape, strict=same)
    if not same or any(one != other and (one, other) not in allowed for one, other in pairs):
        raise InvalidInput(
            f"{after.path} has the shape {tuple(after.shape)}, that of the trained model is "
            f"{tuple(before.shape)}: only {sorted(allowed)} may differ, the sizes that grew."
        )
