"""Keras layers for recommenders: embeddings, fusions, histories, experts and retrieval logits.

Every layer is here by its name, and imported at its first use:

>>> from tfrec_fusion import layers
>>> layers.GatedFusion(dim=64).name
'gated_fusion'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
    from tfrec_fusion.layers.constant_matrix import DenseMatrix, PastItems, SparseMatrix
    from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
    from tfrec_fusion.layers.ensemble import CombinedScores
    from tfrec_fusion.layers.experts import PLE, Experts, MMoE
    from tfrec_fusion.layers.fused_tower import FusedTower
    from tfrec_fusion.layers.fusion import (
        AttentionFusion,
        ConcatFusion,
        GatedFusion,
        ResidualFusion,
        fusion_layer,
    )
    from tfrec_fusion.layers.graph import NeighborAttention, TripleScores
    from tfrec_fusion.layers.history import CausalAttention, HistoryEncoder, most_recent
    from tfrec_fusion.layers.knowledge_table import KnowledgeTable
    from tfrec_fusion.layers.precision import FullPrecision, dtype_policy_scope
    from tfrec_fusion.layers.rating import RatingBiases
    from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
    from tfrec_fusion.layers.score_weights import ScoreWeights
    from tfrec_fusion.layers.table import Table
    from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable
    from tfrec_fusion.layers.texts import JoinedTexts, NgramBag

__all__ = [
    "PLE",
    "AttentionFusion",
    "CatalogLogits",
    "CausalAttention",
    "CombinedScores",
    "ConcatFusion",
    "DenseMatrix",
    "EncodedTable",
    "Experts",
    "FullPrecision",
    "FusedTower",
    "GatedFusion",
    "HistoryEncoder",
    "HistoryTable",
    "InBatchLogits",
    "ItemTower",
    "JoinedTexts",
    "KnowledgeTable",
    "MMoE",
    "NeighborAttention",
    "NgramBag",
    "PairDense",
    "PastItems",
    "RatingBiases",
    "ResidualFusion",
    "ScoreWeights",
    "SparseMatrix",
    "Table",
    "TextProfile",
    "TextTable",
    "TripleScores",
    "WeightedDot",
    "dtype_policy_scope",
    "fusion_layer",
    "most_recent",
]

_MODULES = {
    "collaborative": ("PairDense", "WeightedDot"),
    "constant_matrix": ("DenseMatrix", "PastItems", "SparseMatrix"),
    "embedding": ("HistoryTable", "ItemTower"),
    "ensemble": ("CombinedScores",),
    "experts": ("Experts", "MMoE", "PLE"),
    "fused_tower": ("FusedTower",),
    "fusion": ("AttentionFusion", "ConcatFusion", "GatedFusion", "ResidualFusion", "fusion_layer"),
    "graph": ("NeighborAttention", "TripleScores"),
    "history": ("CausalAttention", "HistoryEncoder", "most_recent"),
    "knowledge_table": ("KnowledgeTable",),
    "precision": ("FullPrecision", "dtype_policy_scope"),
    "rating": ("RatingBiases",),
    "retrieval": ("CatalogLogits", "InBatchLogits"),
    "score_weights": ("ScoreWeights",),
    "table": ("Table",),
    "text_table": ("EncodedTable", "TextProfile", "TextTable"),
    "texts": ("JoinedTexts", "NgramBag"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Imports Keras and a layer's module at the first use of the layer."""
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}."
    )


def __dir__() -> list[str]:
    return list(__all__)
