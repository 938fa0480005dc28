"""A GPT-2 in Hugging Face's layout gives the hidden states that the papers' formulas give."""

import json

import numpy as np
import pytest
from reference_gpt2 import hidden_states
from safetensors.numpy import save_file

from tfrec_fusion.text.encoding.byte_pairs import END, train_tokenizer
from tfrec_fusion.text.language_models.presets import load_language_model

TINY = {"vocab_size": 300, "n_positions": 24, "n_embd": 32, "n_layer": 3, "n_head": 4}
# gpt2_base_en: https://huggingface.co/openai-community/gpt2/blob/main/config.json
GPT2_BASE = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
}
BASE_PARAMETERS = 124_439_808
TEXTS = ["A good cable for the money.", "good", "The stand is good, and the cable is good money."]


def weights(config, seed=0):
    """Random weights under Hugging Face's names, large enough that every part is seen."""
    rng = np.random.default_rng(seed)
    dim = config["n_embd"]

    def drawn(*shape, around=0.0):
        return rng.normal(around, 0.1, shape).astype(np.float32)

    tensors = {
        "wte.weight": drawn(config["vocab_size"], dim),
        "wpe.weight": drawn(config["n_positions"], dim),
        "ln_f.weight": drawn(dim, around=1.0),
        "ln_f.bias": drawn(dim),
    }
    shapes = {
        "attn.c_attn": (dim, 3 * dim),
        "attn.c_proj": (dim, dim),
        "mlp.c_fc": (dim, 4 * dim),
        "mlp.c_proj": (4 * dim, dim),
    }
    for layer in range(config["n_layer"]):
        for norm in ("ln_1", "ln_2"):
            tensors[f"h.{layer}.{norm}.weight"] = drawn(dim, around=1.0)
            tensors[f"h.{layer}.{norm}.bias"] = drawn(dim)
        for name, shape in shapes.items():
            tensors[f"h.{layer}.{name}.weight"] = drawn(*shape) / np.float32(shape[0] ** 0.5 / 5)
            tensors[f"h.{layer}.{name}.bias"] = drawn(shape[1])
    return tensors


def write_folder(folder, config):
    """A Hugging Face folder whose tokenizer knows a few merges and fills up with unused tokens."""
    folder.mkdir()
    settings = {"model_type": "gpt2", "resid_pdrop": 0.1, "activation_function": "gelu_new"}
    (folder / "config.json").write_text(json.dumps({**config, **settings}))
    model = json.loads(train_tokenizer(TEXTS, 270).to_str())["model"]
    vocabulary = dict(model["vocab"])
    while len(vocabulary) < config["vocab_size"] - 1:
        vocabulary[f"<unused{len(vocabulary)}>"] = len(vocabulary)
    vocabulary[END] = len(vocabulary)  # the last, as in GPT-2
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(merges) + "\n")
    save_file(weights(config), folder / "model.safetensors")
    return folder


def check_parity(folder, config, token_ids):
    """Right-padded rows of several lengths against each row alone in NumPy."""
    model = load_language_model(str(folder))
    assert model.causal and model.max_length == config["n_positions"]
    length = max(map(len, token_ids))
    padded, mask = np.zeros((2, len(token_ids), length), np.int32)
    for row, ids in enumerate(token_ids):
        padded[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    vectors = np.asarray(model.backbone({"token_ids": padded, "padding_mask": mask}))
    for row, ids in enumerate(token_ids):
        expected = hidden_states(folder / "model.safetensors", ids, config["n_head"])
        assert np.abs(expected).max() > 0.5  # there is something to compare
        np.testing.assert_allclose(vectors[row, : len(ids)], expected, rtol=0, atol=1e-4)
    return model


def test_a_small_gpt2_equals_the_reference(tmp_path):
    folder = write_folder(tmp_path / "gpt2", TINY)
    rng = np.random.default_rng(1)
    lengths = (24, 1, 7)  # all positions, one token, padded
    token_ids = [rng.integers(TINY["vocab_size"], size=length) for length in lengths]
    check_parity(folder, TINY, token_ids)


def test_the_reference_looks_back_only(tmp_path):
    folder = write_folder(tmp_path / "gpt2", TINY)
    ids = np.arange(10)
    changed = np.where(ids == 7, 99, ids)
    one, other = (
        hidden_states(folder / "model.safetensors", each, TINY["n_head"]) for each in (ids, changed)
    )
    np.testing.assert_array_equal(one[:7], other[:7])
    assert (np.abs(one[7:] - other[7:]).max(-1) > 1e-3).all()


def test_another_implementation_would_be_told_apart(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "gpt2", TINY)
    monkeypatch.setattr("reference_gpt2.gelu_new", lambda x: np.maximum(x, 0))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_parity(folder, TINY, [np.arange(12)])


@pytest.mark.slow
def test_the_real_architecture_equals_the_reference(tmp_path):
    folder = write_folder(tmp_path / "gpt2", GPT2_BASE)
    rng = np.random.default_rng(2)
    texts = [rng.integers(GPT2_BASE["vocab_size"], size=length) for length in (1024, 40, 1)]
    model = check_parity(folder, GPT2_BASE, texts)
    assert model.backbone.count_params() == BASE_PARAMETERS
    assert model.tokenizer.vocabulary_size() == GPT2_BASE["vocab_size"]
    assert model.tokenizer.end_token_id == GPT2_BASE["vocab_size"] - 1
