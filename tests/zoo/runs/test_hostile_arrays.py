"""Arrays of strangers in run folders: sound, of the run's sizes, and no larger than they are."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
from memory import MIB, peak_mib
from saved_runs import (
    refusal,
)

from tfrec_fusion.errors import UserError
from tfrec_fusion.files.archives import read_arrays
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run


def arrays_of(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def ease(**arrays):
    return lambda found: found | {name: np.asarray(one) for name, one in arrays.items()}


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("events.npz", lambda one: {"train.user": one["train.user"]}, "train.item is missing"),
        ("events.npz", ease(**{"train.item": [99] * 24}), "train must have columns of one length"),
        ("events.npz", lambda one: one | {"train.item": one["train.item"] * 0 + 99}, "from 99 to"),
        ("events.npz", lambda one: one | {"train.user": one["train.user"] * 0 - 1}, "from -1 to"),
        ("events.npz", lambda one: one | {"train.user": one["train.user"][::-1]}, "sorted by user"),
        ("events.npz", lambda one: one | {"test.rating": one["test.rating"] * np.nan}, "be finite"),
        ("events.npz", ease(**{"test.item": [["a"]]}), "test.item must be one column of whole num"),
        ("events.npz", ease(**{"test.rating": [1.0]}), "test must have columns of one length"),
        ("model.npz", ease(weights=[1.0]), "weights must be a matrix of numbers"),
        ("model.npz", ease(weights=np.zeros((3, 3))), "known and weights must fit together"),
        ("model.npz", ease(**{"known.indices": np.full(24, 10**6)}), "known is no sound sparse"),
        ("model.npz", ease(**{"known.indptr": [0, 1]}), "known is no sound sparse matrix"),
        ("model.npz", ease(**{"known.shape": [5]}), "known is no sound sparse matrix"),
        ("model.npz", ease(**{"hyperparameter.l2": "high"}), "`l2` must be a number"),
        ("model.npz", ease(**{"hyperparameter.l2": [1.0, 2.0]}), "an array of size 1"),
        ("interests.npz", ease(phrase=[7]), "arrays do not fit together"),
        ("interests.npz", ease(start=[0, 1], phrase=np.zeros(1, "i4")), "It must be of 4 users"),
        ("interests.npz", ease(phrases=[1]), "arrays do not fit together"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_named(file, change, message, copied_run):
    folder = copied_run("ease")
    np.savez(folder / file, allow_pickle=False, **change(arrays_of(folder / file)))
    with pytest.raises(BrokenRun, match=rf"{file} cannot be read: .*({message})"):
        load_run(folder)


def test_a_model_of_other_items_is_refused(copied_run):
    folder = copied_run("ease")
    ids = [str(one) for one in range(1, 6)]
    (folder / "items.json").write_text(json.dumps(ids))
    (folder / "catalogue.csv").write_text("item_id,title,text\n" + "".join(f"{i},,\n" for i in ids))
    assert "its model is of 4 users and 13 items, its vocabularies of 4 users and 5 items" in (
        refusal(folder)
    )


def npy(shape, dtype="'<f8'", content=b""):
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (53 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.npy": npy("(1099511627776,)")}, "does not go with 0 bytes"),
        ({"a.npy": npy("(-1,)", content=bytes(8))}, "its shape .-1,. of float64 does not go"),
        ({"a.npy": npy("(1,)", "'|O'", bytes(8))}, "its type must be plain"),
        ({"a.npy": npy("(9223372036854775807,)", "'<U0'")}, "its type must be plain"),
        ({"a.npy": npy("(" * 3000)}, "is no sound array"),
        ({"a.npy": b"no array"}, "does not begin like one"),
        ({"a.pkl": b""}, "must hold arrays alone"),
        ({"../a.npy": npy("()", content=bytes(8))}, "inside of a folder"),
        ({"/a.npy": npy("()", content=bytes(8))}, "inside of a folder"),
        ({f"{one}.npy": b"" for one in range(10_001)}, "at most 10,000 members"),
    ],
)
def test_an_archive_that_is_no_sound_one_is_refused(members, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=message):
        read_arrays(tmp_path / "a.npz")


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A zip of about 1 MB in which 1 GiB of zeros is a column of events."""
    path = tmp_path_factory.mktemp("bomb") / "events.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("train.user.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(f"({2**30},)", "'|i1'"))
        for _ in range(1024):
            member.write(bytes(MIB))
    assert path.stat().st_size < 1.1 * MIB
    return path


@pytest.mark.parametrize("name", ["events.npz", "model.npz", "interests.npz"])
def test_an_archive_that_becomes_a_thousand_times_larger_is_not_unpacked(name, copied_run, bomb):
    folder = copied_run("ease")
    shutil.copy(bomb, folder / name)
    assert peak_mib(lambda: refusal(folder)) < 50
    assert "must not become more than 100 times as large as it is" in refusal(folder)


def test_a_member_is_read_no_further_than_it_says(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy("(16,)", content=bytes(128 * MIB)))
    size = len(npy("(16,)")) + 128 * MIB
    content, true = path.read_bytes(), size.to_bytes(4, "little")
    assert content.count(true) == 2  # before the member, and in the table of contents
    path.write_bytes(content.replace(true, (size - 128 * MIB + 128).to_bytes(4, "little")))

    def read():
        with pytest.raises(UserError, match=r"a\.npy is no sound array"):
            read_arrays(path)

    assert peak_mib(read) < 16
