"""The guide on personal data says what files hold: compared with real ones, byte by byte."""

from __future__ import annotations

import fnmatch
import io
import logging
import re
import zipfile

import h5py
import httpx2
import numpy as np
import pytest
import tensorflow as tf
from checkout import ROOT
from named_people import DATA, KNOWN, named_people
from package_folder import use
from safetensors.numpy import load_file
from serving_models import call_here

import tfrec_fusion.zoo.prebuilt.publishing
from tfrec_fusion.serving.client import Client
from tfrec_fusion.serving.export import verification
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.exports.export_run import export_run
from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

GUIDE = (ROOT / "docs" / "personal_data.md").read_text("utf-8")
PARTS = [len(DATA.train), len(DATA.validation), len(DATA.test), len(KNOWN)]
CELLS = {one.matrix().nnz for one in (DATA.train_and_validation, KNOWN)}
SIZES = {len(DATA.users) - 1, len(DATA.users), len(DATA.users) + 1, *PARTS, *CELLS}


def told(name):
    """`{pattern: (ids, records)}` of a table of the guide."""
    table = re.search(rf"<!-- holds {name} -->\n(.*?)<!-- end -->", GUIDE, re.DOTALL)[1]
    found = {}
    for line in table.splitlines()[2:]:
        files, ids, records, _ = (cell.strip() for cell in line.strip("|").split(" | "))
        assert {ids, records} <= {"yes", "no"}
        found |= dict.fromkeys(re.findall(r"`(.*?)`", files), (ids == "yes", records == "yes"))
    return found


def pieces(path):
    data = path.read_bytes()
    yield data
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from map(archive.read, archive.namelist())


def shapes(path):
    """Shapes of the arrays in a file."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return [arrays[name].shape for name in arrays.files]
    if path.suffix == ".safetensors":
        return [one.shape for one in load_file(path).values()]
    if path.suffix == ".index":
        return tf.train.load_checkpoint(str(path)[:-6]).get_variable_to_shape_map().values()
    found = []
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as weights:
            file = h5py.File(io.BytesIO(weights.read()))
            file.visititems(lambda name, one: found.append(getattr(one, "shape", ())))
    return found


def holds(folder):
    """`{file: (ids, records)}`; warm-up requests are known by the ids that ask."""
    found = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        ids = any(b"unmistakable" in piece for piece in pieces(path))
        records = any(SIZES & set(shape) for shape in shapes(path))
        asks = path.name == "tf_serving_warmup_requests" and ids
        found[str(path.relative_to(folder))] = (ids, records or asks)
    return found


def compare(said, found):
    """Each file is in the guide, and what the guide says of a row is true of its files together.

    Args:
        said: As of `told`.
        found: `(file, (ids, records))` of every file.
    """
    confirmed = dict.fromkeys(said, (False, False))
    for file, (ids, records) in found:
        rows = [one for one in said if file.startswith(one) or fnmatch.fnmatch(file, f"*{one}")]
        assert rows, f"{file} is not in the guide"
        row = min(rows, key=lambda one: "*" in one)  # a name before a pattern
        confirmed[row] = (confirmed[row][0] or ids, confirmed[row][1] or records)
    assert confirmed == said


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A classic and a network that reads user ids."""
    folder = tmp_path_factory.mktemp("runs")
    train("ease", named_people(), folder / "ease-0")
    train("gmf", named_people(), folder / "gmf-0", epochs=1, progress=False)
    words = user_words(KNOWN, DATA.item_texts())
    assert words is not None
    words.save(folder / "ease-0" / "interests.npz")
    return folder


def test_a_run_folder_holds_what_the_guide_says(runs):
    both = [one for name in ("ease-0", "gmf-0") for one in holds(runs / name).items()]
    compare(told("run"), both)


@pytest.mark.parametrize("without_users", [False, True])
def test_an_export_holds_what_the_guide_says(without_users, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "call_in_clean_process", call_here)
    folder = tmp_path / "served"
    export_run(load_run(runs / "ease-0"), folder, page_sizes=(3,), without_users=without_users)
    found = [(name.removeprefix("1/"), cells) for name, cells in holds(folder).items()]
    compare(told("without" if without_users else "export"), found)


def test_a_package_holds_what_the_guide_says(runs, tmp_path, monkeypatch):
    use(tmp_path, monkeypatch)
    tfrec_fusion.zoo.prebuilt.publishing.publish(
        "ease.people", [runs / "ease-0"], [], text="a toy", include_events=True
    )
    compare(told("package"), holds(tmp_path).items())


def test_the_local_server_logs_no_id(served_folder, caplog):
    caplog.set_level(logging.DEBUG)
    marked = "person-unmistakable"
    with LocalServer(served_folder, port=0, grpc_port=0) as server:
        for inputs in ({"user_id": [marked]}, {"user_id": [[marked]]}, {"no": [marked]}):
            body = {"signature_name": "recommend", "inputs": inputs}
            httpx2.post(f"{server.url}/v1/models/films:predict", json=body)
        httpx2.post(f"{server.url}/v1/models/{marked}:predict", json={"inputs": [marked]})
        with Client(f"grpc://{server.grpc_address}", "films") as client:
            with pytest.warns(UserWarning, match=marked):  # that is the application's log
                client.recommend(marked)
            with pytest.raises(ValueError, match="rows"):
                client.predict({"user_id": [marked], "item_id": []}, "score")
        metrics = httpx2.get(f"{server.url}/monitoring/prometheus/metrics").text
    told_by_server = [one for one in caplog.records if one.name.startswith("tfrec_fusion")]
    assert marked not in metrics
    assert not [one for one in told_by_server if marked in one.getMessage()]
