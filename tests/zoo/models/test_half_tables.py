"""Item tables of 16 bits: small, shared as before, and answers as near as 16 bits are."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from command_line import run
from reference_protocol import assert_ranked
from reference_run import to_rank

from tfrec_fusion import zoo
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.zoo.exports.half_tables import with_half_tables
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

SIZES = {"num_users": 5, "num_items": 12}


def towers(model):
    """The item towers of a model and of the models in it."""
    found = []
    for layer in model.layers:
        found += towers(layer) if hasattr(layer, "layers") else []
        found += [layer] if isinstance(layer, ItemTower) else []
    return found


def rounded(model):
    """The model with the numbers of its item tables as 16 bits hold them."""
    for tower in towers(model):
        tower.embeddings.assign(tower.embeddings.numpy().astype(np.float16).astype(np.float32))
    return model


def test_models_share_a_table_of_16_bits_and_score_by_it():
    model = zoo.build("two_tower", **SIZES, dim=8, history_length=4)
    history, item = np.array([[0, 3, 5, 1]]), np.array([4])
    before = {"history": model.history_model(), "similarity": model.similarity_model()}
    after = with_half_tables({**before, "score": None})
    assert after["score"] is None
    (one,), (other,) = towers(after["history"]), towers(after["similarity"])
    assert one is other and one.embeddings.dtype == "float16"
    assert all(tower.embeddings.dtype == "float32" for tower in towers(before["history"]))
    for name, asked in (("history", {"history": history}), ("similarity", {"item_id": item})):
        expected = np.asarray(rounded(before[name])(asked)["scores"])
        received = np.asarray(after[name](asked)["scores"])
        assert received.dtype == np.float32
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_members_of_an_ensemble_have_half_tables_too():
    members = {name: zoo.build(name, **SIZES) for name in ("gmf", "mlp")}
    scores = Ensemble(members, {"gmf": 0.5, "mlp": 0.5}).score_model()
    half = with_half_tables({"score": scores})["score"]
    assert [tower.embeddings.dtype for tower in towers(half)] == ["float16"] * 2
    asked = {"user_id": np.array([1, 2])}
    expected, received = (np.asarray(one(asked)["scores"]) for one in (rounded(scores), half))
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_a_table_beyond_16_bits_is_refused():
    model = zoo.build("gmf", **SIZES)
    tower = model.get_layer("item_gmf")
    tower.embeddings.assign(np.full(tower.embeddings.shape, 7e4, np.float32))
    with pytest.raises(ValueError, match=r"item_gmf holds 70000, .* Export it without `half`"):
        with_half_tables({"score": model.score_model()})


def test_the_command_exports_it(tmp_path):
    tables = generate(num_users=30, num_items=20, num_interactions=400, seed=3)
    small = {"dim": 8, "num_layers": 1, "history_length": 8}
    train("two_tower", tables, tmp_path / "run", **small, epochs=1, refit=False, progress=False)
    shown = run("export", tmp_path / "run", "--to", tmp_path / "films", "--half")
    said = json.loads((tmp_path / "run" / "run.json").read_text())["test"]["ndcg@10"]
    loaded = load_run(tmp_path / "run")
    rounded(loaded.model)
    line = r"item tables in 16 bits: NDCG@10 (\S+) on the test part instead of (\S+)"
    half, exact = re.search(line, shown.stderr).groups()
    assert exact == f"{said:.4f}"
    assert_ranked({"ndcg@10": float(half)}, *to_rank(loaded, tables.interactions), digits=4)
    kept = tf.train.load_checkpoint(str(tmp_path / "films" / "1" / "variables" / "variables"))
    shapes, types = kept.get_variable_to_shape_map(), kept.get_variable_to_dtype_map()
    assert [types[name] for name in shapes if shapes[name] == [21, 8]] == [tf.float16]
