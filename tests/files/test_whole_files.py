"""Files that are whole whoever writes, what killed writers leave, and what a full disk says."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from killer import Killer

from tfrec_fusion.errors import AlreadyExists, InvalidInput, SystemRefusal
from tfrec_fusion.files import whole
from tfrec_fusion.files.lock import Busy, only_writer
from tfrec_fusion.files.refusals import refusal, refused
from tfrec_fusion.files.whole import (
    copy_whole,
    remove_leftovers,
    settle,
    staging,
    whole_file,
    whole_folder,
    whole_path,
    write_text,
)


@pytest.fixture(scope="module")
def killer():
    with Killer(imports=("tfrec_fusion.files.whole", "tfrec_fusion.files.lock")) as killer:
        yield killer


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# === Several writers ===

WRITER = """
import json, sys
from tfrec_fusion.files.whole import write_text
path, me, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.stdin.readline()
for number in range(times):
    text = me * (1000 + 7919 * number % 60_000)
    write_text(path, json.dumps({"writer": me, "text": text}))
"""
READER = """
import json, select, sys
found = {"whole": 0, "broken": 0}
sys.stdin.readline()
while found["whole"] < int(sys.argv[2]) or not select.select([sys.stdin], [], [], 0)[0]:
    try:
        said = json.loads(open(sys.argv[1]).read())
        found["whole" if set(said["text"]) == {said["writer"]} else "broken"] += 1
    except (ValueError, OSError):
        found["broken"] += 1
print(json.dumps(found))
"""


def contend(path, times):
    """Four processes write a file, two read it; what the readers found, and errors."""
    write_text(path, json.dumps({"writer": "0", "text": "0"}))
    programs = [(WRITER, str(me), str(times)) for me in range(1, 5)] + [(READER, str(times))] * 2
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for program, *given in programs
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes[:4]]
    found = [json.loads(process.communicate("stop\n")[0]) for process in processes[4:]]
    assert [process.returncode for process in processes] == [0] * 6, errors
    assert names(path.parent) == [path.name]
    return found


@pytest.mark.parametrize("times", [50, pytest.param(1600, marks=pytest.mark.slow)])
def test_several_processes_write_and_read_one_file(times, tmp_path):
    found = contend(tmp_path / "run.json", times)
    assert all(one["whole"] >= times and one["broken"] == 0 for one in found)


def test_each_writer_has_a_name_of_its_own(tmp_path):
    path = tmp_path / "x"
    with whole_file(path) as first, whole_file(path) as second:
        first.write(b"first")
        second.write(b"second")
        first_part, second_part = names(tmp_path)
        assert first_part != second_part
    assert path.read_bytes() == b"first"  # which was finished last
    assert names(tmp_path) == ["x"]


def test_the_file_has_the_usual_rights(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "x", "text")
        with whole_path(tmp_path / "y.keras", ".keras") as part:
            assert part.name.endswith(".keras") and part.parent == tmp_path
            part.write_text("model")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / one).stat().st_mode) for one in ("x", "y.keras")} == {0o640}
    assert (tmp_path / "y.keras").read_text() == "model"


def test_a_name_as_long_as_the_system_allows(tmp_path):
    for letter in "xé":
        name = letter * (255 // len(letter.encode()))
        write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"
    with pytest.raises(SystemRefusal, match=r"y{256} cannot be written: .* Choose a shorter name"):
        write_text(tmp_path / ("y" * 256), "text")


def test_a_folder_or_device_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InvalidInput, match="is a folder or a device"):
            write_text(path, "text")
    assert names(tmp_path) == ["pipe"]


def test_a_copy_is_whole(tmp_path):
    (tmp_path / "source").write_bytes(b"all of it")
    copy_whole(tmp_path / "source", tmp_path / "new" / "target")
    assert (tmp_path / "new" / "target").read_bytes() == b"all of it"
    with pytest.raises(FileNotFoundError, match="absent"):
        copy_whole(tmp_path / "absent", tmp_path / "new" / "target")
    assert (tmp_path / "new" / "target").read_bytes() == b"all of it"


# === Killed writers ===

REWRITE = """
import sys
from tfrec_fusion.files.whole import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"new" * 10_000)
"""
MAKE_FOLDER = """
import sys
from tfrec_fusion.files.whole import whole_folder, write_text
with whole_folder(sys.argv[1], replace=True) as made:
    write_text(made / "a", "new")
    write_text(made / "b", "new")
"""


def test_a_killed_writer_leaves_the_old_file_and_its_part_goes_with_the_next(killer, tmp_path):
    path, left = tmp_path / "x", 0
    ways = [{"at": at} for at in range(1, 5)]
    for way in (*ways, {"limit": 4096, "torn": True}):
        path.write_bytes(b"old")
        assert killer.run(REWRITE, [path], folder=tmp_path, **way).killed
        assert path.read_bytes() == b"old"
        left += len(names(tmp_path)) - 1
        write_text(tmp_path / "other", "text")
        assert names(tmp_path) == ["other", "x"]
        (tmp_path / "other").unlink()
    assert left == 3  # opened, not yet renamed, torn
    assert killer.run(REWRITE, [path], folder=tmp_path).code == 0
    assert path.read_bytes() == b"new" * 10_000


def test_a_folder_is_as_before_or_new_wherever_its_writer_is_killed(killer, tmp_path):
    target, seen = tmp_path / "model", set()
    for at in range(1, 100):
        target.mkdir(exist_ok=True)
        for one in ("a", "b"):
            (target / one).write_text("old")
        ended = killer.run(MAKE_FOLDER, [target], folder=tmp_path, at=at)
        if not ended.killed:
            break
        if target.exists():
            texts = {(target / one).read_text() for one in ("a", "b")}
            assert len(texts) == 1
            seen |= texts
        assert killer.run(MAKE_FOLDER, [target], folder=tmp_path).code == 0
        assert names(tmp_path) == ["model"] and names(target) == ["a", "b"]
    assert at > 8 and seen == {"old", "new"}


def test_what_is_being_written_is_no_leftover(tmp_path):
    with whole_file(tmp_path / "x") as file, staging(tmp_path / "folder") as made:
        file.write(b"begun")
        made.mkdir()
        assert len(names(tmp_path)) == 2
        remove_leftovers(tmp_path)
        assert len(names(tmp_path)) == 2 and made.is_dir()
        settle(made, tmp_path / "folder")
    assert names(tmp_path) == ["folder", "x"]


def test_other_hidden_files_are_no_leftovers(tmp_path):
    mine = [".part", ".x.part", "x.0123456789abcdef.part", ".x.0123456789abcdeg.part"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".x.0123456789abcdef.part").write_text("left")
    (tmp_path / ".m.0123456789abcdef.part.keras").write_text("left")
    (tmp_path / ".d.0123456789abcdef.part" / "sub").mkdir(parents=True)
    write_text(tmp_path / "y", "text")
    assert names(tmp_path) == sorted([*mine, "y"])


def test_a_folder_that_is_there_stays(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("mine")
    with (
        pytest.raises(AlreadyExists, match="made by another"),
        whole_folder(tmp_path / "model") as made,
    ):
        made.mkdir()
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["mine"]


# === One writer for a folder ===

HOLD = """
import sys
from tfrec_fusion.files.lock import only_writer
with only_writer(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""
WAIT = """
import os, sys
from tfrec_fusion.files.lock import only_writer
print("waits", flush=True)
with only_writer(sys.argv[1], wait=60):
    print(os.listdir(sys.argv[1]))
"""


def test_a_second_process_gets_one_message_and_a_killed_one_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy) as refused, only_writer(tmp_path, wait=0.1):
            pass
        assert str(refused.value).startswith(
            f"Another process writes to {tmp_path}. Wait until it has ended, or choose another "
        )
        other.kill()
        other.wait()
        with only_writer(tmp_path, wait=0):
            assert names(tmp_path) == []  # nothing to pack or to leave behind


def test_the_second_waits_until_the_first_has_ended(tmp_path):
    with only_writer(tmp_path):
        second = subprocess.Popen(
            [sys.executable, "-c", WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert second.stdout.readline() == "waits\n"
        (tmp_path / "made").write_text("by the first")
    assert second.communicate()[0] == "['made']\n" and second.returncode == 0


# === A disk that is full ===


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device. Free space there, or choose a folder on another"),
        (errno.EDQUOT, "Disk quota exceeded. Free space of your quota there"),
        (errno.EFBIG, r"File too large. Raise the limit on the size of files \(`ulimit -f`\)"),
        (errno.EROFS, "Read-only file system. Choose a folder on a disk that is not read-only"),
        (errno.EACCES, "Permission denied. Choose a folder that you may write to"),
    ],
)
def test_a_refusal_names_the_file_and_the_remedy(number, words, tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    told = pytest.raises(SystemRefusal, match=rf"/x cannot be written: {words}")
    with told as caught, whole_file(path) as file:
        file.write(b"new")
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number and str(caught.value).endswith("what was finished is kept.")
    assert path.read_text() == "old" and names(tmp_path) == ["x"]


def test_troubleshooting_quotes_what_is_said(tmp_path):
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    assert str(refusal("runs/mine/model.keras", errno.ENOSPC)) in page
    with pytest.raises(Busy) as told, only_writer(tmp_path), only_writer(tmp_path, wait=0):
        pass
    assert str(told.value).replace(str(tmp_path), "runs/mine") in page


def test_errors_of_other_files_and_other_kinds_pass(tmp_path):
    with pytest.raises(PermissionError, match="/elsewhere"), whole_file(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/y")
    with pytest.raises(KeyError), whole_file(tmp_path / "x"):
        raise KeyError("No such key")
    assert names(tmp_path) == []


def test_the_words_of_other_libraries_are_understood():
    assert refused(RuntimeError("/a/b; No space left on device [Op:SaveV2]")) == errno.ENOSPC
    assert refused(RuntimeError("/a/b; Permission denied")) is None  # perhaps of what is read
    hidden = ValueError("Can't close the ZIP file")
    hidden.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert refused(hidden) == errno.ENOSPC
    by_chance = TypeError("a fault")
    by_chance.__context__ = PermissionError(errno.EACCES, "Permission denied", "cache")
    assert refused(by_chance) is None


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_disk_that_fills_at_any_change_leaves_nothing_half_written(at, killer, tmp_path):
    target = tmp_path / "new" / "x"
    ended = killer.run(REWRITE, [target], folder=tmp_path, at=at, errno=errno.ENOSPC)
    assert ended.code == 1 and f"SystemRefusal: {target} cannot be written" in ended.errors
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_write_that_fails_in_the_middle_leaves_the_old_file(killer, tmp_path):
    (tmp_path / "x").write_text("old")
    ended = killer.run(REWRITE, [tmp_path / "x"], folder=tmp_path, limit=4096)
    assert f"{tmp_path / 'x'} cannot be written: File too large" in ended.errors
    assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


@pytest.mark.parametrize("open_one", [whole_path, whole_folder])
def test_a_beginning_that_another_takes_for_a_leftover_is_begun_again(
    open_one, tmp_path, monkeypatch
):
    locks, lock = iter([False]), whole.try_lock
    monkeypatch.setattr(whole, "try_lock", lambda open_file: next(locks, True) and lock(open_file))
    with open_one(tmp_path / "target") as part:
        if open_one is whole_folder:
            part.mkdir()
        else:
            part.write_text("whole")
    assert [one.name for one in tmp_path.iterdir()] == ["target"]
