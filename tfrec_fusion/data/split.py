"""Train, validation and test rows: temporal per user, leave-one-out, and whole items held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput


@dataclass(frozen=True)
class Split:
    """Three disjoint parts of `RecData.interactions`, each in (user, time, item) order.

    Attributes:
        train: Rows a model learns from.
        validation: Rows that choose epochs and hyperparameters.
        test: Rows looked at once per reported number; their history is train + validation.
        description: One sentence saying how the rows were divided.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    description: str


def temporal(
    data: RecData,
    *,
    test: float = 0.2,
    validation: float = 0.1,
    seed: int = 0,
    trained: pd.DataFrame | None = None,
) -> Split:
    """Holds out each user's latest events.

    With `n` events of a user the last `max(1, floor(test * n))` are test, the
    `max(1, floor(validation * n))` before them validation, the rest train. Ties in time go by
    item id. A user with one event is only tested, with two only validated and tested: both stay
    cold for the model, and the description counts them.

    Args:
        data: Tables; without a `timestamp` column each user's order is drawn from `seed`.
        test: Share of a user's events in the test part, between 0 and 1.
        validation: Share of a user's events in the validation part, between 0 and 1.
        seed: Used only for data without timestamps.
        trained: Pairs, `user_id` and `item_id`, that the model to be measured has been trained
            on already. Their events stay in the training part whatever their time: those among
            the last `test` of a user's events are missing from the test part, which the
            description counts, and validation takes the latest of the user's other events.

    Raises:
        ValueError: When a share is not in (0, 1) or the two reach 1 together.

    Example:

    >>> from tfrec_fusion.data import generate
    >>> split = temporal(generate(20, 30, 200, seed=1))
    >>> len(split.train) + len(split.validation) + len(split.test)
    200
    """
    _check_shares(test=test, validation=validation)
    ordered, how = _in_user_order(data, seed, trained)
    size = ordered.groupby("user_id", sort=False)["item_id"].transform("size").to_numpy()
    num_test = np.maximum(1, np.floor(test * size + 1e-9).astype(int))
    num_validation = np.maximum(1, np.floor(validation * size + 1e-9).astype(int))
    what = f"{how}, the last {test:.0%} test and {validation:.0%} before it validation"
    return _hold_out_latest(ordered, num_test, num_validation, what, trained)


def leave_one_out(data: RecData, *, seed: int = 0, trained: pd.DataFrame | None = None) -> Split:
    """Each user's last event is test, the one before it validation (He et al. 2017).

    Args:
        data: Tables; without a `timestamp` column each user's order is drawn from `seed`.
        seed: Used only for data without timestamps.
        trained: As in `temporal`.
    """
    ordered, how = _in_user_order(data, seed, trained)
    single = np.ones(len(ordered), int)
    what = f"{how}, the last event test and the one before it validation"
    return _hold_out_latest(ordered, single, single, what, trained)


def cold_item(
    data: RecData,
    *,
    test: float = 0.2,
    validation: float = 0.1,
    seed: int = 0,
    trained: pd.DataFrame | None = None,
) -> Split:
    """Holds out whole items: no held-out item has a single training event.

    Args:
        data: Tables.
        test: Share of the items that have events in the test part.
        validation: Share of those items in the validation part.
        seed: Chooses the items.
        trained: Pairs, `user_id` and `item_id`, that the model to be measured has been trained
            on already. Their items stay in the training part, and the shares are of the others.

    Raises:
        ValueError: When a share is not in (0, 1), the two reach 1 together, or there are too few
            items for three parts.
    """
    _check_shares(test=test, validation=validation)
    ordered, _ = _in_user_order(data, seed, trained)
    with_events = pd.Index(ordered["item_id"].unique())
    familiar = pd.Index([] if trained is None else trained["item_id"].unique())
    items = Vocabulary.from_ids(with_events.difference(familiar))
    num_items = len(items) - 1
    num_test, num_validation = (
        max(1, round(test * num_items)),
        max(1, round(validation * num_items)),
    )
    num_familiar = len(with_events) - num_items
    if num_test + num_validation >= num_items + bool(num_familiar):
        which = "with events" if trained is None else "that the model has not been trained on"
        raise InvalidInput(
            "A cold-item split needs at least one item in each of three parts. "
            f"Received: {num_items} items {which}, test={test}, validation={validation}."
        )
    drawn = np.random.default_rng(seed).permutation(num_items) + 1
    index = items.index(ordered["item_id"])
    is_test = np.isin(index, drawn[:num_test])
    is_validation = np.isin(index, drawn[num_test : num_test + num_validation])
    what = f"by item (seed {seed}), {num_test} items test and {num_validation} validation"
    if trained is not None:
        what += f"; {num_familiar} items that the model has been trained on stay in training"
    return _cut(ordered, is_test, is_validation, what)


SPLITS: dict[str, Callable[..., Split]] = {
    "temporal": temporal,
    "leave_one_out": leave_one_out,
    "cold_item": cold_item,
}


def _check_shares(*, test: float, validation: float) -> None:
    for name, share in (("test", test), ("validation", validation)):
        if not 0 < share < 1:
            raise InvalidInput(f"`{name}` must be between 0 and 1. Received: {name}={share}.")
    if test + validation >= 1:
        raise InvalidInput(
            "`test` and `validation` must leave rows to train on. "
            f"Received: test={test}, validation={validation}."
        )


def _in_user_order(
    data: RecData, seed: int, trained: pd.DataFrame | None
) -> tuple[pd.DataFrame, str]:
    """Interactions sorted by (user, time, item), and the order in words.

    Ties, and so all of a user's events without timestamps, start with the `trained` ones.
    """
    frame = data.interactions
    user = Vocabulary.from_ids(frame["user_id"]).index(frame["user_id"])
    item = Vocabulary.from_ids(frame["item_id"]).index(frame["item_id"])
    untrained = ~_is_among(frame, trained)
    if "timestamp" in frame:
        time = frame["timestamp"].to_numpy()
        order, how = np.lexsort((item, untrained, time, user)), "by time per user"
    else:
        by_item = np.lexsort((item, user))
        noise = np.random.default_rng(seed).random(len(frame))
        order = by_item[np.lexsort((noise, untrained[by_item], user[by_item]))]
        how = f"at random per user (no timestamps; seed {seed})"
    return frame.iloc[order].reset_index(drop=True), how


def _is_among(frame: pd.DataFrame, pairs: pd.DataFrame | None) -> np.ndarray:
    """`(num_rows,)` bool: whether a row's user and item are one of the pairs."""
    if pairs is None:
        return np.zeros(len(frame), bool)
    keys = ["user_id", "item_id"]
    wanted = pd.MultiIndex.from_frame(pairs[keys].astype(str))
    return pd.MultiIndex.from_frame(frame[keys].astype(str)).isin(wanted)


def _hold_out_latest(
    ordered: pd.DataFrame,
    num_test: np.ndarray,
    num_validation: np.ndarray,
    what: str,
    trained: pd.DataFrame | None,
) -> Split:
    """Cuts each user's events, given for each row how many of its user are to be held out."""
    is_trained = _is_among(ordered, trained)
    user = ordered["user_id"]
    late = _later_of_the_user(user, np.ones(len(ordered), bool)) < num_test
    is_test = late & ~is_trained
    free = ~late & ~is_trained
    is_validation = free & (_later_of_the_user(user, free) < num_validation)
    if trained is not None:
        what += (
            f"; {int((late & is_trained).sum())} of {int(late.sum())} test events stay in training "
            "because the model has been trained on them"
        )
    return _cut(ordered, is_test, is_validation, what)


def _later_of_the_user(user: pd.Series, counted: np.ndarray) -> np.ndarray:
    """`(num_rows,)`: how many of the `counted` rows of the same user come after each row."""
    backward = pd.Series(counted.astype(int), index=user.index)[::-1]
    return (backward.groupby(user[::-1], sort=False).cumsum() - backward)[::-1].to_numpy()


def _cut(ordered: pd.DataFrame, test: np.ndarray, validation: np.ndarray, what: str) -> Split:
    train = ordered[~test & ~validation]
    if train.empty:
        raise InvalidInput(
            f"No rows are left to train on: {len(ordered)} interactions of "
            f"{ordered['user_id'].nunique()} users, split {what}. "
            "Give users with at least three events each."
        )
    cold = ordered["user_id"].nunique() - train["user_id"].nunique()
    note = f"; {cold} users have no training event" if cold else ""
    return Split(train, ordered[validation], ordered[test], f"split {what}{note}")
