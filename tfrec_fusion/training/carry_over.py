"""A trained model's weights and optimizer slots go on in a model of larger vocabularies.

Vocabularies grow at their ends: an id keeps its index, so each row of the old tables is the row of
the same id in the new ones, and the rows after it are as they were initialised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops


@dataclass(frozen=True)
class Carried:
    """What became of one weight.

    Attributes:
        weight: Its path.
        shape: Its shape now.
        kept: Values that are those of the trained model.
        new: Values that are as they were initialised.
        slots: Whether the optimizer's slots of the kept values are theirs, too.
    """

    weight: str
    shape: tuple[int, ...]
    kept: int
    new: int
    slots: bool


def carry_over(
    old: keras.Model, new: keras.Model, grown: Collection[tuple[int, int]]
) -> list[Carried]:
    """Gives a model the values of a smaller one, and their optimizer slots where both have some.

    A slot goes on when both models are compiled with one kind of optimizer; that of the new model
    then begins with what the old one's knows of each value (momentum, variance), but counts its
    steps from 0, so that schedules and warm-ups begin anew.

    Args:
        old: The trained model.
        new: A model of the same kind; compiled where slots are to go on.
        grown: Sizes of vocabularies, `(before, after)`; only such axes may differ.

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
        raise ValueError(
            f"The models have {len(old.weights)} and {len(new.weights)} weights: they differ by "
            "more than the size of their vocabularies."
        )
    allowed = set(grown)
    for before, after in zip(old.weights, new.weights, strict=True):
        _check_grown(before, after, allowed)
    from_slots, to_slots = _slots(old), _slots(new)
    together = bool(to_slots) and _kind(old) == _kind(new) and len(from_slots) == len(to_slots)
    if together:
        for before, after in zip(from_slots, to_slots, strict=True):
            _place(before, after)
    trained = {id(one) for one in new.trainable_weights}
    rows = []
    for before, after in zip(old.weights, new.weights, strict=True):
        _place(before, after)
        kept = int(np.prod(before.shape))
        more = int(np.prod(after.shape)) - kept
        shape = tuple(after.shape)
        rows.append(Carried(after.path, shape, kept, more, together and id(after) in trained))
    return rows


def _check_grown(before: Any, after: Any, allowed: set[tuple[int, int]]) -> None:
    same = len(before.shape) == len(after.shape)
    pairs = zip(before.shape, after.shape, strict=same)
    if not same or any(one != other and (one, other) not in allowed for one, other in pairs):
        raise ValueError(
            f"{after.path} has the shape {tuple(after.shape)}, that of the trained model is "
            f"{tuple(before.shape)}: only {sorted(allowed)} may differ, the vocabularies' sizes."
        )


def _place(before: Any, after: Any) -> None:
    """Writes the smaller variable into the beginning of the larger one."""
    values = np.array(ops.convert_to_numpy(after))
    values[tuple(slice(0, size) for size in before.shape)] = ops.convert_to_numpy(before)
    after.assign(values)


def _kind(model: keras.Model) -> Any:
    return type(model.optimizer)


def _slots(model: keras.Model) -> Sequence[Any]:
    """The optimizer's variables that belong to a weight; none where the model is not compiled."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return []
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    apart = {"iteration", "learning_rate"}
    return [one for one in optimizer.variables if one.path.split("/")[-1] not in apart]
