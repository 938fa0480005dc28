"""Commands that are killed, or whose disk fills, at any moment: rerun, they give the whole result.

What is killed and refused here is chosen by the harness in `killer`: each change of a folder, and
writes beyond a size, which also meets what TensorFlow and h5py write.
"""

import errno
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from checkout import ROOT
from counted_encoder import Encoder, files, vectors_of
from forks import COMMAND
from waiting import wait_for

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.serving.export.bundle import labels_of, versions_of
from tfrec_fusion.serving.export.folder_check import KIT, check_version, verify_folder
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run

STORE = """
import sys
from counted_encoder import Encoder
from tfrec_fusion.text.encoding.store import TextStore
texts = [f"text {number}" for number in range(40)]
TextStore(sys.argv[1], texts_per_segment=4).encode(Encoder(), texts)
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory, killer):
    """Tables, and finished runs on the first of them."""
    folder = tmp_path_factory.mktemp("kills")
    (folder / "undisturbed").mkdir()
    tables = generate(30, 24, 300, seed=1)
    more = tables.interactions.assign(timestamp=tables.interactions["timestamp"] + 1)
    for name, interactions in (("data", tables.interactions), ("more", more)):
        (folder / name).mkdir()
        interactions.to_parquet(folder / name / "interactions.parquet")
        tables.items.to_parquet(folder / name / "items.parquet")
    for name in ("popularity", "ease"):
        words = ("train", name, "--data", folder / "data", "--out", folder / name)
        assert killer.run(COMMAND, words, folder=folder / name).code == 0
    return folder


def words_of(name, work, out):
    """The words of a command that writes a run."""
    data = ("--data", work / "data")
    return {
        "train": ("train", "popularity", *data),
        "train gmf": ("train", "gmf", *data, "--gmf-dim", 4, "--epochs", 2),
        "production": ("train", "ease", *data, "--production"),
        "ensemble": ("ensemble", work / "popularity", work / "ease"),
        "fine-tune": ("fine-tune", work / "ease", "--data", work / "more"),
    }[name] + ("--out", out)


EASE_GMF = ["ease (classic)", "gmf"]


def content(out):
    """What a run folder holds: names, and the numbers that do not depend on the time."""
    names = sorted(str(one.relative_to(out)) for one in out.rglob("*") if one.is_file())
    info = json.loads((out / "run.json").read_text())
    kept = ("model", "test", "test_intervals", "rows", "weights", "notes")
    # TensorBoard has a file for each process that trained.
    names = sorted({re.sub(r"events\.out\.tfevents.*", "events", name) for name in names})
    return names, {key: info.get(key) for key in kept}, load_run(out).recommender.score([1, 2])


def check_same(found, expected):
    assert found[0] == expected[0]
    if found[1]["model"] == "gmf":  # resumed, batches come in another order
        assert [row["model"] for row in found[1]["rows"]] == ["popularity (classic)", *EASE_GMF]
        assert found[2].shape == expected[2].shape and np.isfinite(found[2][:, 1:]).all()
        return
    assert found[1] == expected[1]
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def undisturbed(work, killer):
    """By command, what it makes undisturbed, and how many changes that takes."""
    made = {}

    def run(name):
        if name not in made:
            out = work / "undisturbed" / name
            ended = killer.run(COMMAND, words_of(name, work, out), folder=out)
            assert ended.code == 0, ended.errors
            made[name] = content(out), ended.changes
        return made[name]

    return run


def check_one_message(ended):
    """A refusal is one message, which names a file and a remedy."""
    assert ended.code == 2 and "Traceback" not in ended.errors, ended.errors
    (told,) = [line for line in ended.errors.splitlines() if line.startswith("Error: ")]
    assert re.search(r"/\w\S* cannot be written: [A-Z]", told), told
    assert "run the same command again" in told and ".part" not in told


def check_readable(out):
    """A folder that a killed command left is a run, or it is said in one message that it is not."""
    if out.is_dir():
        try:
            load_run(out)
        except BrokenRun as error:
            assert "is not a finished run" in str(error)


RUNS = ["train", "production", "ensemble", "fine-tune"]
SLOW_RUNS = [pytest.param(name, marks=pytest.mark.slow) for name in [*RUNS, "train gmf"]]


def spread(changes, number):
    """So many of the changes, the first and the last among them."""
    return sorted(set(np.linspace(1, changes, min(number, changes)).round().astype(int).tolist()))


@pytest.mark.parametrize(
    ("name", "number"),
    [*zip(RUNS, [3] * 4, strict=True)]
    + [pytest.param(*one.values, 20, marks=pytest.mark.slow) for one in SLOW_RUNS],
)
def test_a_killed_command_is_completed_by_the_next(
    name, number, killer, work, undisturbed, tmp_path
):
    expected, changes = undisturbed(name)
    moments = spread(changes, number)
    for at in moments:
        out = tmp_path / str(at)
        assert killer.run(COMMAND, words_of(name, work, out), folder=out, at=at).killed
        check_readable(out)
        ended = killer.run(COMMAND, words_of(name, work, out), folder=out)
        assert ended.code == 0 or "holds a finished run already" in ended.errors, ended.errors
        check_same(content(out), expected)
    assert len(moments) == number


def test_killed_again_and_again_a_command_still_ends(killer, work, undisturbed, tmp_path):
    """Each time a few changes later, in one folder."""
    expected, _ = undisturbed("train")
    words = words_of("train", work, tmp_path / "run")
    for at in itertools.count(5, 5):
        ended = killer.run(COMMAND, words, folder=tmp_path / "run", at=at)
        if not ended.killed:
            break
    assert ended.code == 0 and at > 20
    check_same(content(tmp_path / "run"), expected)


@pytest.mark.parametrize("name", ["train", pytest.param("train gmf", marks=pytest.mark.slow)])
def test_a_command_killed_in_the_middle_of_a_write(name, killer, work, undisturbed, tmp_path):
    expected, _ = undisturbed(name)
    for limit in (100, 1500, 6000, 12_000):
        out = tmp_path / str(limit)
        torn = {"folder": out, "limit": limit, "torn": True}
        assert killer.run(COMMAND, words_of(name, work, out), **torn).killed
        check_readable(out)
        assert killer.run(COMMAND, words_of(name, work, out), folder=out).code == 0
        check_same(content(out), expected)


@pytest.mark.parametrize(
    ("name", "number"),
    [*zip(RUNS, [3] * 4, strict=True)]
    + [pytest.param(*one.values, 8, marks=pytest.mark.slow) for one in SLOW_RUNS],
)
def test_a_full_disk_is_one_message_and_the_rerun_completes(
    name, number, killer, work, undisturbed, tmp_path
):
    expected, changes = undisturbed(name)
    numbers = itertools.cycle([errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
    for at in spread(changes - 4, number):  # after it nothing takes space
        out = tmp_path / str(at)
        full = {"folder": out, "at": at, "errno": next(numbers)}
        check_one_message(killer.run(COMMAND, words_of(name, work, out), **full))
        check_readable(out)
        ended = killer.run(COMMAND, words_of(name, work, out), folder=out)
        assert ended.code == 0, ended.errors
        check_same(content(out), expected)


@pytest.mark.parametrize("limit", [0, 1500, 6000])
def test_a_limit_on_files_is_one_message(limit, killer, work, undisturbed, tmp_path):
    out = tmp_path / "run"
    words = words_of("train", work, out)
    ended = killer.run(COMMAND, words, folder=out, limit=limit)
    check_one_message(ended)
    assert "File too large" in ended.errors and "ulimit -f" in ended.errors
    assert killer.run(COMMAND, words, folder=out).code == 0
    check_same(content(out), undisturbed("train")[0])


def test_a_report_that_cannot_be_written_costs_no_training(killer, work, tmp_path):
    out = tmp_path / "run"
    words = words_of("train gmf", work, out)
    first = killer.run(FULL_AT_THE_REPORT + COMMAND, words, folder=out)
    check_one_message(first)
    assert "report.html cannot be written: No space left on device" in first.errors
    assert load_run(out).info["rows"] == []
    second = killer.run(COMMAND, words, folder=out)
    assert second.code == 0 and "holds the trained model, which is measured now" in second.errors
    assert "gmf: epoch" not in second.errors and (out / "report.html").is_file()


FULL_AT_THE_REPORT = """
import errno, os
import tfrec_fusion.zoo.runs.comparison
def full(path, *given, **named):
    from tfrec_fusion.files.whole import whole_file
    with whole_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
tfrec_fusion.zoo.runs.comparison.write_html = full
"""


# === Two commands for one folder ===


def test_a_second_command_for_a_folder_gets_one_message(killer, work, undisturbed, tmp_path):
    out = tmp_path / "run"
    words = [str(one) for one in words_of("train", work, out)]
    program = STOPS + COMMAND
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], stdin=subprocess.PIPE, text=True, cwd=ROOT
    ) as first:
        wait_for((out / "plan.json").exists, "the first to begin", seconds=120)
        for name in RUNS:
            second = killer.run(AT_ONCE + COMMAND, words_of(name, work, out), folder=out)
            assert second.code == 2 and second.errors.count("Error: ") == 1
            assert f"Error: Another process writes to {out}. Wait until" in second.errors
        first.communicate("\n")
    assert first.returncode == 0
    check_same(content(out), undisturbed("train")[0])


STOPS = """
import sys
import tfrec_fusion.zoo.runs.train
write = tfrec_fusion.zoo.runs.train.save_run
def stopped(*given, **named):
    sys.stdin.readline()
    write(*given, **named)
tfrec_fusion.zoo.runs.train.save_run = stopped
"""
AT_ONCE = (
    "from tfrec_fusion.files.lock import only_writer\nchanged = only_writer.__wrapped__\n"
    "changed.__defaults__ = (0, *changed.__defaults__[1:])\n"
)


@pytest.mark.parametrize("names", [("ensemble", "train"), ("train", "ensemble")])
def test_one_command_does_not_go_on_in_what_another_began(
    names, killer, work, undisturbed, tmp_path
):
    begun, other = names
    _, changes = undisturbed(begun)
    for at in (changes // 3, changes - 1):  # before and after the model is saved
        out = tmp_path / str(at)
        assert killer.run(COMMAND, words_of(begun, work, out), folder=out, at=at).killed
        ended = killer.run(COMMAND, words_of(other, work, out), folder=out)
        assert ended.code == 2 and "holds the beginning of another training" in ended.errors
        assert killer.run(COMMAND, words_of(begun, work, out), folder=out).code == 0
        check_same(content(out), undisturbed(begun)[0])


# === The store of texts ===


@pytest.mark.parametrize("number", [6, pytest.param(24, marks=pytest.mark.slow)])
def test_a_killed_or_full_store_keeps_what_was_finished(number, killer, tmp_path):
    texts = [f"text {n}" for n in range(40)]
    changes = killer.run(STORE, [tmp_path / "whole"], folder=tmp_path / "whole").changes
    for at in spread(changes, number):
        for way in ({}, {"errno": errno.ENOSPC}):
            folder = tmp_path / f"{at}-{len(way)}"
            ended = killer.run(STORE, [folder], folder=folder, at=at, **way)
            finished = min(40, 4 * len(files(folder))) if folder.exists() else 0
            if way and ended.code:
                assert re.search(r"SystemRefusal: \S+ cannot be written: No space", ended.errors)
            elif not way:
                assert ended.killed
            encoder = Encoder()
            got = TextStore(folder).encode(encoder, texts)
            np.testing.assert_array_equal(got, vectors_of(texts))
            assert len(encoder.encoded) <= 40 - finished or finished == 40
            assert TextStore(folder).encode(Encoder(spoil=pytest.fail), texts).shape == (40, 3)
            assert files(folder, ".*") == []


# === Exports ===


def check_served(folder, versions):
    """The versions that were there are whole, and `stable` is the first."""
    assert set(versions) <= set(versions_of(folder))
    for version in versions_of(folder):
        check_version(folder / str(version))
    assert labels_of(folder)["stable"] == 1


@pytest.mark.slow
def test_a_killed_or_full_export_leaves_what_was_there(killer, work, tmp_path):
    folder = tmp_path / "ease"
    words = ("export", work / "ease", "--to", folder)
    changes = killer.run(COMMAND, words, folder=folder).changes
    assert versions_of(folder) == [1] and changes >= 20
    for at in spread(changes, 20):
        before = versions_of(folder)
        assert killer.run(COMMAND, words, folder=folder, at=at).killed
        check_served(folder, before)
        assert len(versions_of(folder)) - len(before) in (0, 1)
    for at in spread(changes - 4, 6):
        before = versions_of(folder)
        ended = killer.run(COMMAND, words, folder=folder, at=at, errno=errno.ENOSPC)
        check_one_message(ended)
        assert versions_of(folder) == before
        check_served(folder, before)
    for limit in (0, 1000, 20_000, 200_000):  # TensorFlow's own writers
        before = versions_of(folder)
        ended = killer.run(COMMAND, words, folder=folder, limit=limit)
        check_one_message(ended)
        assert versions_of(folder) == before
    before = versions_of(folder)
    assert killer.run(COMMAND, words, folder=folder).code == 0
    assert versions_of(folder) == [*before, before[-1] + 1]
    assert len(verify_folder(folder)) == len(before) + 1
    assert sorted(one.name for one in folder.iterdir() if not one.is_dir()) == sorted(KIT)
    assert not [one for one in folder.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("way", [{"limit": 20_000}, {"limit": 1000, "torn": True}])
def test_an_export_whose_first_write_fails(way, killer, work, tmp_path):
    """TensorFlow writes the variables, then the graph: before any SavedModel is asked."""
    folder = tmp_path / "ease"
    words = ("export", work / "ease", "--to", folder)
    ended = killer.run(COMMAND, words, folder=folder, **way)
    assert versions_of(folder) == []
    if "torn" in way:
        assert ended.code == -signal.SIGXFSZ
    else:
        check_one_message(ended)
        assert f"{folder / '1'} cannot be written: File too large" in ended.errors
        assert list(folder.iterdir()) == []
    shutil.rmtree(folder)
