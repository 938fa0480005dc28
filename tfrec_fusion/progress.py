"""Progress for people: a bar in a terminal or a notebook, lines on stderr elsewhere."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def progress_bar(*, show: bool = True, **settings: Any) -> Any:
    """A bar of tqdm; its `disable` is true where no bar can be drawn, and lines are to be told.

    Args:
        show: False draws no bar anywhere.
        **settings: As of `tqdm.tqdm`, such as `total` and `unit`.

    Example:

    >>> with progress_bar(show=False, total=3) as bar:
    ...     bar.update(3)
    """
    with warnings.catch_warnings():
        # A notebook without ipywidgets: lines are told there instead.
        warnings.filterwarnings("ignore", "IProgress not found")
        from tqdm.auto import tqdm
    return tqdm(disable=None if show else True, dynamic_ncols=True, **settings)


def tell_progress(line: str) -> None:
    """Writes a line to stderr at once, where logs and notebooks show it."""
    if sys.stderr is not None:
        print(line, file=sys.stderr, flush=True)
