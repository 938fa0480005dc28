"""MovieLens of GroupLens: films that people rated, with a knowledge graph for the 100K release."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tfrec_fusion.data.sources.registry import Addition, DataSource
from tfrec_fusion.files.download import Archive, Wheel

if TYPE_CHECKING:
    from tfrec_fusion.data.sources.layouts import Layout, Tables

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
HARPER_KONSTAN = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5, 4: 19:1-19:19. "
    "https://doi.org/10.1145/2827872"
)
RECBOLE = Wheel(
    "recbole-1.2.1-py3-none-any.whl",
    "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "recbole==1.2.1",
)


def _layouts_100k() -> tuple[Layout, ...]:
    from tfrec_fusion.data.sources.movielens.files import LAYOUTS_100K

    return LAYOUTS_100K


def _layouts_latest_small() -> tuple[Layout, ...]:
    from tfrec_fusion.data.sources.movielens.files import LAYOUTS_LATEST_SMALL

    return LAYOUTS_LATEST_SMALL


def _graph(tables: Tables) -> Layout | None:
    from tfrec_fusion.data.sources.layouts import Layout
    from tfrec_fusion.data.sources.movielens.files import GRAPH_FILES, with_graph

    if tables.graph is not None:
        return None
    return Layout(GRAPH_FILES, partial(with_graph, tables))


SOURCES = (
    DataSource(
        name="movielens-100k",
        summary="100,000 ratings of 1,682 films by 943 people, with the films' Freebase graph",
        license=(
            "Research use with citation; no redistribution without separate permission and no "
            "commercial use without permission of GroupLens, University of Minnesota. "
            f"{GROUPLENS}/ml-100k-README.txt"
        ),
        citation=(
            f"{HARPER_KONSTAN} The Freebase graph, where present: as packaged by RecBole 1.2.1, "
            "https://recbole.io"
        ),
        layouts=_layouts_100k,
        downloads=(
            Archive(
                "ml-100k.zip",
                "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
                f"{GROUPLENS}/ml-100k.zip",
            ),
            RECBOLE,
        ),
        addition=Addition("knowledge graph", RECBOLE, _graph),
        num_interactions=100_000,
    ),
    DataSource(
        name="movielens-latest-small",
        summary="100,836 ratings of 9,724 films by 610 people, with the films' tags",
        license=(
            "Research use with citation; redistribution, also of transformations, under these "
            "same conditions; no commercial use without permission of GroupLens, University of "
            f"Minnesota. {GROUPLENS}/ml-latest-small-README.html"
        ),
        citation=HARPER_KONSTAN,
        layouts=_layouts_latest_small,
        downloads=(
            Archive(
                "ml-latest-small.zip",
                "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
                f"{GROUPLENS}/ml-latest-small.zip",
            ),
        ),
        num_interactions=100_836,
    ),
)
