"""Defaults that every packaged language model can read, and texts that it cannot."""

import keras_hub
import numpy as np
import pytest

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding import item_vectors
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.item_vectors import item_encoder

CHINESE = ["人工智能改变世界", "电吉他琴弦"]
THAI = ["ภาษาไทยดีมาก"]
ENGLISH = ["a western with gunfighters", "Amélie. Comedy, Romance. naïve café"]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A language model with 32 positions."""
    folder = tmp_path_factory.mktemp("short") / "bert"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "western", "comedy"]
    keras_hub.models.BertTokenizer(words, lowercase=True).save_to_preset(folder)
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 16}
    backbone = keras_hub.models.BertBackbone(vocabulary_size=8, max_sequence_length=32, **sizes)
    backbone.save_to_preset(folder)
    return str(folder)


def test_defaults_are_what_a_language_model_has_positions_for(short):
    tiny = TextEncoder("tiny_gpt2")
    assert (tiny.max_length, item_encoder("tiny_gpt2").max_length) == (64, 64)
    assert tiny.encode(["a western " * 100]).shape == (1, tiny.dim)
    assert TextEncoder(short).max_length == item_encoder(short).max_length == 32
    assert item_encoder(short, 8).max_length == 8
    with pytest.raises(
        InvalidInput, match=r"at most 64, for so many tokens tiny_gpt2 has pos.*=65"
    ):
        TextEncoder("tiny_gpt2", max_length=65)


def test_unknown_languages_are_named_once(short, caplog):
    encoder = TextEncoder("tiny_gpt2")
    encoder.encode(ENGLISH)
    assert "unknown" not in caplog.text
    encoder.encode(CHINESE)
    said = "100% of the tokens of 2 texts are unknown to tiny_gpt2: its vectors say little of them."
    assert said in caplog.text and "a multilingual preset" in caplog.text
    encoder.encode(THAI)
    assert caplog.text.count("are unknown to") == 1
    caplog.clear()
    # Of a BERT each Chinese character is a word: 8 and 5 unknown ones, 2 of 4 in the third.
    TextEncoder(short).encode([*CHINESE, "a 西 western 部", ""])
    assert "88% of the tokens of 4 texts are unknown to" in caplog.text


def test_texts_whose_vectors_are_kept_are_looked_at_as_well(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path))
    first = item_vectors.text_vectors(["", *THAI], "tiny_gpt2")
    assert caplog.text.count("are unknown to tiny_gpt2") == 1
    again = item_vectors.text_vectors(["", *THAI], "tiny_gpt2")
    np.testing.assert_array_equal(first, again)
    assert caplog.text.count("are unknown to tiny_gpt2") == 2
    assert (first[0] == 0).all() and (first[1] != 0).any()


def test_letters_that_were_learned_are_known():
    known = keras_hub.models.GPT2Tokenizer(
        {"é": 0, "ä": 1, "º": 2, "äº": 3, "<|endoftext|>": 4}, ["ä º"]
    )
    from tfrec_fusion.text.encoding.tokens import unknown_ids

    assert sorted(unknown_ids(known).tolist()) == [0, 1, 2]  # single bytes; 3 is two of them
