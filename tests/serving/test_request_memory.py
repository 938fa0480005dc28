"""The largest requests, asked of exported models in a process that has only TensorFlow."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
import pytest
import scipy.sparse as sp
from checkout import ROOT
from request_cost import costs
from serving_models import table_model

from tfrec_fusion.layers.history import HistoryEncoder, most_recent
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.index.inverted_file import InvertedFile
from tfrec_fusion.serving.local.signatures import read_signature_defs
from tfrec_fusion.text.encoding.tokens import TextTokens
from tfrec_fusion.text.language_models.tower import TextTower

FOLDER = ROOT / "savedmodels"
MOST_MIB = 300  # more than before, at most and for good
MOST_SECONDS = 30  # on a machine that does other things; some tenths on two free cores
IDS = [str(number) for number in range(1, 9001)]


def asked(signature, **inputs):
    return {"signature": signature, "inputs": inputs}


def largest(signatures):
    """The largest requests that are answered, of all kinds; then some that are refused."""
    few, one = [[1024, 1], [""]], [[64, 1], [""]]
    long, many = [[64, 9_999], IDS], [[1024, 624], IDS]
    users, some = [[1024], IDS], [[64], IDS]
    lists = ("exclude_item_ids", "allow_item_ids")
    calls = [
        asked("recommend", user_id=users),
        asked("score", user_id=users, item_id=users),
        asked("similar_items", item_id=users),
    ]
    calls += [
        asked("recommend_filtered", user_id=rows, **dict(zip(lists, given, strict=True)))
        for rows, given in (
            (some, (long, one)),
            (some, (one, long)),
            (users, (many, few)),
            (users, (few, many)),
        )
    ]
    refused = [asked("recommend", user_id=[[100_000], IDS])]
    refused.append(
        asked("recommend_filtered", user_id=users, **{key: [[1024, 4096], ["1"]] for key in lists})
    )
    if "recommend_from_history" in signatures:
        calls += [
            asked("recommend_from_history", item_ids=shape)
            for shape in ([[1, 10_000], IDS], [[64, 10_000], IDS], [[1024, 625], IDS])
        ]
        refused.append(asked("recommend_from_history", item_ids=[[1024, 4096], ["1"]]))
    return [one for one in calls if one["signature"] in signatures], refused


def assert_bounded(version_dir):
    calls, refused = largest(set(read_signature_defs(version_dir)))
    found = costs(version_dir, calls + refused)
    for call, cost in zip(calls + refused, found, strict=True):
        note = f"{call['signature']} {[shape for shape, _ in call['inputs'].values()]}: {cost}"
        assert cost["peak"] < MOST_MIB and cost["kept"] < MOST_MIB, note
        assert cost["seconds"] < MOST_SECONDS, note
        if call in refused:
            assert cost["error"].startswith("InvalidArgumentError") and cost["seconds"] < 2, note
            assert "A request may have at most 1,024 rows, 10,000 item ids a row" in cost["error"]
        else:
            assert not cost["error"], note
    together = sum(cost["kept"] for cost in found)
    assert together < MOST_MIB, found


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.name, marks=() if "two_tower" in path.name else pytest.mark.slow)
        for path in sorted(FOLDER.iterdir())
        if path.is_dir()
    ],
)
def test_exported_models_of_the_repository(name):
    assert_bounded(FOLDER / name / "1")


# ------------------------------------------------------------------ an index, and texts

NUM_ITEMS, DIM = 10_001, 64
PARTS = {
    "user_ids": ["", *IDS[:99]],
    "item_ids": ["", *(str(number) for number in range(1, NUM_ITEMS))],
    "titles": ["", *(f"Title {number}" for number in range(1, NUM_ITEMS))],
    "known": sp.random(100, NUM_ITEMS, 0.02, "csr", random_state=0),
    "popularity": np.arange(NUM_ITEMS, dtype=np.float32),
}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_index_and_attention_over_the_history(precision, tmp_path):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(NUM_ITEMS, DIM + 1)).astype(np.float32)
    user_id = keras.Input((), dtype="int32", name="user_id")
    of_users = keras.layers.Embedding(100, DIM)(user_id)
    history = keras.Input((None,), dtype="int32", name="history")
    read = most_recent(history, 100)
    encoder = HistoryEncoder(DIM, num_heads=4)
    states = encoder(keras.layers.Embedding(NUM_ITEMS, DIM)(read), read > 0)
    models = ServedModels(
        keras.Model({"user_id": user_id}, {"query": of_users}),
        history=keras.Model({"history": history}, {"query": states[:, -1]}),
        index=InvertedFile.of(vectors, num_probes=1000, precision=precision),
    )
    assert_bounded(export(models, tmp_path / "index", **PARTS).path)


def text_models(num_items):
    """A BERT with its tokenizer, and what reads its vectors."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "##x", "x", "!"]
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 256}
    backbone = keras_hub.models.BertBackbone(vocabulary_size=len(words), **sizes)
    strings = keras.Input((), dtype="string", name="text")
    found = TextTokens(keras_hub.models.BertTokenizer(words), max_length=128)(strings)
    vectors = TextTower(backbone)(found["token_ids"], found["num_tokens"])
    text = keras.Input((64,), name="text")
    scores = keras.layers.Dense(num_items, use_bias=False)(text)
    return {
        "encoder": keras.Model(strings, vectors),
        "search": keras.Model({"text": text}, {"scores": scores}),
    }


@pytest.mark.slow
def test_texts_of_megabytes(tmp_path):
    items = 100
    parts = {
        **PARTS,
        **{name: PARTS[name][:items] for name in ("item_ids", "titles", "popularity")},
        "known": PARTS["known"][:, :items],
    }
    scores = np.zeros((100, items), np.float32).tolist()
    models = ServedModels(table_model("user_id", scores), **text_models(items))
    folder = export(models, tmp_path / "texts", **parts).path
    texts = ["x" * 2**24, " " * 2**24, "film " * 2**21, "é" * 2**23, "\x80" * 2**20]
    calls = [asked("search", query=[[1], [text]]) for text in texts]
    calls += [asked("search", query=[[64], [text[: 2**18]]]) for text in texts]
    calls.append(asked("search", query=[[65], ["film"]]))
    *answered, refused = costs(folder, calls)
    for call, cost in zip(calls, answered, strict=False):
        assert not cost["error"], (call["inputs"]["query"][0], cost)
        assert cost["peak"] < MOST_MIB and cost["seconds"] < MOST_SECONDS, cost
    assert sum(cost["kept"] for cost in answered) < MOST_MIB
    assert "A request may have at most 64 rows" in refused["error"]
