"""One contract for every layer, then each layer's own numbers."""

import importlib
import inspect
import pkgutil

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion import layers
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
from tfrec_fusion.layers.precision import FullPrecision
from tfrec_fusion.layers.rating import RatingBiases
from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable
from tfrec_fusion.layers.texts import JoinedTexts, NgramBag
from tfrec_fusion.saved_classes import saved_classes
from tfrec_fusion.testing import check_layer
from tfrec_fusion.text.language_models.tower import TextTower

RNG = np.random.default_rng(0)


def vectors(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def small_text_tower():
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=9, num_layers=1, num_heads=2, hidden_dim=4, intermediate_dim=8
    )
    return TextTower(backbone, "last", mode="full", dtype="float32")


def two_sources():
    return [vectors(3, 4), vectors(3, 6)], [np.array([1.0, 0.0, 1.0], np.float32), None]


def some_neighbors(**choices):
    layer = NeighborAttention(4, 3, num_neighbors=2, **choices)
    layer.set_edges([0, 0, 1, 1, 3], [0, 1, 0], [4, 5, 4])
    return layer


def some_knowledge(**choices):
    table = KnowledgeTable(4, 6, 2, 3, dim=4, num_neighbors=2, **choices)
    table.set_edges([0, 0, 1, 1, 3], [0, 1, 0], [4, 5, 4])
    return table


VALID = np.array([[False, True, True, True], [True, True, True, True]])
CASES = {
    "WeightedDot": (lambda **k: WeightedDot(**k), lambda: (vectors(3, 4), vectors(3, 4))),
    "PairDense": (
        lambda **k: PairDense(5, activation="relu", **k),
        lambda: (vectors(3, 4), vectors(3, 2)),
    ),
    "ItemTower": (
        lambda **k: ItemTower(6, 4, feature_dim=3, **k),
        lambda: (np.array([[1, 5], [0, 2]]),),
    ),
    "ItemTower in 16 bits": (
        lambda **k: ItemTower(6, 4, embeddings_dtype="float16", **k),
        lambda: (np.array([[1, 5], [0, 2]]),),
    ),
    "HistoryTable": (lambda **k: HistoryTable(4, 3, **k), lambda: (np.array([1, 3]),)),
    "CausalAttention": (
        lambda **k: CausalAttention(8, num_heads=2, max_distance=3, **k),
        lambda: (vectors(2, 4, 8), VALID),
    ),
    "HistoryEncoder": (
        lambda **k: HistoryEncoder(8, num_layers=1, dropout=0.3, **k),
        lambda: (vectors(2, 4, 8), VALID),
    ),
    "HistoryEncoder gru": (
        lambda **k: HistoryEncoder(8, kind="gru", num_layers=2, **k),
        lambda: (vectors(2, 4, 8), VALID),
    ),
    "CombinedScores": (lambda **k: CombinedScores([1, 3], **k), lambda: (vectors(2, 3, 6),)),
    "CombinedScores ranks": (
        lambda **k: CombinedScores([1, 3], "ranks", **k),
        lambda: (vectors(2, 3, 6),),
    ),
    "Experts": (lambda **k: Experts(3, (5, 4), **k), lambda: (vectors(3, 6),)),
    "MMoE": (lambda **k: MMoE(2, 3, (5, 4), **k), lambda: (vectors(3, 6),)),
    "PLE": (lambda **k: PLE(2, 1, 2, (5, 4), **k), lambda: (vectors(3, 6),)),
    **{
        kind.__name__: (lambda kind=kind, **k: kind(4, **k), two_sources)
        for kind in FUSIONS.values()
    },
    "FusedTower": (
        lambda **k: FusedTower(6, 4, fusion="gated", id_dropout=0.5, text_dropout=0.2, **k),
        lambda: (np.array([[1, 5], [0, 2]]), vectors(2, 2, 3)),
    ),
    "NeighborAttention": (
        some_neighbors,
        lambda: (np.array([[1, 3], [0, 2]]), vectors(6, 4), vectors(2, 8)),
    ),
    "KnowledgeTable": (some_knowledge, lambda: (np.array([[1, 3], [0, 2]]),)),
    "TripleScores": (
        lambda **k: TripleScores(**k),
        lambda: (vectors(3, 4), vectors(3, 8), vectors(3, 4)),
    ),
    "TextTable": (lambda **k: TextTable(6, 4, 3, **k), lambda: (np.array([[1, 5], [0, 2]]),)),
    "EncodedTable": (
        lambda **k: EncodedTable(6, 4, 3, tower=small_text_tower(), length=2, **k),
        lambda: (np.array([1, 5]),),
    ),
    "TextProfile": (lambda **k: TextProfile(2.0, **k), lambda: (vectors(2, 4, 3), VALID)),
    "RatingBiases": (
        lambda **k: RatingBiases(4, 5, **k),
        lambda: (np.array([[1], [3]]), np.array([[1, 4], [0, 2]])),
    ),
    "ScoreWeights": (lambda **k: ScoreWeights(2, **k), lambda: (vectors(3, 4, 5),)),
    "CatalogLogits": (
        lambda **k: CatalogLogits(6, temperature=0.5, partial=True, **k),
        lambda: (vectors(2, 3, 4), vectors(6, 4)),
    ),
    "DenseMatrix": (lambda **k: DenseMatrix(4, 3, **k), lambda: (vectors(2, 4),)),
    "SparseMatrix": (lambda **k: SparseMatrix(4, 3, 5, **k), lambda: (vectors(2, 4),)),
    "PastItems": (lambda **k: PastItems(6, 2.0, **k), lambda: (np.array([[0, 1, 5], [2, 2, 3]]),)),
    "NgramBag": (
        lambda **k: NgramBag(20, 4, **k),
        lambda: (np.array([[3, 1, 0], [2, 5, 7]]), np.array([2, 3])),
    ),
    "JoinedTexts": (
        lambda **k: JoinedTexts(**k),
        lambda: tuple(map(np.array, ([[7, 0, 0]], [1], [[8, 9]], [2]))),
    ),
    "InBatchLogits": (
        lambda **k: InBatchLogits(0.5, num_hard_negatives=2, **k),
        lambda: (vectors(3, 4), vectors(3, 4), np.array([1, 2, 1]), np.full(3, 0.2, np.float32)),
    ),
}

MODULES = tuple(
    importlib.import_module(f"tfrec_fusion.layers.{found.name}")
    for found in pkgutil.iter_modules(layers.__path__)
)


@pytest.fixture(autouse=True)
def own_draws():
    """Each test draws the same numbers, whatever others there are."""
    global RNG
    RNG = np.random.default_rng(0)


REGISTERED = {one.name for _, one in saved_classes()}


def test_every_layer_is_under_the_contract():
    found = {
        name
        for module in MODULES
        for name, one in inspect.getmembers(module, inspect.isclass)
        if one.__module__ == module.__name__ and one.__qualname__ in REGISTERED
    }
    assert found == {name.split()[0] for name in CASES}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def randomized(layer):
    for weight in layer.weights:
        if weight.dtype.startswith("float"):
            weight.assign(0.5 * vectors(*weight.shape))
    return layer


def test_a_layer_keeps_the_contract(case):
    make, inputs = case
    check_layer(make(name="one"), inputs())


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_half_precision_computes_near_float32(case, policy):
    make, inputs = case
    full, half = make(), make(dtype=policy)
    arguments = inputs()
    expected = full(*arguments)
    half(*arguments)
    for mine, its in zip(half.weights, full.weights, strict=True):
        mine.assign(keras.ops.cast(its, mine.dtype))
    pairs = (keras.tree.flatten(one) for one in (half(*arguments), expected))
    for mine, its in zip(*pairs, strict=True):
        if its.dtype != tf.int32:
            in_full = isinstance(full, FullPrecision)
            computes = "float32" if in_full else policy.removeprefix("mixed_")
            assert mine.dtype == half.compute_dtype == computes
        finite = np.abs(np.asarray(its)) < 1e6  # removed logits are far below
        difference = np.asarray(tf.cast(mine, tf.float32)) - np.asarray(its)
        assert np.abs(difference[finite]).max(initial=0) < 0.1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "mixed_float16"])
def test_long_histories_are_counted_exactly_in_half_precision(policy):
    """bfloat16 holds whole numbers up to 256, float16 up to 2048."""
    texts, valid = np.ones((1, 4000, 1), np.float32), np.ones((1, 4000), bool)
    profile = TextProfile(strength=1.0, dtype=policy)
    assert profile(texts, valid, last=True).numpy().tolist() == [[1.0]]
    assert np.asarray(profile(texts, valid), np.float32).ravel().tolist() == [1.0] * 4000
    bag = NgramBag(num_buckets=5, dim=1, ngrams=1, dtype=policy)
    tokens = np.ones((1, 4096), np.int32)
    bag(tokens, np.array([4096]))
    bag.vectors.assign(np.ones((5, 1)))
    assert np.asarray(bag(tokens, np.array([4096])), np.float32).tolist() == [[64.0]]  # 4096 / 64


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16", "bfloat16"])
def test_rare_candidates_are_corrected_exactly_in_half_precision(policy):
    """A probability of 1e-9 is 0 in float16, and -1e9 is minus infinity."""
    layer = InBatchLogits(dtype=policy)
    probability = np.array([1e-9, 0.5], np.float32)
    found = layer(np.zeros((2, 2)), np.zeros((2, 2)), np.array([1, 2]), probability).numpy()
    positive = -np.log(probability)
    expected = [[positive[0], -1e9, positive[1]], [positive[1], positive[0], -1e9]]
    np.testing.assert_allclose(found, expected, rtol=1e-3)  # the correction adds 1e-12


def test_ratings_and_their_counts_are_exact_in_half_precision():
    """3,000 ratings of an item: a count that neither bfloat16 nor float16 holds."""
    for policy in ("mixed_bfloat16", "bfloat16", "float16"):
        layer = RatingBiases(2, 3, dtype=policy)
        user, item = np.zeros(3001, int), np.array([1] * 3000 + [2])
        layer.set_ratings(user, item, np.array([4.0] * 3000 + [1.0]), 0.0, 0.0)
        found = layer(np.array([0]), np.array([1])).numpy()
        np.testing.assert_allclose(found, [4.0], rtol=1e-5)
        assert float(layer.item_count[1]) == 3000.0


def test_reciprocal_ranks_of_a_large_catalog_are_told_apart_in_half_precision():
    scores = np.arange(5000, 0, -1, dtype=np.float32)[None, None, :]
    found = CombinedScores([1.0], "ranks", dtype="mixed_float16")(scores).numpy()[0, 1:]
    np.testing.assert_allclose(found, 61 / (61 + np.arange(4999)), rtol=1e-6)


def test_weighted_dot_by_hand():
    layer = WeightedDot()
    user, item = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])
    assert layer(user, item).numpy().tolist() == pytest.approx([11 * 2**-0.5])
    layer.set_weights([np.array([1.0, 10.0]), np.float32(0.5)])
    assert layer(user, item).numpy().tolist() == [83.5]


@pytest.mark.parametrize("make", [WeightedDot, lambda: PairDense(3, activation="relu")])
def test_all_pairs_equal_the_pairs_one_by_one(make):
    layer, user, item = make(), vectors(2, 4), vectors(3, 4)
    together = np.asarray(layer(user, item, all_pairs=True))
    for row in range(2):
        alone = layer(np.repeat(user[row : row + 1], 3, axis=0), item)
        np.testing.assert_allclose(together[row], alone, rtol=1e-6, atol=1e-6)


def test_pair_dense_is_a_dense_layer_over_the_concatenation():
    layer, user, item = PairDense(3, activation="tanh"), vectors(4, 2), vectors(4, 5)
    received = layer(user, item)
    dense = keras.layers.Dense(3, activation="tanh")
    dense.build((None, 7))
    kernels = [np.asarray(layer.user_kernel), np.asarray(layer.item_kernel)]
    dense.set_weights([np.concatenate(kernels), np.asarray(layer.bias)])
    np.testing.assert_allclose(received, dense(np.concatenate([user, item], 1)), rtol=1e-5)


def test_item_tower_adds_features_to_the_id_by_hand():
    tower = ItemTower(3, 2, feature_dim=2)
    tower.set_features(np.array([[0, 0], [1, 0], [1, 1]]))
    tower.embeddings.assign([[0, 0], [1, 1], [2, 2]])
    tower.kernel.assign([[10, 0], [0, 100]])
    assert tower(np.array([2, 1])).numpy().tolist() == [[12, 102], [11, 1]]
    assert tower.all_rows().numpy()[2].tolist() == [12, 102]
    hidden = np.array([[[1.0, 0.0]], [[1.0, 0.5]]])  # (batch, steps, dim)
    logits = tower(hidden, reverse=True).numpy()
    assert logits.tolist() == [[[0, 11, 12]], [[0, 11.5, 63]]]


def test_logits_of_an_item_tower_are_float32_and_train_it_in_half_precision():
    tower = ItemTower(4, 2, feature_dim=1, dtype="mixed_bfloat16")
    hidden = keras.Input((None, 2), name="hidden")
    model = keras.Model(hidden, tower(hidden, reverse=True))
    assert (model.output.dtype, model.output.shape) == ("float32", (None, None, 4))
    tower.set_features(
        np.array([[0.0], [1.0], [2.0], [3.0]])
    )  # equal ones teach the kernel nothing
    before = model.get_weights()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(np.ones((3, 5, 2)), np.full((3, 5), 2))
    moved = {
        weight.name
        for weight, old in zip(model.weights, before, strict=True)
        if np.abs(weight - old).max() > 0
    }
    assert moved == {"embeddings", "kernel"}


def test_graphs_of_the_first_version_ask_for_all_rows_by_its_flag():
    """`score_model().save()` of version 0.1 holds calls with `catalogue=True`."""
    towers = ItemTower(4, 2, name="items"), FusedTower(4, 2, use_text=False, name="users")
    index = keras.Input((), dtype="int32", name="index")
    items, users = (tower.all_rows(anchor=index) for tower in towers)
    model = keras.Model(index, keras.ops.matmul(items, keras.ops.transpose(users)))
    config = model.get_config()
    calls = [one["inbound_nodes"][0]["kwargs"] for one in config["layers"][1:3]]
    for call in calls:
        call["catalogue"] = call.pop("catalog")
        assert call["catalogue"] is True
    loaded = keras.Model.from_config(config)
    loaded.set_weights(model.get_weights())
    np.testing.assert_array_equal(loaded(np.zeros(1, int)), model(np.zeros(1, int)))


def test_encoder_states_do_not_depend_on_what_comes_later():
    for kind in ("attention", "gru"):
        encoder = HistoryEncoder(8, kind=kind, num_layers=2)
        x, valid = vectors(1, 5, 8), np.ones((1, 5), bool)
        states = np.asarray(encoder(x, valid))
        changed = x.copy()
        changed[:, 3:] = 7
        np.testing.assert_allclose(states[:, :3], encoder(changed, valid)[:, :3], atol=1e-6)
        assert np.abs(states[:, 3:] - np.asarray(encoder(changed, valid))[:, 3:]).max() > 0.1


def test_encoder_ignores_padding_and_knows_positions():
    for kind in ("attention", "gru"):
        encoder = HistoryEncoder(8, kind=kind, num_layers=1)
        x = vectors(1, 3, 8)
        encoder(x, np.ones((1, 3), bool))
        randomized(encoder)
        alone = np.asarray(encoder(x, np.ones((1, 3), bool)))
        padded = np.concatenate([vectors(1, 2, 8), x], axis=1)
        valid = np.array([[False, False, True, True, True]])
        np.testing.assert_allclose(encoder(padded, valid)[:, 2:], alone, atol=1e-5)
        swapped = np.asarray(encoder(x[:, [1, 0, 2]], np.ones((1, 3), bool)))
        assert np.abs(swapped[:, 2] - alone[:, 2]).max() > 1e-3


def test_rating_biases_by_hand():
    layer = RatingBiases(3, 3)
    ratings = (np.array([1, 1, 2]), np.array([1, 2, 2]), np.array([5.0, 2.0, 2.0]))
    layer.set_ratings(*ratings, user_damping=1, item_damping=1)
    # mean 3; items 2 / 2 and -2 / 3; users (2 - 1 - 1 + 2/3) / 3 and (-1 + 2/3) / 2
    expected = [3 + 1 + 2 / 9, 3 - 2 / 3 - 1 / 6, 3 + 1, 3]
    np.testing.assert_allclose(layer(np.array([1, 2, 0, 0]), np.array([1, 2, 1, 0])), expected)
    # Without the rating itself: items 0 / 1 and -1 / 2, users (-1 + 2/3) / 2, (2 - 1) / 2, 0 / 1.
    without = layer(*ratings)
    np.testing.assert_allclose(without, [3 - 1 / 6, 3 - 1 / 2 + 1 / 2, 3 - 1 / 2], rtol=1e-6)
    layer.set_ratings(*ratings, user_damping=0, item_damping=0)  # item 1 has no other rating
    assert layer(*(one[:1] for one in ratings)).numpy().tolist() == [3]  # nor are users biased
    with pytest.raises(ValueError, match=r"Received: 0 ratings"):
        layer.set_ratings(*(one[:0] for one in ratings))


def test_score_weights_refuse_what_would_turn_scores_round():
    for behavior, language in ((-1, 1), (0, 0), (1, float("inf"))):
        with pytest.raises(ValueError, match="must not be negative, and not both 0"):
            ScoreWeights(2).set_weights_of(behavior, language)


def test_attention_by_hand():
    layer = CausalAttention(1, max_distance=2)
    layer.build((None, None, 1))
    layer.project_in.set_weights([np.array([[0.0, 0.0, 1.0]]), np.zeros(3)])  # q = k = 0, v = x
    layer.project_out.set_weights([np.array([[1.0]]), np.zeros(1)])
    layer.distance_bias.assign([[np.log(3.0), 0.0]])  # distance 0 weighs three times distance 1
    out = layer(np.array([[[4.0], [8.0]]]), np.ones((1, 2), bool))
    assert out.numpy().ravel().tolist() == pytest.approx([4.0, 0.25 * 4 + 0.75 * 8])


def softmax(logits):
    share = np.exp(logits - logits.max(-1, keepdims=True))
    return share / share.sum(-1, keepdims=True)


def test_two_heads_attend_each_for_itself():
    dim, heads, steps, distances = 6, 2, 5, 3
    layer = CausalAttention(dim, num_heads=heads, max_distance=distances)
    x, valid = vectors(2, steps, dim), np.ones((2, steps), bool)
    valid[0, :2] = False  # no item yet
    valid[1, 2] = False
    layer(x, valid)
    randomized(layer)
    into, of_into, out, of_out = (
        np.asarray(one)
        for part in (layer.project_in, layer.project_out)
        for one in (part.kernel, part.bias)
    )
    bias = np.array([[0.5, -1.0, 0.2], [-0.8, 1.5, 0.9]])  # of each head, at distance 0, 1, 2
    layer.distance_bias.assign(bias)
    q, k, v = np.split(x @ into + of_into, 3, axis=-1)
    expected = np.zeros((2, steps, dim))
    for row in range(2):
        for head in range(heads):
            own = slice(head * dim // heads, (head + 1) * dim // heads)
            for at in range(steps):
                seen = [past for past in range(at + 1) if valid[row, past]]
                if not seen:
                    continue
                logits = np.array(
                    [
                        q[row, at, own] @ k[row, past, own] / np.sqrt(dim / heads)
                        + bias[head, min(at - past, distances - 1)]
                        for past in seen
                    ]
                )
                expected[row, at, own] = softmax(logits) @ v[row, seen, own]
    np.testing.assert_allclose(layer(x, valid), expected @ out + of_out, atol=1e-5)


@pytest.mark.parametrize("use_bias", [True, False])
def test_catalog_logits_by_hand(use_bias):
    query, items = vectors(2, 3, 4), vectors(6, 4)
    takes_part = np.array([1, 1, 0, 1, 0, 1], bool)
    bias, boost = np.arange(6) * takes_part, np.array([9, 9, 0.5, 9, -2, 9])
    layer = CatalogLogits(6, temperature=0.25, use_bias=use_bias)
    partial = CatalogLogits(6, temperature=0.25, use_bias=use_bias, partial=True)
    if use_bias:
        layer.bias.assign(bias)
        partial.bias.assign(bias)
    logits = 4 * np.einsum("bsd,id->bsi", query, items) + use_bias * bias
    for training in (True, False, None):
        np.testing.assert_allclose(layer(query, items, training=training), logits, atol=1e-4)
        np.testing.assert_allclose(partial(query, items, training=training), logits, atol=1e-4)
    partial.set_candidates(takes_part, boost, stretch=1.5)
    trained = np.asarray(partial(query, items, training=True))
    np.testing.assert_allclose(trained[..., takes_part], logits[..., takes_part], atol=1e-4)
    assert trained[..., ~takes_part].max() < -1e8
    expected = np.where(takes_part, logits, 1.5 * logits + boost)
    for training in (False, None):
        np.testing.assert_allclose(partial(query, items, training=training), expected, atol=1e-4)


def test_in_batch_logits_correct_for_rare_candidates_too():
    query, candidate, ids = vectors(4, 3), vectors(4, 3), np.array([5, 2, 5, 8])
    probability = np.array([1e-6, 0.3, 1e-6, 2e-3], np.float32)
    logits = query @ candidate.T / 0.2 - np.log(probability)
    same = ids[:, None] == ids[None, :]
    expected = np.where(same, -1e9, logits)
    received = np.asarray(InBatchLogits(temperature=0.2)(query, candidate, ids, probability))
    np.testing.assert_allclose(received[:, 0], np.diag(logits), rtol=1e-5)
    np.testing.assert_allclose(received[:, 1:][~same], expected[~same], rtol=1e-5)
    assert received[:, 1:][same].max() < -1e8


def test_in_batch_logits_by_hand():
    query = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    candidate = np.array([[2.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    probability = np.array([0.5, 0.25, 0.5], np.float32)
    layer = InBatchLogits(temperature=0.5)
    logits = np.asarray(layer(query, candidate, np.array([7, 8, 7]), probability))
    log2 = np.log(2)
    assert logits.shape == (3, 4)
    # Row 0: positive 1*2/0.5 - log 0.5; the third candidate has the positive's id: removed.
    np.testing.assert_allclose(logits[0, 0], 4 + log2, rtol=1e-6)
    np.testing.assert_allclose(logits[0, 2], 0 + 2 * log2, rtol=1e-6)
    assert logits[0, 1] < -1e8 and logits[0, 3] < -1e8
    np.testing.assert_allclose(logits[1], [6 + 2 * log2, log2, -1e9, log2], rtol=1e-6)
    kept = InBatchLogits(1.0, correct_sampling=False, remove_accidental_hits=False)
    copies = np.asarray(kept(query, candidate, np.array([7, 8, 7]), probability))
    np.testing.assert_allclose(copies[0], [2, -1e9, 0, 2])


def test_hard_negatives_are_the_highest_of_a_row():
    query, candidate = np.ones((3, 1)), np.array([[1.0], [5.0], [3.0]])
    layer = InBatchLogits(correct_sampling=False, num_hard_negatives=1)
    arguments = (query, candidate, np.array([1, 2, 3]), np.full(3, 0.1, np.float32))
    assert layer(*arguments).numpy().tolist() == [[1, 5], [5, 3], [3, 5]]
    many = InBatchLogits(correct_sampling=False, num_hard_negatives=5)(*arguments).numpy()
    assert many.shape == (3, 6) and many[0, :3].tolist() == [1, 5, 3] and (many[0, 3:] < -1e8).all()


def test_keras_rs_still_leaves_accidental_hits_in():
    """Why InBatchLogits does it itself: keras-rs adds a denormal number, which changes nothing.

    When this fails, keras-rs does remove them, and its layer can replace ours.
    """
    import keras_rs

    logits, labels = np.ones((2, 2), np.float32), np.eye(2, dtype=np.float32)
    kept = keras_rs.layers.RemoveAccidentalHits()(logits, labels, np.array([7, 7]))
    np.testing.assert_array_equal(kept, logits)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PairDense(0), r"`units` must be positive\. Received: units=0"),
        (lambda: WeightedDot()(vectors(2, 3), vectors(2, 4)), "vectors of one size"),
        (lambda: ItemTower(1, 4), "`num_items` must be at least 2"),
        (lambda: ItemTower(4, 4, use_id=False), "needs ids or features"),
        (lambda: ItemTower(4, 4, 2).set_features(np.zeros((3, 2))), r"shape \(4, 2\)\. Received"),
        (lambda: ItemTower(2, 4, 1).set_features(np.array([[0], [np.nan]])), "infinity in row 1"),
        (lambda: HistoryTable(0, 4), "must be positive"),
        (lambda: HistoryTable(2, 4).set_histories(np.zeros((2, 3))), r"shape \(2, 4\)\. Received"),
        (lambda: CausalAttention(6, num_heads=4), "multiple of `num_heads`"),
        (lambda: HistoryEncoder(8, kind="cnn"), '"attention" or "gru"'),
        (lambda: HistoryEncoder(8, dropout=1.0), r"`dropout` in \[0, 1\)"),
        (lambda: CatalogLogits(4, temperature=0), "`temperature` must be positive"),
        (lambda: InBatchLogits(temperature=-1), "`temperature` must be positive"),
        (lambda: InBatchLogits(num_hard_negatives=0), "`num_hard_negatives` must be positive"),
    ],
)
def test_unsound_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
