"""What a SavedModel would do besides computing: read or write files, call others, run Python.

A SavedModel is a program. This module reads its graph, runs nothing, and names every operation
that is not known to compute only. Known are the operations of `pure_ops.txt`, and those of
`stateful_ops.txt`, which keep a state inside the process or draw numbers: lists of what is allowed,
because new operations come with every TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.regular import open_regular
from tfrec_fusion.serving.export.function_calls import CallGraph
from tfrec_fusion.serving.export.saved_functions import read_saved_model

SAVER = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints"})
VOCABULARY = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
PRINT = "PrintV2"
OTHER_GRAPHS = ("saved_model.cpb", "saved_model.pbtxt")
ADVICE = (
    "A SavedModel is a program that may read, write and send whatever its user may. Only where you "
    "trust who made it, give --allow-unsafe-ops (`allow_unsafe_ops=True`)."
)


class UnsafeModel(InvalidInput):
    """A SavedModel that would do more than compute."""


@cache
def computing_ops() -> frozenset[str]:
    """Names of the operations that touch nothing outside of the process."""
    folder = files("tfrec_fusion.serving.export")
    lists = (folder.joinpath(name).read_text() for name in ("pure_ops.txt", "stateful_ops.txt"))
    return frozenset(name for one in lists for name in one.split())


def check_effects(version_dir: Path, advice: str = ADVICE) -> None:
    """Refuses a SavedModel that would do more than compute.

    Args:
        version_dir: The folder that holds `saved_model.pb`; nothing in it is run.
        advice: What to do about it.

    Raises:
        UnsafeModel: With what it would do.
    """
    if found := effects_of(version_dir):
        shown = "; ".join(found[:5]) + (f"; {len(found) - 5} more" if len(found) > 5 else "")
        raise UnsafeModel(
            f"{version_dir} must hold only operations that compute. Received: {shown}. {advice}"
        )


def effects_of(version_dir: Path) -> list[str]:
    """What a SavedModel would do besides computing, a line each; none for one that is harmless.

    Args:
        version_dir: The folder that holds `saved_model.pb`; nothing in it is run.

    Raises:
        OSError: When the file is missing or may not be read.
        InvalidInput: When it is no SavedModel.

    Example:

    >>> effects_of(Path("savedmodels/stranger/1"))  # doctest: +SKIP
    ['WriteFile in __inference_recommend_20']
    """
    lines = [
        f"a second graph, {name}" for name in OTHER_GRAPHS if (version_dir / name).exists()
    ] + list(_files_elsewhere(version_dir))
    for meta in read_saved_model(version_dir).meta_graphs:
        lines += _assets_elsewhere(version_dir, meta)
        lines += _operations(meta)
    return list(dict.fromkeys(lines))


def _operations(meta: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    graph = CallGraph(meta)
    known = set(dir(tf.raw_ops))
    for name in sorted(graph.functions):
        if name in known:
            yield f"a function named like the operation {name}"
    for place, nodes in graph.places():
        for node in nodes:
            if node.op in graph.functions or node.op in computing_ops():
                continue
            if node.op in SAVER and graph.is_saver(place, node):
                continue
            if node.op in VOCABULARY and graph.is_asset(place, node.input[1]):
                continue
            if node.op == PRINT and not _prints_to_file(node.attr):
                continue
            yield f"{node.op} in {place or 'the graph'}"


def _prints_to_file(attributes: Mapping[str, Any]) -> bool:
    stream = attributes["output_stream"].s if "output_stream" in attributes else b"stderr"
    return re.fullmatch(rb"stdout|stderr|log\((info|warning|error)\)", stream) is None


def _assets_elsewhere(version_dir: Path, meta: meta_graph_pb2.MetaGraphDef) -> Iterator[str]:
    for asset in meta.asset_file_def:
        path = PurePosixPath(asset.filename)
        if path.is_absolute() or ".." in path.parts or "\0" in asset.filename:
            yield f"the asset {asset.filename!r}, outside of assets/"
    if "saved_model_assets" in meta.collection_def and not meta.asset_file_def:
        yield "assets in a form of TensorFlow 1"


def _files_elsewhere(version_dir: Path) -> Iterator[str]:
    """Links that lead out of the folder, and what is no file."""
    root = version_dir.resolve()
    for path in _walk(version_dir):
        name = path.relative_to(version_dir)
        try:
            target = path.resolve(strict=True)
            if not target.is_relative_to(root):
                yield f"{name}, a link to {target}"
            elif not target.is_dir():
                open_regular(path).close()
        except (OSError, RuntimeError, ValueError) as error:
            yield f"{name}, which is no readable file ({error})"


def _walk(folder: Path) -> Iterable[Path]:
    """All below a folder; links to folders are not followed."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
