"""Keras's own harness over every layer: configs, builds, calls, a step, mixed precision."""

import importlib
import inspect
import pkgutil

import keras
import pytest
from keras.src.testing import TestCase

import tfrec_fusion.layers
from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
from tfrec_fusion.layers.constant_matrix import DenseMatrix, PastItems, SparseMatrix
from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.ensemble import CombinedScores
from tfrec_fusion.layers.experts import PLE, Experts, MMoE
from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.fusion import FUSIONS
from tfrec_fusion.layers.graph import NeighborAttention, TripleScores
from tfrec_fusion.layers.history import CausalAttention, HistoryEncoder
from tfrec_fusion.layers.knowledge_table import KnowledgeTable
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.layers.text_table import TextProfile, TextTable
from tfrec_fusion.layers.texts import JoinedTexts, NgramBag

FLOAT, INT = "float32", "int32"
# Layer, arguments, and its inputs: (shape, dtype) of one, or of each by the name of its argument.
ONE_INPUT = {
    "ItemTower": (ItemTower, {"num_items": 6, "dim": 4, "feature_dim": 3}, (2, 2), INT),
    "HistoryTable": (HistoryTable, {"num_users": 4, "length": 3}, (2,), INT),
    "DenseMatrix": (DenseMatrix, {"num_rows": 4, "num_columns": 3}, (2, 4), FLOAT),
    "SparseMatrix": (
        SparseMatrix,
        {"num_rows": 4, "num_columns": 3, "num_cells": 5},
        (2, 4),
        FLOAT,
    ),
    "PastItems": (PastItems, {"num_items": 6, "half_life": 2.0}, (2, 3), INT),
    "CombinedScores": (CombinedScores, {"weights": [1, 3]}, (2, 3, 6), FLOAT),
    "Experts": (Experts, {"num_experts": 3, "units": (5, 4)}, (3, 6), FLOAT),
    "MMoE": (MMoE, {"num_tasks": 2, "num_experts": 3, "units": (4,)}, (3, 6), FLOAT),
    "PLE": (PLE, {"num_tasks": 2, "units": (4,)}, (3, 6), FLOAT),
    **{
        kind.__name__: (kind, {"dim": 4}, [(3, 4), (3, 6)], [FLOAT, FLOAT])
        for kind in FUSIONS.values()
    },
    "ScoreWeights": (ScoreWeights, {"dim": 2}, (3, 5), FLOAT),
    "TextTable": (TextTable, {"num_rows": 6, "text_dim": 4, "components": 3}, (2, 2), INT),
    "KnowledgeTable": (
        KnowledgeTable,
        {"num_rows": 4, "num_entities": 6, "num_relations": 2, "num_edges": 3, "dim": 4},
        (2, 2),
        INT,
    ),
}
PAIR = {"user": ((3, 4), FLOAT), "item": ((3, 4), FLOAT)}
STEPS = {"x": ((2, 4, 8), FLOAT), "valid": ((2, 4), INT)}
SEVERAL_INPUTS = {
    "WeightedDot": (WeightedDot, {}, PAIR),
    "PairDense": (PairDense, {"units": 5, "activation": "relu"}, PAIR),
    "CausalAttention": (CausalAttention, {"dim": 8, "num_heads": 2}, STEPS),
    "HistoryEncoder": (HistoryEncoder, {"dim": 8, "num_layers": 1}, STEPS),
    "FusedTower": (
        FusedTower,
        {"num_rows": 6, "dim": 4, "fusion": "gated", "id_dropout": 0.5},
        {"index": ((2, 2), INT), "text": ((2, 2, 3), FLOAT)},
    ),
    "NeighborAttention": (
        NeighborAttention,
        {"num_rows": 4, "num_edges": 3, "num_neighbors": 2},
        {"index": ((2, 2), INT), "entities": ((6, 4), FLOAT), "relations": ((2, 8), FLOAT)},
    ),
    "TripleScores": (
        TripleScores,
        {},
        {"head": ((3, 4), FLOAT), "relation": ((3, 8), FLOAT), "tail": ((3, 4), FLOAT)},
    ),
    "TextProfile": (TextProfile, {}, {"texts": ((2, 4, 3), FLOAT), "valid": ((2, 4), INT)}),
    "RatingBiases": (
        RatingBiases,
        {"num_users": 4, "num_items": 5},
        {"user_id": ((2, 1), INT), "item_id": ((2, 2), INT), "own_rating": ((2, 2), FLOAT)},
    ),
    "CatalogLogits": (
        CatalogLogits,
        {"num_items": 6, "partial": True},
        {"query": ((2, 3, 4), FLOAT), "candidates": ((6, 4), FLOAT)},
    ),
    "InBatchLogits": (
        InBatchLogits,
        {"num_hard_negatives": 2},
        {
            **{"query": ((3, 4), FLOAT), "candidate": ((3, 4), FLOAT)},
            **{"candidate_id": ((3,), INT), "sampling_probability": ((3,), FLOAT)},
        },
    ),
    "NgramBag": (
        NgramBag,
        {"num_buckets": 20, "dim": 4},
        {"token_ids": ((2, 5), INT), "num_tokens": ((2,), INT)},
    ),
    "JoinedTexts": (
        JoinedTexts,
        {},
        {
            **{"user_token_ids": ((2, 4), INT), "user_num_tokens": ((2,), INT)},
            **{"item_token_ids": ((2, 3), INT), "item_num_tokens": ((2,), INT)},
        },
    ),
}
# Its argument is a layer, of which the harness would need one that is made anew in each call.
NOT_DRIVEN = {"EncodedTable"}
# Without the training step: whole numbers have no gradient, and the harness trains on no lists.
UNTRAINED = {"HistoryTable", *(kind.__name__ for kind in FUSIONS.values())}


def test_every_layer_is_driven_or_named():
    driven = {layer for layer, *_ in (*ONE_INPUT.values(), *SEVERAL_INPUTS.values())}
    found = {
        one
        for module in pkgutil.iter_modules(tfrec_fusion.layers.__path__, "tfrec_fusion.layers.")
        for _, one in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(one, keras.layers.Layer) and one.__module__ == module.name
    }
    assert {one.__name__ for one in found - driven} == NOT_DRIVEN | {"FullPrecision", "Table"}


@pytest.fixture
def harness():
    case = TestCase()
    yield case
    case.doCleanups()


@pytest.mark.parametrize("name", ONE_INPUT)
def test_a_layer_of_one_input_passes_the_harness(name, harness):
    layer, arguments, shape, dtype = ONE_INPUT[name]
    trains = name not in UNTRAINED
    harness.run_layer_test(
        layer, arguments, input_shape=shape, input_dtype=dtype, run_training_check=trains
    )


@pytest.mark.parametrize("name", SEVERAL_INPUTS)
def test_a_layer_of_several_inputs_passes_the_harness(name, harness):
    """Without its training step, whose model hands over one argument."""
    layer, arguments, inputs = SEVERAL_INPUTS[name]
    harness.run_layer_test(
        layer,
        arguments,
        input_shape={f"{argument}_shape": shape for argument, (shape, _) in inputs.items()},
        input_dtype={f"{argument}_shape": dtype for argument, (_, dtype) in inputs.items()},
        run_training_check=False,
    )
