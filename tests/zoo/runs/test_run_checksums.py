"""A run folder notices a changed byte in any of its files, and reads none but its own."""

from __future__ import annotations

import json
import shutil

import pytest
from flipped import aside, flipped
from older_run import without_checksums

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files import checksums
from tfrec_fusion.files.checksums import checksum_of
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run, save_info
from tfrec_fusion.zoo.runs.run_checksums import FOR_PEOPLE, fault_of_run
from tfrec_fusion.zoo.runs.train import train

TABLES = generate(num_users=30, num_items=20, num_interactions=400, seed=3)
CHECKPOINT = "training/choose_epochs-two_tower/checkpoints/training.npz"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train("ease", TABLES, folder / "ease")
    train("two_tower", TABLES, folder / "two_tower", epochs=1, progress=False, dim=4)
    train_ensemble([folder / "ease", folder / "two_tower"], folder / "ensemble")
    return folder


OF_EASE = {
    *("model.npz", "users.json", "items.json", "catalogue.csv", "item_columns.csv", "events.npz"),
    *("metrics.csv", "report.html", "plan.json"),
}
FILES = {
    "ease": OF_EASE,
    "two_tower": {*OF_EASE, "model.keras", CHECKPOINT} - {"model.npz"},
    "ensemble": {*OF_EASE, "members/ease/model.npz", "members/two_tower/model.keras"}
    - {"model.npz"},
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_any_file_is_found(name, runs):
    folder = runs / name
    assert load_run(folder).info["files"].keys() == FILES[name]
    for file in FILES[name] - {CHECKPOINT}:
        path = folder / file
        size = path.stat().st_size
        for at in (0, size // 2, size - 1):
            with flipped(path, at), pytest.raises(BrokenRun) as caught:
                load_run(folder)
            assert f"{path} was changed: its sha256 is " in str(caught.value)
            assert f"train again with --out {folder}" in str(caught.value)
    assert load_run(folder).info["model"] == name


def test_a_file_that_is_cut_short_or_missing_is_named(runs, tmp_path):
    folder = shutil.copytree(runs / "ease", tmp_path / "ease")
    for file in OF_EASE:
        path, whole = folder / file, (folder / file).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BrokenRun, match=f"{file} was changed"):
            load_run(folder)
        path.write_bytes(whole)
        with aside(path):
            if file in FOR_PEOPLE:
                load_run(folder)
            else:
                with pytest.raises(BrokenRun, match=f"{file} is missing"):
                    load_run(folder)


def test_run_json_is_what_was_written_or_broken(runs, tmp_path):
    folder = shutil.copytree(runs / "ease", tmp_path / "ease")
    path = folder / "run.json"
    before, size, found = load_run(folder).info, path.stat().st_size, 0
    for at in range(0, size, max(1, size // 60)):
        with flipped(path, at):
            try:
                assert load_run(folder).info == before  # of white space
            except BrokenRun as error:
                assert str(path) in str(error)
                found += 1
    assert found > 40
    said = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(said, indent=7), "utf-8")  # laid out otherwise
    assert load_run(folder).info == before
    said["test"]["ndcg@10"] += 0.25
    path.write_text(json.dumps(said), "utf-8")
    with pytest.raises(BrokenRun, match=r"run\.json was changed.* remove `files` and `checksum`"):
        load_run(folder)
    without_checksums(folder)  # the remedy; such is a run of an earlier version, too
    assert load_run(folder).info["test"] == said["test"]
    save_info(folder, load_run(folder).info)
    assert load_run(folder).info["files"] == before["files"]


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/hostname", "members/../../x"])
def test_files_outside_the_folder_are_not_looked_at(name, tmp_path):
    for said in ({"files": {name: 64 * "0"}}, {"files": [name]}, {"checksum": "0"}):
        (tmp_path / "run.json").write_text(json.dumps({"model": "ease", **said}))
        fault = fault_of_run(tmp_path)
        assert "is damaged, its `files`: Checksums must be sha256 by names of files in" in fault


def test_a_file_that_is_not_the_runs_is_not_read(runs, tmp_path):
    folder = shutil.copytree(runs / "ease", tmp_path / "ease")
    (folder / "interests.npz").write_bytes(b"of something else")
    assert load_run(folder).interests is None
    with pytest.raises(BrokenRun, match=r"interests\.npz cannot be read"):
        load_run(without_checksums(folder))


def test_an_ensemble_is_not_weighed_by_a_changed_checkpoint(runs, tmp_path):
    path = runs / "two_tower" / CHECKPOINT
    with flipped(path, path.stat().st_size // 2):
        load_run(runs / "two_tower")  # which answers without it
        with pytest.raises(InvalidInput, match=r"training\.npz was changed: .*train that model ag"):
            train_ensemble([runs / "ease", runs / "two_tower"], tmp_path / "both")


def test_a_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path, read = tmp_path / "file", []
    path.write_bytes(b"one")
    monkeypatch.setattr(checksums, "sha256", lambda path: read.append(path) or path.read_text())
    monkeypatch.setattr(checksums, "_SETTLED_NS", -1)
    assert [checksum_of(path), checksum_of(path)] == ["one", "one"] and len(read) == 1
    other = tmp_path / "other"
    other.write_bytes(b"two")
    other.replace(path)
    assert checksum_of(path) == "two" and len(read) == 2
    monkeypatch.setattr(checksums, "_SETTLED_NS", 10**18)  # it may have changed just now
    path.write_bytes(b"six")
    assert [checksum_of(path), checksum_of(path)] == ["six", "six"] and len(read) == 4
