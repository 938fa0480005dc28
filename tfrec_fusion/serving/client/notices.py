"""One warning for each answer that differs from what was asked for."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from tfrec_fusion.errors import AnswerWarning

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_SHOWN = 5  # ids that a message names

# Two questions that go wrong in the same way warn twice, unless the caller has set a filter.
warnings.simplefilter("always", AnswerWarning, append=True)


def warn(sentences: Sequence[str]) -> None:
    """Warns once, at the line outside this package that asked; not at all without a sentence."""
    if not sentences:
        return
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(" ".join(sentences), AnswerWarning, stacklevel=level)


def listed(ids: Sequence[str]) -> str:
    """Returns the first few ids, and how many more there are.

    Example:

    >>> listed(["a", "b"]), listed([str(one) for one in range(7)])
    ("'a', 'b'", "'0', '1', '2', '3', '4' and 2 more")
    """
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return ", ".join(map(repr, ids[:_SHOWN])) + more
