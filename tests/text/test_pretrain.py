"""A language model of one's own: its tokenizer, its yardsticks, its training and its folder."""

import json
import logging
import math
from dataclasses import asdict

import keras
import keras_hub
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner
from stories import QUICK, SMALL, stories

from tfrec_fusion.text.encoding.byte_pairs import (
    END,
    keras_tokenizer,
    token_sequences,
    train_tokenizer,
)
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.ngrams import Bigram, Unigram, perplexity
from tfrec_fusion.text.language_models.blocks import PackedBlocks, windows
from tfrec_fusion.text.language_models.causal import (
    GPT2Size,
    Schedule,
    TokenNats,
    Training,
    train_gpt2,
)
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.pretraining.pretrain import TextParts, pretrain, split_texts
from tfrec_fusion.zoo.cli.language_models import pretrain_lm
from tfrec_fusion.zoo.cli.text_files import lines_of, texts_of

# The tokenizer


def test_the_tokenizer_is_of_bytes_and_ends_with_the_end_token():
    tokenizer = train_tokenizer(stories(50), 300)
    both = keras_tokenizer(tokenizer)
    assert both.vocabulary_size() == 300
    assert both.token_to_id(END) == both.end_token_id == 299
    texts = ["a guitar", "¿Qué? 🎸\n\tTabs ", "日本"]  # none of these bytes is unknown
    assert both.detokenize([tokenizer.encode(text).ids for text in texts]) == texts


def test_pairs_are_merged_most_frequent_first_by_hand():
    # a-b occurs 9 times, then ab-c 4 times, then b-c in what is left 3 times, p-q twice.
    texts = [*["ab"] * 5, *["abc"] * 4, *["bc"] * 3, *["pq"] * 2, "xy"]
    tokenizer = train_tokenizer(texts, 256 + 4 + 1)
    assert json.loads(tokenizer.to_str())["model"]["merges"] == [
        *(["a", "b"], ["ab", "c"]),
        *(["b", "c"], ["p", "q"]),
    ]
    ids = [tokenizer.token_to_id(token) for token in ("ab", "abc", "bc", "pq")]
    assert ids == [256, 257, 258, 259]
    with pytest.raises(ValueError, match="at most 261"):  # x-y occurs once
        train_tokenizer(texts, 262)
    x, a, b, c = (tokenizer.token_to_id(letter) for letter in "xabc")
    (found,) = token_sequences(tokenizer, ["abcbcabxacb"])
    assert found.tolist() == [260, 257, 258, 256, x, a, c, b, 260]


def test_sequences_begin_and_end_with_the_end_token():
    tokenizer = train_tokenizer(stories(50), 300)
    first, second = token_sequences(tokenizer, ["a guitar", END])
    assert first[0] == first[-1] == 299 and 299 not in first[1:-1]
    assert 299 not in second[1:-1], "a text's own letters never make the end token"


def test_keras_tokenizes_in_the_graph_as_the_training_did():
    texts = [*stories(9), "It's 12 dB louder -- isn't it?", "tabs\tand  spaces", "Zoë's 5-string"]
    tokenizer = train_tokenizer(texts, 290)
    in_graph = tf.function(keras_tokenizer(tokenizer))(tf.constant(texts))
    for ids, sequence in zip(in_graph.to_list(), token_sequences(tokenizer, texts), strict=True):
        assert ids == sequence[1:-1].tolist()


def test_a_vocabulary_that_the_texts_do_not_support_is_refused():
    with pytest.raises(ValueError, match=r"at most 261 .* Received: 5000, 2 texts"):
        train_tokenizer(["a good cable", "a good stand"], 5000)
    with pytest.raises(ValueError, match="more than 256"):
        train_tokenizer(stories(20), 256)


# The n-gram models


def sequences_of(*rows):
    return [np.array(row, np.int32) for row in rows]


def test_a_bigram_model_by_hand():
    # Tokens 0..3, the end is 3. Pairs: 3→0 twice, 0→1 once, 0→3 once, 1→3 once.
    train = sequences_of([3, 0, 1, 3], [3, 0, 3])
    one = Bigram(Bigram.fit(train, train, 4).counts, np.array([0.5, 0.8, 1.0, 0.25]))
    # Seen after so many different tokens: 0 after 1, 1 after 1, 3 after 2; 4 pairs in all.
    # 3 x 0.25 are taken and given to the four tokens evenly.
    q = (np.array([0.75, 0.75, 0, 1.75]) + 0.75 / 4) / 4
    before, after = np.array([0, 0, 3, 1, 2, 3]), np.array([1, 2, 0, 3, 3, 2])
    expected = [
        0.5 / 2 + 1.0 / 2 * q[1],  # c(0) = 2; 0.5 taken from each of its two pairs
        1.0 / 2 * q[2],
        1.2 / 2 + 0.8 / 2 * q[0],  # seen twice: 0.8 taken
        0.5 + 0.5 * q[3],
        q[3],  # 2 was never seen before anything
        0.8 / 2 * q[2],
    ]
    np.testing.assert_allclose(one.probabilities(before, after), expected, rtol=1e-12)


@pytest.fixture(scope="module")
def drawn():
    """Training, validation and test sequences over 30 tokens; 29 is the end, 28 never occurs."""
    rng = np.random.default_rng(0)
    rows = [[29, *np.minimum(rng.geometric(0.15, 20), 28) - 1, 29] for _ in range(60)]
    return [sequences_of(*rows[i : i + 20]) for i in (0, 20, 40)]


def test_probabilities_sum_to_one(drawn):
    train, validation, _ = drawn
    bigram = Bigram.fit(train, validation, 30)
    for before in (0, 5, 28, 29):
        given = bigram.probabilities(np.full(30, before), np.arange(30))
        assert given.min() > 0
        assert given.sum() == pytest.approx(1, abs=1e-12)
    unigram = Unigram.fit(train, validation, 30)
    assert unigram.probabilities.min() > 0
    assert unigram.probabilities.sum() == pytest.approx(1, abs=1e-12)


def test_smoothing_is_chosen_on_validation(drawn):
    train, validation, _ = drawn
    chosen = Bigram.fit(train, validation, 30)
    best = chosen.nats(validation).mean()
    for position in range(4):
        for change in (-0.1, 0.1):
            discounts = chosen.discounts.copy()
            discounts[position] = np.clip(discounts[position] + change, 1e-6, 0.999)
            other = Bigram(chosen.counts, discounts)
            assert other.nats(validation).mean() >= best - 1e-4


def test_a_bigram_beats_a_unigram_where_pairs_tell():
    chain = [[5, *np.arange(i, i + 12) % 5, 5] for i in range(30)]
    train, test = sequences_of(*chain[:20]), sequences_of(*chain[20:])
    unigram, bigram = (kind.fit(train, test, 6) for kind in (Unigram, Bigram))
    assert perplexity(bigram.nats(test)) < 1.6 < 4 < perplexity(unigram.nats(test))


# Blocks and windows


def test_blocks_hold_each_text_whole_and_in_another_order_each_epoch():
    sequences = [np.array([99, 3 * i, 3 * i + 1, 3 * i + 2, 99]) for i in range(20)]
    batches = PackedBlocks(sequences, 8, 5, seed=0)
    assert len(batches) == 2
    epochs = []
    for _ in range(2):
        inputs, targets = zip(*(batches[i] for i in range(2)), strict=True)
        tokens = np.concatenate([one["token_ids"] for one in inputs])
        targets = np.concatenate(targets)
        assert tokens.shape == targets.shape == (10, 8)
        stream = tokens.ravel()
        np.testing.assert_array_equal(stream[1:], targets.ravel()[:-1])
        inside = stream[:-1] % 3 != 2
        inside &= stream[:-1] != 99
        np.testing.assert_array_equal(stream[1:][inside], stream[:-1][inside] + 1)
        assert len(set(stream)) == 61
        epochs.append(stream)
        batches.on_epoch_end()
    firsts = [stream[(stream != 99) & (stream % 3 == 0)].tolist() for stream in epochs]
    assert set(firsts[0]) == set(firsts[1]) == set(range(0, 60, 3)) and firsts[0] != firsts[1]


def test_too_little_text_for_a_block_is_refused():
    with pytest.raises(ValueError, match=r"one block of 64 tokens\. Received: 3 tokens"):
        PackedBlocks([np.array([9, 1, 2, 9])], 64, 8, seed=0)


@pytest.mark.parametrize("length", [2, 5, 8, 64])
def test_windows_count_every_token_once(length):
    rng = np.random.default_rng(length)
    sequences = [np.append(np.arange(size), 99) for size in (1, *rng.integers(1, 50, 30))]
    tokens, targets, counted = windows(sequences, length)
    expected = np.concatenate([one[1:] for one in sequences])
    np.testing.assert_array_equal(targets[counted], expected)
    assert tokens.shape[1] == length
    context = np.cumsum(np.ones_like(tokens), axis=1)  # tokens seen, itself included
    start = tokens[:, :1] == 0
    assert (context[counted & ~start] > length // 2).all()


# The network


def test_a_token_costs_its_negative_log_probability():
    keras.utils.set_random_seed(0)
    network = keras_hub.models.GPT2CausalLM(backbone=SMALL.backbone(), preprocessor=None)
    sequence = np.array([299, 5, 7, 280, 299])
    inputs = {"token_ids": sequence[None, :-1], "padding_mask": np.ones((1, 4), int)}
    logits = np.asarray(network(inputs), np.float64)[0]
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -log_probabilities[np.arange(4), sequence[1:]]
    nats = TokenNats(network, 16)([sequence, sequence])
    np.testing.assert_allclose(nats, np.tile(expected, 2), rtol=1e-5)


def test_logits_are_tied_to_the_token_embedding():
    backbone = SMALL.backbone()
    network = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    assert network.count_params() == backbone.count_params()


def test_a_diverging_loss_is_an_error():
    sequences = token_sequences(train_tokenizer(stories(60), 300), stories(60))
    wild = Schedule(epochs=3, learning_rate=1e30, warm_up=0.0, max_norm=1e30)
    with pytest.raises(ValueError, match=r"became nan in epoch \d. Lower `learning_rate`"):
        train_gpt2(sequences, sequences, SMALL, wild)


def test_the_same_seed_gives_the_same_model():
    sequences = token_sequences(train_tokenizer(stories(40), 300), stories(40))
    size = GPT2Size(300, num_layers=1, num_heads=1, hidden_dim=8, max_length=8)
    first, again = (
        train_gpt2(sequences, sequences, size, Schedule(epochs=1), seed=5).history["val_loss"]
        for _ in range(2)
    )
    assert first == pytest.approx(again, rel=1e-5)


def test_the_rate_rises_and_falls():
    rate = Schedule(epochs=10, learning_rate=0.5, warm_up=0.1).optimizer(20)._learning_rate
    assert float(rate(0)) == 0
    assert float(rate(10)) == pytest.approx(0.25)
    assert float(rate(20)) == pytest.approx(0.5)
    assert float(rate(110)) == pytest.approx(0.25)
    assert float(rate(200)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_heads": 3}, "`num_heads` must divide `hidden_dim`. Received: num_heads=3, hid"),
        ({"num_layers": 0}, "`num_layers` must be at least 1. Received: 0"),
        ({"max_length": 1}, "`max_length` must be at least 2"),
        ({"dropout": 1.0}, "`dropout` must be below 1"),
        ({"intermediate_dim": 0}, "`intermediate_dim` must be at least 1"),
    ],
)
def test_sizes_out_of_range(values, message):
    with pytest.raises(ValueError, match=message):
        GPT2Size(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be more than 0. Received: 0.0"),
        ({"learning_rate": math.nan}, "`learning_rate` must be more than 0. Received: nan"),
        ({"warm_up": 1.0}, "`warm_up` must be below 1"),
        ({"weight_decay": math.inf}, "`weight_decay` must be at least 0"),
    ],
)
def test_schedules_out_of_range(values, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**values)


# Texts and parts


def test_no_text_is_in_two_parts(caplog):
    texts = stories(200)
    with caplog.at_level(logging.WARNING):
        parts = split_texts([*texts, *texts[:7]], seed=3)
    drawn = [*parts.train, *parts.validation, *parts.test]
    assert sorted(drawn) == sorted(set(texts))
    assert len(parts.validation) == len(parts.test) == round(0.1 * len(drawn))
    assert f"{207 - len(drawn)} of 207 texts repeat another" in caplog.text
    assert split_texts(texts, seed=3) == split_texts(texts, seed=3) != split_texts(texts, seed=4)


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (stories(9), ValueError, "at least 10 different texts. Received: 9"),
        ([*stories(20), "  "], ValueError, "not be blank. Received: '  ' at position 20"),
        ([*stories(20), None], TypeError, "Received: NoneType at position 20"),
        ([*stories(20), b"bytes"], TypeError, "Received: bytes at position 20"),
        ([*stories(20), "caf\udce9"], ValueError, r"lone surrogate '\\udce9' at position 20"),
        ("one long string", TypeError, "list of strings. Received: one string"),
        ([], ValueError, "empty. Received: 0 texts"),
    ],
)
def test_texts_that_are_refused(texts, error, message):
    with pytest.raises(error, match=message):
        split_texts(texts)


def test_shares_that_are_refused():
    with pytest.raises(ValueError, match=r"together less than 1\. Received: validation=0.5"):
        split_texts(stories(20), validation=0.5, test=0.5)
    with pytest.raises(ValueError, match="leave no text to train on"):
        split_texts(stories(12), validation=0.49, test=0.5)


# The whole


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "shop" / "stories"
    parts = split_texts(stories(600))
    return parts, folder, pretrain(parts, folder, size=SMALL, schedule=QUICK, progress=False)


def test_a_longer_memory_beats_the_bigram(pretrained):
    _, _, result = pretrained
    assert result.perplexity < result.bigram < result.unigram < SMALL.vocabulary_size
    history = result.history
    assert len(history["loss"]) == len(history["val_loss"]) == result.epochs <= QUICK.epochs
    assert history["val_loss"][result.best_epoch - 1] == min(history["val_loss"])
    assert result.parameters == SMALL.backbone().count_params()


def test_the_folder_is_a_preset(pretrained):
    parts, folder, result = pretrained
    model = load_language_model(str(folder))
    assert model.causal and model.max_length == 32
    assert model.backbone.num_layers == 1 and model.backbone.hidden_dim == 32
    network = keras_hub.models.GPT2CausalLM(backbone=model.backbone, preprocessor=None)
    sequences = token_sequences(train_tokenizer(parts.train, 300), parts.test)
    nats = TokenNats(network, 32)(sequences)
    assert perplexity(nats) == pytest.approx(result.perplexity, rel=1e-5)
    assert len(nats) == result.num_tokens == sum(map(len, sequences)) - len(sequences)


def test_the_folder_encodes_texts(pretrained):
    _, folder, _ = pretrained
    texts = ["guitar good", "a loud drum", ""]
    vectors = TextEncoder(str(folder), max_length=32).encode(texts)
    model = load_language_model(str(folder))
    for text, vector in zip(texts[:2], vectors, strict=False):
        ids = np.asarray(model.tokenizer(text))[None, :]
        states = model.backbone({"token_ids": ids, "padding_mask": np.ones_like(ids)})
        np.testing.assert_allclose(vector, states[0, -1], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(vectors[2], np.zeros(32))


def test_the_folder_tells_how_it_came_about(pretrained):
    parts, folder, result = pretrained
    told = json.loads((folder / "pretraining.json").read_text())
    assert told["perplexity"] == result.perplexity
    assert (told["num_layers"], told["learning_rate"], told["seed"]) == (1, 1e-2, 0)
    assert told["texts"] == [len(parts.train), len(parts.validation), len(parts.test)]
    assert [one.name for one in folder.parent.iterdir()] == ["stories"]


def test_keras_hub_writes_texts_with_it(pretrained):
    _, folder, _ = pretrained
    writer = keras_hub.models.GPT2CausalLM.from_preset(str(folder))
    writer.compile(sampler="greedy")
    assert writer.generate("guitar good", max_length=16).startswith("guitar good")


def test_an_existing_folder_is_refused_before_training(tmp_path):
    parts = TextParts(stories(20), stories(2), stories(2))
    with pytest.raises(FileExistsError, match=r"exists\. Name a folder that does not"):
        pretrain(parts, tmp_path)


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("No space left on device")

    def untrained(train, validation, size, schedule, **options):
        network = keras_hub.models.GPT2CausalLM(backbone=size.backbone(), preprocessor=None)
        return Training(network, {"loss": [5.0], "val_loss": [5.0]}, 1, 0.0)

    monkeypatch.setattr("tfrec_fusion.text.pretraining.pretrain.train_gpt2", untrained)
    monkeypatch.setattr(keras_hub.models.GPT2Tokenizer, "save_to_preset", fail)
    with pytest.raises(OSError, match="No space"):
        pretrain(split_texts(stories(60)), tmp_path / "model", size=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_held_out_texts_must_be_texts(tmp_path):
    parts = TextParts(stories(20), [], stories(2))
    with pytest.raises(ValueError, match=r"`parts\.validation` is empty"):
        pretrain(parts, tmp_path / "model")


# The command


def command(*arguments):
    return CliRunner().invoke(pretrain_lm, [str(one) for one in arguments])


def refusal(*arguments):
    result = command(*arguments)
    assert result.exit_code, result.output
    return f"{result.output}{result.exception}"


def test_the_command_trains_on_a_file(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join([*stories(80), "", " "]) + "\n")
    sizes = ["--vocabulary-size=290", "--num-layers=1", "--hidden-dim=16", "--max-length=16"]
    arguments = ["--texts", tmp_path / "texts.txt", "--out", tmp_path / "model", *sizes]
    result = command(*arguments, "--epochs", 1, "--json")
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "2 of 82 texts are blank and are omitted" in result.stderr
    answer = json.loads(result.stdout)
    parts = split_texts(stories(80))
    tokenizer = train_tokenizer(parts.train, 290)
    rows = [token_sequences(tokenizer, one) for one in (parts.train, parts.validation, parts.test)]
    backbone = load_language_model(answer["folder"]).backbone
    assert backbone.hidden_dim == 16
    network = keras_hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
    expected = {"perplexity": perplexity(TokenNats(network, 16)(rows[2]))}
    for name, kind in (("unigram", Unigram), ("bigram", Bigram)):
        expected[name] = perplexity(kind.fit(rows[0], rows[1], 290).nats(rows[2]))
    assert {name: answer[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert answer["unigram"] > answer["bigram"]
    assert f"{tmp_path / 'model'}, which does" in refusal(*arguments)


def test_the_command_has_the_defaults_of_the_library():
    defaults = {one.name: one.default for one in pretrain_lm.params}
    for name, value in {**asdict(GPT2Size()), **asdict(Schedule())}.items():
        if name in defaults:
            assert defaults[name] == value, name


def test_texts_come_from_items_and_interactions(tmp_path):
    interactions = {"user_id": ["u", "v"], "item_id": ["a", "b"], "timestamp": [1, 2]}
    interactions |= {"text": ["I like it.", "No."], "note": ["short", ""]}
    pd.DataFrame(interactions).to_csv(tmp_path / "interactions.csv", index=False)
    items = {"item_id": ["a", "b"], "title": ["A", "B"], "text": ["An A.", "A B."]}
    pd.DataFrame(items).to_csv(tmp_path / "items.csv", index=False)
    assert texts_of(str(tmp_path), None, ["text"]) == ["A. An A.", "B. A B.", "I like it.", "No."]
    assert texts_of(str(tmp_path), None, ["title", "note"])[:3] == ["A", "B", "short"]
    with pytest.raises(ValueError, match="Received: 'review'; items has item_id, title, text"):
        texts_of(str(tmp_path), None, ["review"])
    with pytest.raises(ValueError, match=r"interactions\.timestamp must hold texts\. .* int64"):
        texts_of(str(tmp_path), None, ["timestamp"])


def test_lines_are_what_is_between_newlines(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_bytes("\ufeffone\r\ntwo\u2028still two\n\nfour".encode())
    assert lines_of(file) == ["one", "two\u2028still two", "", "four"]


def test_texts_that_the_command_refuses(tmp_path):
    out = ["--out", tmp_path / "model"]
    (tmp_path / "latin").write_bytes("Zoë's café\n".encode("latin-1"))
    message = refusal("--texts", tmp_path / "latin", *out)
    assert "must be a UTF-8 file" in message and "whose byte 2 is 0xeb" in message
    assert "which is not one" in refusal("--texts", tmp_path / "nothing", *out)
    assert "one of them" in refusal(*out)
    assert "belong to --data" in refusal("--texts", tmp_path / "latin", "--column", "x", *out)
    (tmp_path / "few").write_text("one\ntwo\n")
    assert "at least 10 different texts. Received: 2" in refusal("--texts", tmp_path / "few", *out)
    assert not (tmp_path / "model").exists()
