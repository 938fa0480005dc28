"""Warnings about answers that differ from what was asked for: one for each question."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

SHOWN = 5  # ids that a message names
_OURS = f"{Path(__file__).parent}{os.sep}"


class AnswerWarning(UserWarning):
    """An answer that differs from what was asked for, e.g. popular items for an unknown user."""


# Two questions that go wrong in the same way warn twice, unless the caller has set a filter.
warnings.simplefilter("always", AnswerWarning, append=True)


def warn(message: str) -> None:
    """Warns about an answer, at the line outside the package that asked for it."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, AnswerWarning, stacklevel=level)


def listed(ids: Sequence[str]) -> str:
    """Returns the first few ids, and how many more there are.

    Example:

    >>> listed(["a", "b"]), listed([str(one) for one in range(7)])
    ("'a', 'b'", "'0', '1', '2', '3', '4' and 2 more")
    """
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(map(repr, ids[:SHOWN])) + more
