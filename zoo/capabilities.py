"""Properties of a model that decide what it needs and what it can answer."""

from __future__ import annotations

from typing import Any


def reads_text(model: Any) -> bool:
    """Whether a model reads texts through a language model."""
    return bool(getattr(getattr(model, "config", None), "reads_text", False))


def reads_graph(model: Any) -> bool:
    """Whether a model reads a knowledge graph."""
    return bool(getattr(getattr(model, "config", None), "reads_graph", False))
