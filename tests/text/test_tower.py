"""One vector a text: pooling by hand, empty texts, what is trained, what is saved."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion.text.language_models.adaptation import adapt
from tfrec_fusion.text.language_models.tower import TextTower

SIZES = {
    "vocabulary_size": 40,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 16,
}
MINILM_SIZES = {
    "vocabulary_size": 30522,
    "num_layers": 6,
    "num_heads": 12,
    "hidden_dim": 384,
    "intermediate_dim": 1536,
}
IDS = np.array([[5, 6, 7, 8], [9, 3, 0, 0], [0, 0, 0, 0]])
COUNTS = np.array([4, 2, 0])
KINDS = {"bert": keras_hub.models.BertBackbone, "gpt2": keras_hub.models.GPT2Backbone}


def backbone(kind="bert", **options):
    one = KINDS[kind](**SIZES, **options)
    rng = np.random.default_rng(0)
    for weight in one.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return one


def token_vectors(one, ids, counts):
    inputs = {"token_ids": ids, "padding_mask": np.arange(ids.shape[1]) < counts[:, None]}
    if isinstance(one, keras_hub.models.BertBackbone):
        return np.asarray(one(inputs | {"segment_ids": 0 * ids})["sequence_output"])
    return np.asarray(one(inputs))


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_by_hand(kind):
    states = token_vectors(backbone(kind), IDS, COUNTS)
    expected = {
        "mean": [states[0].mean(0), states[1, :2].mean(0)],
        "last": [states[0, 3], states[1, 1]],
        "first": [states[0, 0], states[1, 0]],
    }
    for pooling, rows in expected.items():
        received = TextTower(backbone(kind), pooling)(IDS, COUNTS)
        np.testing.assert_allclose(received[:2], rows, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["mean", "last", "first"])
def test_padding_changes_nothing(kind, pooling):
    tower = TextTower(backbone(kind), pooling)
    alone = tower(IDS[1:2, :2], COUNTS[1:2])
    for padding in (0, 7):
        padded = np.full((1, 9), padding)
        padded[0, :2] = IDS[1, :2]
        np.testing.assert_allclose(tower(padded, COUNTS[1:2]), alone, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["frozen", "lora", "full"])
def test_empty_texts_give_the_learned_vector_and_finite_gradients(kind, mode):
    tower = TextTower(backbone(kind), mode=mode, lora_rank=2)
    tower(IDS, COUNTS)
    for weight in tower.trainable_weights:
        weight.assign(weight + 0.1)
    with tf.GradientTape() as tape:
        vectors = tower(IDS, COUNTS, training=True)
        loss = tf.reduce_sum(vectors**2)
    np.testing.assert_array_equal(vectors[2], np.asarray(tower.empty))
    assert np.isfinite(vectors).all()
    gradients = tape.gradient(loss, [weight.value for weight in tower.trainable_weights])
    for weight, gradient in zip(tower.trainable_weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weight.path
    only_empty = tower(np.zeros((2, 3), np.int32), np.zeros(2, np.int32))
    np.testing.assert_array_equal(only_empty, [tower.empty.numpy()] * 2)


def test_a_frozen_backbone_does_not_drop_out_in_training():
    frozen = TextTower(backbone(dropout=0.5))
    tuned = TextTower(backbone(dropout=0.5), mode="full")
    np.testing.assert_array_equal(frozen(IDS, COUNTS, training=True), frozen(IDS, COUNTS))
    assert np.abs(tuned(IDS, COUNTS, training=True) - tuned(IDS, COUNTS)).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_bfloat16_computes_near_float32(kind, dtype):
    expected = TextTower(backbone(kind))(IDS, COUNTS)
    low = TextTower(backbone(kind, dtype=dtype))
    received = low(IDS, COUNTS)
    assert received.dtype == tf.float32 and low.backbone.compute_dtype == "bfloat16"
    assert np.abs(received - expected).max() < 0.1
    assert TextTower(backbone(kind), dtype="mixed_bfloat16")(IDS, COUNTS).dtype == tf.bfloat16


def model_of(tower):
    inputs = keras.Input((None,), dtype="int32"), keras.Input((), dtype="int32")
    return keras.Model(inputs, tower(*inputs))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["frozen", "lora", "full"])
def test_saved_and_loaded_alike(kind, mode, tmp_path):
    tower = TextTower(backbone(kind), "last", mode=mode, lora_rank=2, lora_layers=1)
    model = model_of(tower)
    for weight in tower.trainable_weights:
        weight.assign(weight + 0.1)
    model.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    np.testing.assert_array_equal(loaded([IDS, COUNTS]), model([IDS, COUNTS]))
    twin = loaded.layers[-1]
    assert twin.get_config() == tower.get_config()
    assert str(twin.adaptation) == str(tower.adaptation)


def test_loaded_low_rank_factors_can_be_trained_on(tmp_path):
    model = model_of(TextTower(backbone(dropout=0.0), mode="lora", lora_rank=2))
    model.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    projections = loaded.layers[-1].adaptation.lora_projections
    factors = [one for layer in projections for one in (layer.lora_kernel_a, layer.lora_kernel_b)]
    assert all(np.abs(kernel_a).max() > 0 for kernel_a in factors[::2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loaded([IDS, COUNTS]) ** 2)
    gradients = tape.gradient(loss, [one.value for one in factors[1::2]])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
    trainable = {id(one) for one in loaded.trainable_weights}
    assert trainable == {id(one) for one in [*factors, loaded.layers[-1].empty]}


@pytest.mark.parametrize("kind", KINDS)
def test_low_rank_factors_start_without_effect_and_in_the_last_blocks(kind):
    plain, adapted = backbone(kind), backbone(kind)
    expected = token_vectors(plain, IDS, np.array([4, 2, 1]))
    report = adapt(adapted, "lora", lora_rank=3, lora_layers=1)
    np.testing.assert_allclose(
        token_vectors(adapted, IDS, np.array([4, 2, 1])), expected, atol=1e-6
    )
    # Query and value of one block: 8 x 2 x 3 (into each head of 2) and 3 x 4.
    assert report.num_trainable == 2 * (8 * 2 * 3 + 3 * 4)
    assert report.num_total == plain.count_params() + report.num_trainable
    last = adapted.transformer_layers[-1]
    assert {id(one) for one in last.trainable_weights} == {
        id(one) for one in adapted.trainable_weights
    }


@pytest.mark.parametrize("kind", KINDS)
def test_low_rank_factors_answer_as_kernels_with_their_product_added(kind, tmp_path):
    adapted, merged = backbone(kind), backbone(kind)
    report = adapt(adapted, "lora", lora_rank=3)
    rng, kernels = np.random.default_rng(1), {one.path: one for one in merged.weights}
    assert len(report.lora_projections) == 4  # query and value of two blocks
    for layer in report.lora_projections:
        assert layer.name in ("query", "value")
        for factor in (layer.lora_kernel_a, layer.lora_kernel_b):
            factor.assign(rng.normal(size=factor.shape))
        delta = np.einsum("dhr,re->dhe", layer.lora_kernel_a, layer.lora_kernel_b)
        kernel = kernels[layer._kernel.path]
        kernel.assign(np.asarray(layer._kernel) + delta)  # scaled by alpha / rank = 1
    counts = np.array([4, 2, 1])
    expected = token_vectors(merged, IDS, counts)
    assert np.abs(expected - token_vectors(backbone(kind), IDS, counts)).max() > 0.1
    np.testing.assert_allclose(token_vectors(adapted, IDS, counts), expected, atol=1e-5)
    adapted.save_weights(tmp_path / "merged.weights.h5")  # Keras merges where it saves
    plain = backbone(kind)
    plain.load_weights(tmp_path / "merged.weights.h5")
    np.testing.assert_allclose(token_vectors(plain, IDS, counts), expected, atol=1e-5)


def test_low_rank_factors_of_minilm_are_below_three_percent():
    report = adapt(keras_hub.models.BertBackbone(**MINILM_SIZES), "lora")
    assert 0 < report.trainable_share < 0.03
    assert "of 23," in str(report)


def test_full_trains_what_the_vectors_depend_on():
    one = backbone()
    report = adapt(one, "full")
    pooler = one.get_layer("pooled_dense")
    assert report.num_trainable == report.num_total - 8 * 8 - 8
    assert not pooler.trainable_weights
    assert adapt(one, "frozen").num_trainable == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextTower(backbone(), "max"), "one of mean, last, first. Received: pooling='max'"),
        (lambda: adapt(backbone(), "half"), "one of frozen, lora, full. Received: mode='half'"),
        (lambda: adapt(backbone(), "lora", lora_rank=0), "`lora_rank` must be positive"),
        (lambda: adapt(backbone(), "lora", lora_layers=3), "lora_layers=3, blocks=2"),
        (lambda: TextTower(TextTower(backbone(), mode="lora").backbone, mode="lora"), "already"),
    ],
)
def test_errors_say_what_was_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()
