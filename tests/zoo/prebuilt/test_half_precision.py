"""Models in small files: what comes back, and what is refused."""

import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.zoo.prebuilt.half_precision import load_half, save_half
from tfrec_fusion.zoo.protocols import KnowsEvents

DATA = index_data(generate(num_users=20, num_items=15, num_interactions=200, seed=3))
USERS = np.arange(len(DATA.users), dtype=np.int32)
SIZES = {"num_users": len(DATA.users), "num_items": len(DATA.items)}
TEXT = np.random.default_rng(0).normal(size=(len(DATA.items), 8)).astype(np.float32)
NETWORKS = {
    "neumf": {},
    "two_tower": {"dim": 4},
    "gpt2_hybrid": {"dim": 4, "text_components": 4, "item_text": TEXT},
}
BASELINES = {
    "popularity": {},
    "user_knn": {"k": 5, "similarity": "pearson"},
    "item_knn": {"k": 5},
    "tfidf": {"ngrams": 2},
    "ease": {"half_life": 3.0, "kept": 4},
}


def fitted(name):
    if name in BASELINES:
        return zoo.build(name, **BASELINES[name]).fit(DATA.train, DATA.item_texts())
    keras.utils.set_random_seed(0)
    model = zoo.build(name, **SIZES, **NETWORKS[name])
    if isinstance(model, KnowsEvents):
        model.set_known(DATA.train)
    return model


def scores(model):
    return np.asarray(model.score_model(DATA.train)({"user_id": USERS})["scores"])


def halved(array):
    array = np.asarray(array)
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


def rounded(name, model):
    """The model with its numbers as 16 bits hold them."""
    if name in BASELINES:
        chosen = {key: value for key, value in model.arrays().items() if "hyperparameter" in key}
        arrays = {key: halved(value) for key, value in model.arrays().items()}
        return type(model).from_arrays(arrays | chosen)
    for weight in model.weights:
        weight.assign(halved(weight.numpy()))
    return model


@pytest.mark.parametrize("name", [*BASELINES, *NETWORKS])
def test_the_scores_come_back(name, tmp_path):
    model, path = fitted(name), tmp_path / "model.safetensors"
    save_half(path, name, model)
    again = load_half(path)
    assert type(again) is type(model)
    expected = scores(rounded(name, model))
    np.testing.assert_allclose(scores(again), expected, rtol=1e-5, atol=1e-6)
    if name in BASELINES:
        assert again == model  # the same hyperparameters
    else:
        assert again.config == model.config
        assert {one.dtype for one in again.weights} == {one.dtype for one in model.weights}
        assert path.stat().st_size < 2.5 * model.count_params() + 8000


def test_what_16_bits_do_not_hold_is_refused(tmp_path):
    model = fitted("two_tower")
    model.weights[0].assign(np.full(model.weights[0].shape, 1e5))
    with pytest.raises(ValueError, match=r"holds 100000, which 16 bits do not.*65504"):
        save_half(tmp_path / "model.safetensors", "two_tower", model)
    assert not list(tmp_path.iterdir())


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"no such thing")
    with pytest.raises(ValueError, match="no file of weights of the zoo"):
        load_half(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(ValueError, match="no file of weights of the zoo: 'model'"):
        load_half(path)


def test_weights_of_another_version_are_refused(tmp_path, monkeypatch):
    model, path = fitted("two_tower"), tmp_path / "model.safetensors"
    kept = model.weights[1:]
    monkeypatch.setattr(type(model), "weights", property(lambda self: kept))
    save_half(path, "two_tower", model)
    monkeypatch.undo()
    with pytest.raises(
        ValueError, match=r"not those of this version's two_tower: where .* is expected"
    ):
        load_half(path)


def test_whole_numbers_keep_their_sign_and_floats_their_usual_precision(tmp_path):
    path = tmp_path / "model.safetensors"
    model = fitted("ease")
    arrays = {**model.arrays(), "signed": np.array([-5, 300]), "large": np.array([0, 2**40])}
    model.arrays = lambda: dict(arrays)
    save_half(path, "ease", model)
    with safe_open(path, framework="numpy") as file:
        small = {key: file.get_tensor(key) for key in ("signed", "large", "weights.data")}
    assert small["signed"].tolist() == [-5, 300] and small["signed"].itemsize < 8
    assert small["large"].tolist() == [0, 2**40]
    assert small["weights.data"].dtype == np.float16
    again = load_half(path)
    assert {again._matrices[name].dtype for name in ("known", "weights")} == {np.dtype("float32")}
