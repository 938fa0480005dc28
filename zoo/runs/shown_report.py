"""A run's report, shown to whoever sits at the prompt."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

from tfrec_fusion.errors import NotFound


def shown_report(folder: Path, name: str) -> Path:
    """The path of a run's `report.html`, opened in a browser in an interactive session.

    Args:
        folder: The run folder.
        name: The model's, for the message.

    Raises:
        NotFound: When the folder has none.
    """
    path = folder / "report.html"
    if not path.is_file():
        raise NotFound(f"{name} has no report.html in {folder}. Its numbers are in `.metrics`.")
    if getattr(sys, "ps1", None) is not None and _has_window():
        webbrowser.open(path.resolve().as_uri())
    return path


def _has_window() -> bool:
    """Whether there is a browser of its own; one in the terminal would take the prompt away."""
    try:
        return type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False
