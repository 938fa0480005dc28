"""The harness that kills programs: what it counts, and when it strikes."""

import errno
import signal

import pytest
from killer import Killer

WRITES = """
import os, shutil, sys
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "sub").mkdir()
(folder / "one").write_text("1")
os.replace(folder / "one", folder / "two")
(folder / "two").read_text()
shutil.rmtree(folder / "sub")
(folder.parent / "elsewhere").write_text("not counted")
with (folder / "large").open("wb") as file:
    file.write(bytes(5000))
print("done")
"""


@pytest.fixture(scope="module")
def killer():
    with Killer(imports=()) as killer:
        yield killer


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_counts_and_kills_before_each_change(killer, tmp_path):
    found = []
    for at in (None, 1, 2, 3, 4, 5):
        folder = tmp_path / str(at)
        folder.mkdir()
        ended = killer.run(WRITES, [folder], folder=folder, at=at)
        assert ended.killed == (at is not None)
        found.append((ended.code, ended.changes, ended.output, names(folder)))
    dead = -signal.SIGKILL
    assert found == [
        (0, 5, "done\n", ["large", "two"]),
        (dead, 1, "", []),
        (dead, 2, "", ["sub"]),
        (dead, 3, "", ["one", "sub"]),
        (dead, 4, "", ["sub", "two"]),
        (dead, 5, "", ["two"]),
    ]


def test_a_full_disk_stays_full_but_lets_files_go(killer, tmp_path):
    ended = killer.run(WRITES, [tmp_path], folder=tmp_path, at=3, errno=errno.ENOSPC)
    assert ended.code == 1 and "No space left on device" in ended.errors
    assert names(tmp_path) == ["two"]  # renamed, and the folder is removed


def test_a_limit_tears_a_write(killer, tmp_path):
    failed, torn = tmp_path / "failed", tmp_path / "torn"
    for folder in (failed, torn):
        folder.mkdir()
    ended = killer.run(WRITES, [failed], folder=failed, limit=4096)
    assert ended.code == 1 and "File too large" in ended.errors
    ended = killer.run(WRITES, [torn], folder=torn, limit=4096, torn=True)
    assert ended.code == -signal.SIGXFSZ and ended.killed
    assert (failed / "large").stat().st_size == (torn / "large").stat().st_size == 4096
