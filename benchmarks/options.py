"""The options that the measuring scripts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path))
SEEDS = click.option("--seeds", default=3, show_default=True)
EPOCHS = click.option("--epochs", type=int, help="At most; large catalogs take long.")


def data(default: str = "movielens-100k") -> Decorator:
    """Which tables."""
    return click.option("--data", default=default, show_default=True)


def threads(default: int = 2) -> Decorator:
    """How many TensorFlow computes with."""
    return click.option("--threads", default=default, show_default=True)


def runs(default: str) -> Decorator:
    """Where trained runs are kept."""
    return click.option("--runs", default=default, type=click.Path(path_type=Path))


def variants(every: Iterable[str], default: Iterable[str] | None = None) -> Decorator:
    """Which rows; all by default."""
    names = list(every)
    return click.option(
        "--variant",
        "variants",
        multiple=True,
        type=click.Choice(names),
        default=names if default is None else list(default),
    )
