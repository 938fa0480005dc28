"""Which operations an unmodified TensorFlow Serving has, and one built with ScaNN."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.saved_functions import read_saved_model

# TensorFlow registers these in Python alone; a server has no Python to call back.
NEEDS_PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})

# Those of TensorFlow Text 2.20, which the server links; its other ones begin with `TEXT_PREFIX`.
TEXT_PREFIX = "TFText>"
SCANN_PREFIX = "Scann>"  # of google/tf-serving-scann
TEXT_OPS = frozenset(
    (
        "CaseFoldUTF8",
        "ConstrainedSequence",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "FindSourceOffsets",
        "MaxSpanningTree",
        "NormalizeUTF8",
        "NormalizeUTF8WithOffsetsMap",
        "PhraseTokenize",
        "RegexSplitWithOffsets",
        "SentenceFragments",
        "SentenceFragmentsV2",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
        "SentencepieceOp",
        "SentencepieceStringToIdOp",
        "SentencepieceTokenizeOp",
        "SentencepieceTokenizeWithOffsetsOp",
        "SentencepieceVocabSizeOp",
        "SplitMergeTokenizeWithOffsets",
        "TokenizerFromLogits",
        "UnicodeScriptTokenizeWithOffsets",
        "WhitespaceTokenizeWithOffsets",
        "WordpieceTokenizeWithOffsets",
    )
)


def needs_scann(version_dir: Path) -> bool:
    """Whether a SavedModel asks for a server that is built with ScaNN."""
    return any(op.startswith(SCANN_PREFIX) for op in ops_of(version_dir))


def ops_of(version_dir: Path) -> set[str]:
    """Names of the operations in a SavedModel, in its functions too."""
    graphs = [meta.graph_def for meta in read_saved_model(version_dir).meta_graphs]
    nodes = {node.op for graph in graphs for node in graph.node}
    nodes |= {node.op for graph in graphs for f in graph.library.function for node in f.node_def}
    return nodes - {f.signature.name for graph in graphs for f in graph.library.function}


def check_ops(version_dir: Path) -> None:
    """Refuses a SavedModel that neither an unmodified TensorFlow Serving nor one with ScaNN runs.

    Args:
        version_dir: The folder that holds `saved_model.pb`.

    Raises:
        ValueError: When it holds an operation of another library, or one that calls Python.
    """
    stock = (set(dir(tf.raw_ops)) | TEXT_OPS) - NEEDS_PYTHON
    found = {op for op in ops_of(version_dir) if not op.startswith((TEXT_PREFIX, SCANN_PREFIX))}
    if foreign := sorted(found - stock):
        raise InvalidInput(
            "The model must use only operations of TensorFlow and TensorFlow Text, which every "
            f"TensorFlow Serving has. Received: {', '.join(foreign)}. Move them out of the "
            "exported model."
        )
