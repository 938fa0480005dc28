"""Users and folders of questions to a model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.ids import id_list
from tfrec_fusion.questions import checked_id
from tfrec_fusion.zoo.answers.near_misses import near_misses


def asked_users(user_id: object) -> tuple[list[str], bool]:
    """Returns the users of a question, and whether they came as a list.

    Args:
        user_id: One id; or a list, tuple, array, Series or Index of them; or a DataFrame with a
            column `user_id`.

    Raises:
        InvalidInput: When one of them is no id, or a DataFrame has no such column.

    Example:

    >>> asked_users(7.0), asked_users([7, "b"])
    ((['7'], False), (['7', 'b'], True))
    """
    if isinstance(user_id, pd.DataFrame):
        if list(user_id.columns).count("user_id") != 1:
            hint = "Rename the column of the users."
            if "user_id" in user_id.index.names:
                hint = "Turn the index into a column by `reset_index()`."
            raise InvalidInput(
                "A DataFrame of users needs one column `user_id`. Received: the columns "
                f"{', '.join(map(repr, user_id.columns)) or '(none)'}. {hint}"
            )
        user_id = user_id["user_id"]
    single = isinstance(user_id, (str, bytes, dict)) or not isinstance(user_id, Iterable)
    if single or (isinstance(user_id, np.ndarray) and user_id.ndim == 0):
        return [checked_id(user_id, "user_id")], False
    return id_list(user_id, "user_id"), True


def unknown_id(kind: str, name: str, ids: Sequence[str] | np.ndarray) -> InvalidInput:
    """Returns the error for an id that must be known.

    Args:
        kind: `"User"` or `"Item"`.
        name: The id.
        ids: The known ids; position 0 is the out-of-vocabulary one.
    """
    return InvalidInput(
        f"{kind} {name!r} is not known to the model of {len(ids) - 1:,} {kind.lower()}s."
        f"{near_misses([name], ids[1:])} Its ids look like {[str(one) for one in ids[1:4]]}."
    )


def folder_path(folder: object) -> Path:
    """Returns a path that a caller gave.

    Raises:
        WrongType: When it is none.
        InvalidInput: When it is empty, which would be the working directory.
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise WrongType(
            "A run is given by the path of its folder, or by the name of a prebuilt model. "
            f"Received: {folder!r:.60}, of the type {type(folder).__name__}."
        )
    if not os.fspath(folder):
        raise InvalidInput("The path of a run folder is empty. For this folder, write '.'.")
    return Path(folder)
