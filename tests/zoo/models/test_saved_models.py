"""`.keras` files of every model and ensemble load in a process that only imports the package."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from built_models import CASES, DATA, EVENTS, SLOW, shared
from checkout import ROOT, child_environment
from text_rankers import built as text_ranker
from text_rankers import inputs_of, randomized

from tfrec_fusion import zoo
from tfrec_fusion.layers.text_table import TextTable
from tfrec_fusion.saved_classes import SavedClass, register_saved_classes, saved_classes
from tfrec_fusion.zoo.runs.ensemble import Ensemble

LOAD = """
import {imports}
import json, sys
from pathlib import Path
import numpy as np

apart = {{}}
for path in sorted(Path(sys.argv[1]).glob("*.keras")):
    model = keras.saving.load_model(path)
    with np.load(path.with_suffix(".npz")) as arrays:
        saved = dict(arrays)
    inputs = {{name[3:]: value for name, value in saved.items() if name.startswith("in.")}}
    outputs = model(inputs)
    names = [name[4:] for name in saved if name.startswith("out.")]
    assert sorted(outputs) == sorted(names), path
    apart[path.stem] = max(
        float(np.abs(np.asarray(outputs[name]) - saved["out." + name]).max()) for name in names
    )
print(json.dumps(apart))
"""


def save(model, inputs, path):
    model.save(path)
    outputs = {f"out.{name}": np.asarray(value) for name, value in model(inputs).items()}
    inputs = {f"in.{name}": np.asarray(value) for name, value in inputs.items()}
    np.savez(path.with_suffix(".npz"), allow_pickle=False, **inputs, **outputs)


def members():
    knn = zoo.build("item_knn").fit(DATA.train)
    return {"gmf": shared("gmf").model, "two_tower": shared("attention").model, "item_knn": knn}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of every network, its scores, baselines' scores and an ensemble's three graphs."""
    folder = tmp_path_factory.mktemp("saved")
    users = {"user_id": np.arange(4, dtype=np.int32)}
    for case in CASES:
        if case in SLOW:
            continue
        model, stem = shared(case).model, case.replace(" ", "-")
        save(model, shared(case).batch[0], folder / f"{stem}.keras")
        save(model.score_model(EVENTS), users, folder / f"{stem}-scores.keras")
    for name in (name for name, spec in zoo.specs().items() if spec.is_baseline):
        model = zoo.build(name).fit(DATA.train, DATA.item_column("text"))
        save(model.score_model(DATA.train), users, folder / f"{name}.keras")
    ensemble = Ensemble(members(), {"gmf": 1.0, "two_tower": 2.0, "item_knn": 0.5})
    save(ensemble.score_model(DATA.train), users, folder / "ensemble.keras")
    history = {"history": np.array([[0, 3, 5]], np.int32)}
    save(ensemble.history_model(), history, folder / "ensemble-history.keras")
    items = {"item_id": np.arange(1, 5, dtype=np.int32)}
    save(ensemble.similarity_model(), items, folder / "ensemble-similar.keras")
    ranker = randomized(text_ranker("towers"))
    save(ranker, inputs_of(ranker), folder / "text_ranker.keras")
    return folder


@pytest.mark.parametrize(
    "imports", ["keras, tfrec_fusion", "tfrec_fusion, keras", "tfrec_fusion.zoo, keras"]
)
def test_saved_models_load_after_one_import(imports, saved):
    # No test's own modules: whatever is registered comes from that import.
    environment = child_environment()
    folder = saved
    if imports != "keras, tfrec_fusion":
        folder = saved / "few"
        folder.mkdir(exist_ok=True)
        for path in (*saved.glob("attention.*"), *saved.glob("ensemble.*")):
            (folder / path.name).write_bytes(path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(imports=imports), str(folder)],
        capture_output=True,
        text=True,
        cwd=saved,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    apart = json.loads(done.stdout)
    assert len(apart) == len(list(folder.glob("*.keras"))) >= 2
    assert not {name: value for name, value in apart.items() if not value <= 1e-5}


def test_every_class_that_the_sources_register_is_known_and_no_other():
    stand_ins = dict(saved_classes())
    for one in stand_ins.values():
        __import__(one.module)
    registered = {
        name: (one.__module__, one.__qualname__)
        for name, one in keras.saving.get_custom_objects().items()
        if name.split(">")[0] in ("tfrec_fusion", "zoo") and isinstance(one, type)
    }
    found = {name: (one.module, one.name) for name, one in stand_ins.items()}
    former = {name: one for name, one in found.items() if name.split(">")[1] != one[1]}
    assert {name: one for name, one in found.items() if name not in former} == registered
    names = (
        *("GPT2Hybrid", "KnowledgeHybrid", "ProfileSemanticsBehaviour"),
        *("CatalogueLogits", "NeighbourAttention"),
    )
    assert set(former) == {f"tfrec_fusion>{name}" for name in names}
    assert set(former.values()) < set(registered.values())
    sources = [path for top in ("tfrec_fusion", "zoo") for path in (ROOT / top).rglob("*.py")]
    said = sum(one.read_text("utf-8").count("\n@keras.saving.register_keras") for one in sources)
    assert len(registered) == said


def test_what_is_registered_already_stays():
    registry = {"tfrec_fusion>TextTable": TextTable}
    register_saved_classes(registry)
    assert registry["tfrec_fusion>TextTable"] is TextTable
    assert isinstance(registry["tfrec_fusion>ItemTower"], SavedClass)
