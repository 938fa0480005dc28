"""Made-up data whose signal is known: `generate` in any size, `--data synthetic` in one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfrec_fusion.data.sources.registry import DataSource

if TYPE_CHECKING:
    from tfrec_fusion.data.sources.layouts import Tables
    from tfrec_fusion.data.sources.synthetic.generator import generate

__all__ = ["SOURCE", "generate"]


def _make() -> Tables:
    from tfrec_fusion.data.sources.layouts import Tables
    from tfrec_fusion.data.sources.synthetic.generator import generate

    data = generate(1_000, 500, 20_000, with_users=True, with_graph=True)
    return Tables(data.interactions, data.items, data.users, data.graph)


SOURCE = DataSource(
    name="synthetic",
    summary="20,000 made-up events of 1,000 users with 500 items, with users and a graph",
    license="public domain (made up)",
    citation="None: the package makes it up.",
    make=_make,
    num_interactions=20_000,
)


def __getattr__(name: str) -> Any:
    """Imports pandas with the generator."""
    if name == "generate":
        return import_module(f"{__name__}.generator").generate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
