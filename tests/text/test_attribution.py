"""Which words carried a score: effects and gradients, words told from tokens, cut texts."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from tfrec_fusion.text.attribution import WordEffects
from tfrec_fusion.text.encoding.tokens import TextTokens
from tfrec_fusion.text.language_models.tower import TextTower

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "quiet", "film", "rob", "##ot", "love"]
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
LINE = np.linspace(-1, 1, 8).astype(np.float32)


def score(vectors):
    return tf.linalg.matvec(vectors, LINE)


@pytest.fixture(scope="module")
def tokens():
    return TextTokens(keras_hub.models.BertTokenizer(WORDS), max_length=6)


@pytest.fixture(scope="module")
def tower():
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(WORDS), **SIZES)
    for weight in backbone.weights:
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.2))
    return TextTower(backbone)


def of_text(tower, tokens, text):
    found = tokens(tf.constant([text]))
    return float(score(tower(found["token_ids"], found["num_tokens"]))[0])


def test_effects_are_what_leaving_out_does(tower, tokens):
    found = WordEffects(tower, tokens).of(" quiet   robot film", score)
    whole = of_text(tower, tokens, "quiet robot film")
    expected = {
        "quiet": whole - of_text(tower, tokens, "robot film"),
        "robot": whole - of_text(tower, tokens, "quiet film"),
        "film": whole - of_text(tower, tokens, "quiet robot"),
    }
    assert {word: effect for word, effect, _ in found} == pytest.approx(expected, abs=1e-5)
    ((_, effect, _),) = WordEffects(tower, tokens).of("film", score)
    assert effect == pytest.approx(of_text(tower, tokens, "film"), abs=1e-5)  # no text: zeros


def test_gradients_are_of_words_and_add_up_to_the_score(tower, tokens):
    found = WordEffects(tower, tokens, steps=256).of(" quiet   robot film", score)
    assert [word for word, *_ in found] == ["quiet", "robot", "film"]
    ids = tokens(tf.constant(["quiet robot film"]))
    whole = float(score(tower(ids["token_ids"], ids["num_tokens"]))[0])
    table = tower.backbone.token_embedding.embeddings
    kept = table.numpy()
    table.assign(  # all words average, the special tokens as they are
        np.where(np.isin(np.arange(len(WORDS)), [2, 3])[:, None], kept, kept.mean(0))
    )
    average = float(score(tower(ids["token_ids"], ids["num_tokens"]))[0])
    table.assign(kept)
    assert sum(gradient for *_, gradient in found) == pytest.approx(whole - average, abs=1e-3)


def test_a_word_that_is_average_adds_nothing(tower, tokens):
    table = tower.backbone.token_embedding.embeddings
    kept = table.numpy()
    others = np.delete(kept, 9, axis=0)
    table.assign(np.insert(others, 9, others.mean(0), axis=0))  # love: the mean stays the mean
    found = WordEffects(tower, tokens).of("love film", score)
    table.assign(kept)
    gradients = {word: gradient for word, _, gradient in found}
    assert gradients["love"] == pytest.approx(0, abs=1e-6) and abs(gradients["film"]) > 1e-3


def test_what_is_not_read_is_not_named(tower, tokens):
    effects = WordEffects(tower, tokens)
    found = effects.of("quiet robot love film film", score)
    assert [word for word, *_ in found] == ["quiet", "robot", "love"]  # six tokens, two special
    assert effects.of("  ", score) == []


def test_a_backbone_without_a_table_is_refused(tower, tokens):
    class Odd(TextTower):
        backbone = keras.Sequential([keras.Input((3,))])

        def __init__(self):
            keras.layers.Layer.__init__(self)

    with pytest.raises(ValueError, match="Sequential has no `token_embedding`"):
        WordEffects(Odd(), tokens)
