"""A GPT-2 that begins with a vector: what it predicts, from what, and what is learned from it."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion.text.language_models.conditioned import ConditionedGPT2

IDS = np.array([[5, 6, 7, 8], [9, 3, 0, 0], [0, 0, 0, 0]], np.int32)
COUNTS = np.array([4, 2, 0], np.int32)
TOLD = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)


def reader(**options):
    keras.utils.set_random_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    backbone = keras_hub.models.GPT2Backbone(12, **sizes, max_sequence_length=5, **options)
    rng = np.random.default_rng(0)
    for weight in backbone.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return ConditionedGPT2(backbone)


def test_a_condition_that_is_a_tokens_vector_reads_like_that_token():
    layer = reader()
    gpt2 = layer.backbone
    told = np.repeat(np.asarray(gpt2.token_embedding(np.array([[11]])))[0], 3, axis=0)
    logits, summary = layer(IDS, COUNTS, told)
    tokens = np.concatenate([np.full((3, 1), 11), IDS], axis=1)
    states = np.asarray(gpt2({"token_ids": tokens, "padding_mask": np.ones_like(tokens)}))
    table = np.asarray(gpt2.token_embedding.embeddings)
    np.testing.assert_allclose(logits, states[:, :-1] @ table.T, atol=1e-4)
    np.testing.assert_allclose(summary, states[np.arange(3), COUNTS], atol=1e-5)


def test_no_token_sees_itself_or_what_follows():
    layer = reader()
    logits, _ = layer(IDS, COUNTS, TOLD)
    changed = IDS.copy()
    changed[:, 2:] = 1
    other, _ = layer(changed, COUNTS, TOLD)
    np.testing.assert_allclose(logits[:, :3], other[:, :3], atol=1e-5)
    assert np.abs(np.asarray(logits)[:, 3] - np.asarray(other)[:, 3]).max() > 1e-3


def test_padding_does_not_reach_the_summary():
    layer = reader()
    _, summary = layer(IDS, COUNTS, TOLD)
    padded = np.where(np.arange(4) < COUNTS[:, None], IDS, 7)
    np.testing.assert_allclose(summary, layer(padded, COUNTS, TOLD)[1], atol=1e-5)


def test_words_teach_the_condition_every_place_of_it():
    layer = reader(dropout=0.0)
    told = tf.Variable(TOLD)
    with tf.GradientTape() as tape:
        logits, _ = layer(IDS, COUNTS, told, training=True)
        nats = keras.ops.sparse_categorical_crossentropy(IDS, logits, from_logits=True)
        loss = tf.reduce_sum(nats * (np.arange(4) < COUNTS[:, None]))
    gradient = np.asarray(tape.gradient(loss, told))
    assert (np.abs(gradient[:2]) > 1e-7).all() and (gradient[2] == 0).all()


def test_a_model_of_it_is_saved_and_loaded(tmp_path):
    ids, count = keras.Input((4,), dtype="int32"), keras.Input((), dtype="int32")
    told = keras.Input((8,))
    model = keras.Model([ids, count, told], reader()(ids, count, told))
    assert [one.shape for one in model.output] == [(None, 4, 12), (None, 8)]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [IDS, COUNTS, TOLD]
    for one, other in zip(model(inputs), loaded(inputs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_texts_longer_than_its_positions_and_other_networks_are_refused():
    with pytest.raises(ValueError, match=r"at most 4 tokens behind the condition. Received: texts"):
        reader()(np.zeros((1, 5), np.int32), np.array([5]), TOLD[:1])
    with pytest.raises(ValueError, match=r"must be a KerasHub GPT2Backbone. Received: Sequential"):
        ConditionedGPT2(keras.Sequential())
