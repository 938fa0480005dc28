"""Text ranker: its layers by hand, then what every variant of the model must do."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from text_rankers import (
    BATCH,
    DIM,
    RNG,
    SMALL,
    TOKENS,
    VARIANTS,
    VECTORS,
    bert,
    built,
    inputs_of,
    randomized,
)

from tfrec_fusion.layers.texts import JoinedTexts, NgramBag
from tfrec_fusion.zoo.models.text_ranker.network import TextRanker, text_ranker

LABELS = (np.arange(BATCH) % 2).astype(np.float32)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def overfitted(model, labels, loss):
    """What it says of the batch it has just learned, through Keras alone."""
    output = model.config.output
    model.compile(keras.optimizers.Adam(0.03), {output: loss})
    batch = tf.data.Dataset.from_tensors((inputs_of(model), {output: labels}))
    model.fit(batch.repeat(40), epochs=1, verbose=0)
    return model(inputs_of(model))[output].numpy()


# Layers


def test_an_ngram_bag_by_hand():
    bag = NgramBag(1000, 1, ngrams=2)
    bag.build((None, 3), (None,))
    unigrams = [(token + 1) * 1_640_531_527 % 1000 for token in (7, 9)]
    pair = (8 * 1_640_531_527 + 10 * 1_367_130_551) % 1000
    assert len({*unigrams, pair}) == 3
    vectors = np.zeros((1000, 1), np.float32)
    vectors[unigrams, 0], vectors[pair, 0] = (1.0, 2.0), 4.0
    bag.vectors.assign(vectors)
    received = bag(np.array([[7, 9, 9], [7, 9, 9], [9, 9, 9]]), np.array([2, 1, 0]))
    np.testing.assert_allclose(received[:, 0], [7 / np.sqrt(3), 1.0, 0.0], rtol=1e-6)


def test_an_ngram_bag_knows_order_but_not_padding():
    bag = NgramBag(1000, 3)
    bag.build((None, None), (None,))
    bag.vectors.assign(RNG.normal(size=(1000, 3)))
    one = bag(np.array([[5, 6, 7]]), np.array([3]))
    padded = bag(np.array([[5, 6, 7, 1, 2]]), np.array([3]))
    swapped = bag(np.array([[7, 6, 5]]), np.array([3]))
    np.testing.assert_allclose(one, padded, rtol=1e-6)

    def bucket(*tokens):
        factors = (1_640_531_527, 1_367_130_551)
        return sum((token + 1) * by for token, by in zip(tokens, factors, strict=False)) % 1000

    vectors, words = np.asarray(bag.vectors), [bucket(5), bucket(6), bucket(7)]
    for found, pairs in ((one, [(5, 6), (6, 7)]), (swapped, [(7, 6), (6, 5)])):
        rows = vectors[words + [bucket(*pair) for pair in pairs]]
        np.testing.assert_allclose(found[0], rows.sum(0) / 5**0.5, rtol=1e-5)


def test_joined_texts_by_hand():
    joined, num_tokens = JoinedTexts()(
        np.array([[7, 8, 9], [7, 0, 0], [1, 1, 1]]),
        np.array([3, 1, 0]),
        np.array([[4, 5], [4, 5], [1, 1]]),
        np.array([2, 1, 0]),
    )
    assert joined.numpy().tolist() == [[7, 8, 9, 4, 5], [7, 4, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert num_tokens.numpy().tolist() == [5, 2, 0]


@pytest.mark.parametrize("layer", [NgramBag(9, 2, 3, name="a"), JoinedTexts(name="b")])
def test_a_layer_is_made_again_from_its_config(layer):
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "`num_buckets` and `dim` must be at least 1. Received: num_buckets=0, dim=1"),
        ((9, 0), "num_buckets=9, dim=0"),
        ((9, 1, 5), "`ngrams` must be from 1 to 4. Received: 5"),
    ],
)
def test_an_ngram_bag_refuses_what_it_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        NgramBag(*arguments)


# Models


def test_inputs_and_output_are_named(variant):
    model = built(variant)
    expected = {} if variant in ("vectors",) else dict(TOKENS)
    expected |= VECTORS if variant.startswith("vectors") else {}
    assert set(model.input) == set(expected)
    for name, tensor in model.input.items():
        assert tensor.dtype == expected[name].dtype.name
    outputs = model(inputs_of(model))
    assert list(outputs) == ["logits"] and outputs["logits"].shape == (BATCH,)
    assert not hasattr(model, "optimizer") or model.optimizer is None


@pytest.mark.parametrize(
    "chosen", ["lexical", "lora", pytest.param("full", marks=pytest.mark.slow)]
)
def test_it_overfits_a_batch(chosen):
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    logits = overfitted(built(chosen), LABELS, cross_entropy)
    assert np.log1p(np.exp(np.where(LABELS == 1, -logits, logits))).mean() < 0.1  # 0.69 by chance


def test_a_rating_is_an_output_of_its_own():
    model = built("lexical", target="rating")
    ratings = (1 + np.arange(BATCH) % 5).astype(np.float32)
    assert list(model.output) == ["rating"]
    predicted = overfitted(model, ratings, "mse")
    assert np.abs(predicted - ratings).mean() < 0.5  # the best constant is off by 1.19
    assert list(built("vectors", target="recommendation").output) == ["logits"]


def test_it_is_saved_and_loaded_as_it_was(variant, tmp_path):
    model = randomized(built(variant))
    model.save(tmp_path / "ranker.keras")
    loaded = keras.saving.load_model(tmp_path / "ranker.keras")
    assert isinstance(loaded, TextRanker) and loaded.config == model.config
    assert loaded.name == model.name
    np.testing.assert_allclose(
        model(inputs_of(model))["logits"], loaded(inputs_of(model))["logits"], atol=1e-6
    )
    assert len(loaded.trainable_weights) == len(model.trainable_weights)


def test_the_mode_says_how_much_of_the_language_model_is_trained():
    def num_trained(**choices):
        model = text_ranker(bert(num_layers=2), **{**SMALL, **choices})
        return sum(weight.numpy().size for weight in model.tower.backbone.trainable_weights)

    per_block = 2 * (DIM * 2 * 2 + 2 * 4)  # query, value: (DIM, heads, rank) and (rank, 4)
    pooler = DIM * DIM + DIM
    assert num_trained() == 0
    assert num_trained(mode="lora") == 2 * per_block
    assert num_trained(mode="lora", lora_layers=1) == per_block
    last, first = num_trained(mode="full", full_layers=1), num_trained(mode="full", full_layers=2)
    block = sum(w.numpy().size for w in bert().transformer_layers[0].weights)
    assert (last, first) == (block, 2 * block)
    assert num_trained(mode="full") == bert(num_layers=2).count_params() - pooler


def test_a_frozen_tower_and_its_vectors_beforehand_give_one_score():
    whole = built("towers", lexical_buckets=0)
    apart = built("vectors")
    for layer in ("hidden_0", "output"):
        apart.get_layer(layer).set_weights(whole.get_layer(layer).get_weights())
    vectors = {
        f"{side}_vector": whole.tower(TOKENS[f"{side}_token_ids"], TOKENS[f"{side}_num_tokens"])
        for side in ("user", "item")
    }
    np.testing.assert_allclose(whole(TOKENS)["logits"], apart(vectors)["logits"], atol=1e-5)


def test_padding_does_not_count(variant):
    model = randomized(built(variant))
    longer = {
        name: np.pad(value, ((0, 0), (0, 3))) if name.endswith("token_ids") else value
        for name, value in inputs_of(model).items()
    }
    np.testing.assert_allclose(
        model(longer)["logits"], model(inputs_of(model))["logits"], atol=1e-5
    )


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"mode": "half"}, "`mode` must be one of frozen, lora, full. Received: 'half'"),
        ({"target": "love"}, "`target` must be one of .*Received: 'love'"),
        ({"pair": "both"}, "`pair` must be one of"),
        ({"pooling": "max"}, "`pooling` must be one of"),
        ({"lexical_buckets": -1}, "must not be negative"),
        ({"lexical_buckets": 0}, "There is nothing to read"),
        ({"mode": "lora"}, "mode='lora' needs a language model to train"),
        ({"vector_dim": 8, "mode": "full"}, "Give a `backbone` instead of `vector_dim`"),
        ({"vector_dim": 8, "pair": "cross"}, "Give a `backbone` instead of `vector_dim`"),
    ],
)
def test_what_cannot_be_is_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        text_ranker(**choices)


def test_a_language_model_and_vectors_exclude_each_other():
    with pytest.raises(ValueError, match="a tower of dim 8 and vector_dim=4"):
        text_ranker(bert(), vector_dim=4)


def test_more_blocks_than_there_are_cannot_be_tuned():
    with pytest.raises(ValueError, match="Received: full_layers=2, blocks=1"):
        text_ranker(bert(), mode="full", full_layers=2)


def test_vectors_of_another_size_are_refused():
    model = built("vectors")
    wrong = {**VECTORS, "item_vector": np.zeros((BATCH, DIM + 1), np.float32)}
    with pytest.raises(ValueError, match=r"\(None, 8\).*\(16, 9\)|expected shape"):
        model(wrong)
    with pytest.raises(ValueError, match="item_vector"):
        model({"user_vector": VECTORS["user_vector"]})
