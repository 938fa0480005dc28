"""Model files of strangers in run folders: no code, no links, no bombs."""

from __future__ import annotations

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from memory import peak_mib
from run_tables import DATA
from saved_runs import (
    SIZES,
    refusal,
)

from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run, save_run


def weights(change):
    """Changes the weights inside of a `.keras` file."""

    def rewrite(path):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        inside = path.with_suffix(".h5")
        inside.write_bytes(members["model.weights.h5"])
        with h5py.File(inside, "a") as file:
            change(file)
        members["model.weights.h5"] = inside.read_bytes()
        inside.unlink()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return rewrite


def compressed(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def virtual(file):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", shape=(4,))
    file.create_virtual_dataset("added", layout)


@pytest.mark.parametrize(
    ("hurt", "message"),
    [
        (compressed, "must hold its members as Keras writes them, uncompressed"),
        (
            weights(lambda file: file.create_dataset("a", (2**28,), "f4", chunks=(2**20,))),
            "must not become more than 100 times as large",
        ),
        (
            weights(lambda file: file.create_dataset("a", (9,), "i1", external=[("/x", 0, 9)])),
            "must hold its numbers itself",
        ),
        (weights(virtual), "must hold its numbers itself"),
        (weights(lambda file: file.__setitem__("a", h5py.ExternalLink("/x", "/"))), "lead else"),
        (weights(lambda file: file.__setitem__("a", h5py.SoftLink("/"))), "lead elsewhere"),
        (lambda path: path.write_bytes(b"no zip"), "is no sound zip file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3000]), "is no sound zip file"),
    ],
)  # fmt: skip
def test_a_model_file_that_leads_elsewhere_or_grows_is_refused(hurt, message, copied_run):
    folder = copied_run("gmf")
    hurt(folder / "model.keras")
    assert peak_mib(lambda: refusal(folder)) < 50
    assert message in refusal(folder)


def test_groups_that_hold_each_other_are_no_endless_walk(copied_run):
    folder = copied_run("gmf")
    weights(lambda file: file.__setitem__("again", file["/"]))(folder / "model.keras")
    assert len(load_run(folder).recommender.recommend("1", k=2)) == 2


def layer(module, class_name, config, registered=None):
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
    }


CODE = [
    layer("os", "system", {"command": "touch {sign}"}),
    layer("subprocess", "Popen", {"args": ["touch", "{sign}"]}),
    layer("builtins", "eval", {"expression": "open('{sign}', 'w')"}),
    layer("builtins", "function", "os.system"),
    layer("keras.utils", "get_file", {"fname": "{sign}", "origin": "file:///etc/passwd"}),
    layer("keras.layers", "Lambda", {"function": "os.system", "arguments": {"a": "touch {sign}"}}),
    layer(
        "keras.layers",
        "Lambda",
        {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "closure": None}}},
    ),
    layer("keras.layers", "TorchModuleWrapper", {"module": "gASVKAAAAAAAAACMBXBvc2l4lA=="}),
    layer("tfrec_fusion.zoo.runs.run", "save_info", {"folder": "{sign}", "info": {}}),
    layer("tests.strangers", "Layer", {}, "strangers>Layer"),
    layer("keras.src.saving.saving_lib", "save_model", {"model": 1, "filepath": "{sign}"}),
    layer("numpy", "save", {"file": "{sign}", "arr": [1]}),
]  # fmt: skip


@pytest.mark.parametrize("code", CODE, ids=lambda one: f"{one['module']}.{one['class_name']}")
@pytest.mark.parametrize("nested", [False, True])
def test_a_model_file_runs_no_code(code, nested, copied_run, tmp_path):
    folder, sign = copied_run("gmf"), tmp_path / "sign"
    path = folder / "model.keras"
    code = json.loads(json.dumps(code).replace("{sign}", str(sign)))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if nested:
        code = layer("keras", "Sequential", {"name": "gmf", "layers": [code]})
    members["config.json"] = json.dumps(code).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(BrokenRun, match=r"model\.keras cannot be read"):
        load_run(folder)
    assert not sign.exists()


def test_a_model_of_keras_that_is_none_of_the_zoo_is_refused(copied_run):
    folder = copied_run("gmf")
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs), name="gmf").save(folder / "model.keras")
    assert "must hold the model gmf. Received: 'gmf'" in refusal(folder)


@pytest.mark.parametrize("name", [name for name, spec in zoo.specs().items() if spec.is_baseline])
def test_every_baseline_comes_back(name, tmp_path):
    model = zoo.build(name).fit(DATA.train, [str(one) for one in DATA.item_texts()])
    save_run(tmp_path, model, DATA, {"model": name})
    loaded = load_run(tmp_path).model
    assert (loaded.num_users, loaded.num_items) == (SIZES["num_users"], SIZES["num_items"])
    users = np.arange(1, SIZES["num_users"])
    np.testing.assert_allclose(loaded.score(users), model.score(users))
