"""Tables, language models, plans and cards of strangers: sizes and kinds are looked at first."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import zipfile

import h5py
import numpy as np
import pytest
from memory import MIB, peak_mib

from tfrec_fusion.data.sources.layouts import Layout, Tables, read_zip
from tfrec_fusion.data.tables.text_tables import read_text_table
from tfrec_fusion.errors import AlreadyExists, InvalidInput, UserError
from tfrec_fusion.files import archives
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.download import Unreachable
from tfrec_fusion.files.regular import open_regular, read_regular
from tfrec_fusion.text.language_models.folders import check_folder, read_config
from tfrec_fusion.training.checkpoint import best_weights
from tfrec_fusion.zoo.prebuilt.card import CARDS, Card
from tfrec_fusion.zoo.runs.plan import claimed

BOMB = 64  # MiB


def packed(path):
    """Writes 64 MiB of blanks, in about 64 KB."""
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a.csv", "w", force_zip64=True) as file,
        ):
            for _ in range(BOMB):
                file.write(b" " * MIB)
        return
    with {".gz": gzip.open, ".bz2": bz2.open}[path.suffix](path, "wb") as file:
        for _ in range(BOMB):
            file.write(b" " * MIB)


@pytest.mark.parametrize("ending", ["zip", "gz"])
def test_a_table_that_becomes_a_thousand_times_larger_is_not_unpacked(
    ending, tmp_path, monkeypatch
):
    monkeypatch.setattr(archives, "FLOOR_BYTES", 4 * MIB)
    path = tmp_path / f"a.csv.{ending}"
    packed(path)

    def read():
        with pytest.raises(InvalidInput, match="must not become more than 100 times as large"):
            read_text_table(path)

    # What has no table of contents is found out while it is read.
    assert peak_mib(read) < (1 if ending == "zip" else 16)


def test_a_table_that_is_well_compressed_is_read(tmp_path):
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("item_id\n" + "1\n" * 300_000)
    assert path.stat().st_size * 100 < 600_000  # below the floor, however well
    assert len(read_text_table(path)) == 300_000


def test_a_data_set_whose_names_lead_out_of_its_folder_is_not_read(tmp_path):
    layout = Layout(("a.csv",), lambda files: Tables(files["a.csv"], files["a.csv"]))
    for name, sound in (("x/a.csv", True), ("../a.csv", False), ("/a.csv", False)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, "1")
        if sound:
            assert read_zip(tmp_path / "a.zip", (layout,)).items == b"1"
            continue
        with pytest.raises(Unreachable, match="must name its members inside of a folder"):
            read_zip(tmp_path / "a.zip", (layout,))


def test_what_is_no_file_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 3) == b"abc"
    with pytest.raises(InvalidInput, match=r"must have at most 2 bytes\. Received: 3\."):
        open_regular(tmp_path / "file", 2)
    for path, kind in (
        (tmp_path / "pipe", "a named pipe"),
        (tmp_path, "a folder"),
        ("/dev/zero", "a device"),
    ):
        with pytest.raises(InvalidInput, match=rf"must be a file\. Received: {kind}"):
            open_regular(path)
    for name in ("round", "none"):
        with pytest.raises(OSError, match=name):
            open_regular(tmp_path / name)
    with pytest.raises(InvalidInput, match="a named pipe"):
        sha256(tmp_path / "pipe")


def test_a_preset_whose_weights_lead_elsewhere_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"registered_name": "keras_hub>GPT2Backbone"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    for name, change in {
        "must not lead elsewhere": lambda file: file.__setitem__("a", h5py.ExternalLink("/x", "/")),
        "must not become more than 100 times": lambda file: file.create_dataset(
            "a", (2**30,), "f4", chunks=(2**20,)
        ),
        "must hold its numbers itself": lambda file: file.create_dataset(
            "a", (9,), "i1", external=[("/x", 0, 9)]
        ),
    }.items():
        with h5py.File(tmp_path / "model.weights.h5", "w") as file:
            change(file)
        with pytest.raises(InvalidInput, match=name):
            check_folder(tmp_path)


def test_a_config_that_is_nested_too_deep_is_damaged(tmp_path):
    (tmp_path / "config.json").write_text("[" * 100_000)
    with pytest.raises(InvalidInput, match="is damaged"):
        read_config(tmp_path, "config.json")


def test_a_checkpoint_that_is_none_is_refused(tmp_path):
    path = tmp_path / "training.npz"
    np.savez(path, allow_pickle=False, best_1=np.zeros(1))
    with pytest.raises(InvalidInput, match="must hold best_0, which is missing"):
        best_weights(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InvalidInput, match="is no sound zip file"):
        best_weights(path)


@pytest.mark.parametrize("text", ["[", "[]", '{"a": NaN}', "[" * 100_000])
def test_a_plan_that_cannot_be_read_is_told(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with (
        pytest.raises(AlreadyExists, match=r"plan\.json says what the folder is for, and cannot"),
        claimed(tmp_path, {"model": "ease"}),
    ):
        pass
    assert (tmp_path / "plan.json").read_text() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": "../../x"}, "`folder` must be the name of a folder, without a path"),
        ({"files": ["a"]}, "`files` must be an object"),
        ({"metrics": {"ndcg@10": 0.1}}, r"`metrics\.ndcg@10` must be a list of 3"),
        ({"limits": "none"}, "`limits` must be a list"),
        ({"members": {"../x": 1}}, "must be the name of a folder"),
        ({"item_labels": ["genres"]}, r"`item_labels\[0\]` must be a list of 2"),
    ],
)
def test_a_card_that_is_none_is_refused(change, message, tmp_path):
    said = json.loads((CARDS / "ease.ml_latest_small.json").read_text("utf-8"))
    path = tmp_path / "card.json"
    path.write_text(json.dumps(said | change))
    with pytest.raises(UserError, match=f"is no card: .*{message}"):
        Card.load(path)
