"""Errors, encodings, closed pipes and Ctrl-C, as they look in a terminal."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from checkout import ROOT
from command_line import answer, run

import tfrec_fusion
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.cli import command_line, listing
from tfrec_fusion.zoo.cli.refusals import is_of_the_user
from tfrec_fusion.zoo.cli.terminal import terminal

ELSEWHERE = (
    "choose a folder on another disk. Then run the same command again: what was finished is kept.\n"
)
TITLES = ["Amélie", "東京物語", "½ Men and “Ça”", "😀 film"]


@pytest.fixture
def failing(monkeypatch):
    """A function that makes `list` raise an error."""

    def fail(error):
        def raises(**_):
            raise error

        monkeypatch.setattr(listing.list_models, "callback", raises)

    return fail


def main(monkeypatch, *arguments):
    """The exit code of the program itself, in this process."""
    monkeypatch.setattr(sys, "argv", ["zoo", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InvalidInput("`k` is odd."), "Error: `k` is odd.\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/x"),
            "Error: '/data/x': Permission denied.\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            f"Error: No space left on device. Free space there, or {ELSEWHERE}",
        ),
        (
            RuntimeError("cannot flush\n/data/x; No space left on device"),
            f"Error: /data/x; No space left on device. Free space there, or {ELSEWHERE}",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/data/x"),
            "Error: '/data/x': Read-only file system. Choose a folder on a disk that is not "
            "read-only. Then run the same command again: what was finished is kept.\n",
        ),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", b"/data/\xff"),
            "Error: '/data/\\udcff': File name too long.\n",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_message(error, message, failing, monkeypatch, capsys):
    failing(error)
    assert main(monkeypatch, "list") == 2
    assert capsys.readouterr().err.encode("utf-8", "backslashreplace").decode() == message


@pytest.mark.parametrize(
    "error",
    [
        ValueError("shapes differ"),
        OSError("a library's own words"),
        FileNotFoundError(
            errno.ENOENT, "No such file", str(Path(tfrec_fusion.__file__).parent / "x")
        ),
        KeyError("x"),
    ],
)
def test_any_other_error_shows_where_it_was_and_how_to_report_it(
    error, failing, monkeypatch, capsys
):
    failing(error)
    assert main(monkeypatch, "list", "--pretrained") == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last)")
    assert f"\n{type(error).__name__}: {error}\n" in told
    advice = told.split(f"{error}\n")[-1]
    assert "Please report it" in advice and "command: tfrec-zoo list --pretrained\n" in advice
    assert re.search(r"Python 3\.\S+ on \w+, tfrec-fusion \S+, tensorflow 2\.\S+, keras 3", advice)


def test_errors_of_the_operating_system_are_told_apart():
    assert is_of_the_user(PermissionError(errno.EACCES, "", "file"))
    assert not is_of_the_user(PermissionError(errno.EACCES, ""))  # says not which file
    assert is_of_the_user(OSError(errno.ENOSPC, ""))
    assert not is_of_the_user(OSError(errno.EINVAL, "", "file"))
    assert not is_of_the_user(OSError("no number"))


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory):
    """A run over items whose titles ASCII and cp1252 cannot write."""
    folder = tmp_path_factory.mktemp("odd")
    tables = generate(30, 24, 300, seed=1)
    titles = [TITLES[row % len(TITLES)] for row in range(len(tables.items))]
    tables.interactions.to_parquet(folder / "interactions.parquet")
    tables.items.assign(title=titles).to_parquet(folder / "items.parquet")
    run("train", "ease", "--data", folder, "--out", folder / "run")
    return folder / "run"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_titles_are_printed_on_any_terminal(encoding, odd_run, monkeypatch):
    asked = ("recommend", odd_run, "--history", "i01")
    expected = answer(*asked)["items"]
    assert {item["title"] for item in expected} == set(TITLES)
    printed = []
    for arguments in (asked, (*asked, "--json"), ("evaluate", odd_run)):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(monkeypatch, *arguments) == 0
        stream.flush()
        printed.append(stream.buffer.getvalue().decode(encoding))
    plain = {"ascii": "Am\\u00e9lie", "cp1252": "Amélie", "utf-8": "Amélie"}[encoding]
    other = "東京物語" if encoding == "utf-8" else "\\u6771\\u4eac\\u7269\\u8a9e"
    assert plain in printed[0] and other in printed[0]
    assert json.loads(printed[1])["items"] == expected
    assert "ease" in printed[2]


def test_a_closed_pipe_ends_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tfrec_fusion.zoo", "list"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    os.close(writing)
    assert done.stderr == b"" and done.returncode == 1


def test_a_pipe_that_closes_later_ends_quietly(capfd):
    with pytest.raises(SystemExit) as ended, terminal():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert ended.value.code == 1 and capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gmf", "--learning-rate", "nan"], "--learning-rate must be above 0"),
        (["gmf", "--learning-rate", "-1"], "--learning-rate must be above 0"),
        (["gmf", "--seed", "-1"], "--seed must be from 0 to 4294967295"),
        (["gmf", "--gmf-dim", "0"], "gmf_dim"),
        (["two_tower", "--history-length", "-1"], "--history-length must be at least 1"),
        (["two_tower", "--dim", "8", "--num-heads", "3"], "heads"),
        (["two_tower", "--dim", "0"], "--dim must be at least 1"),
        (["gpt2_hybrid", "--history-length", "0"], "--history-length must be at least 1"),
        (["gpt2_hybrid", "--text-preset", "tiny_gpt3"], "tiny_gpt2"),
        (["gpt2_hybrid", "--text-length", "0"], "--text-length must be at least 1. Received: 0."),
        (["mlp", "--mlp-units", "16,0"], "--mlp-units must be at least 1"),
        (["neumf", "--l2", "nan"], "--l2 must be at least 0 and finite"),
        (["neumf", "--dropout", "1"], "--dropout must be at least 0 and below 1"),
        (["ease", "--l2", "inf"], "--l2 must be above 0 and finite"),
    ],
)
def test_odd_hyperparameters_are_refused_in_words(arguments, message, odd_run, tmp_path):
    text = () if "--text-preset" in arguments else ("--text-preset", "tiny_gpt2")
    more = (*text, "--dim", 8) if arguments[0] == "gpt2_hybrid" else ()
    out = ("--data", odd_run.parent, "--out", tmp_path / "run")
    assert message in run("train", *arguments, *more, *out, code=2).stderr


def test_a_file_where_the_run_is_to_be_is_refused(odd_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        refused = run("train", "popularity", "--data", odd_run.parent, "--out", out, code=2)
        assert re.search(r"/file(/run)?': (File exists|Not a directory)\.", refused.stderr)
    assert (tmp_path / "file").read_text() == "mine"


def test_ctrl_c_says_that_the_same_command_resumes_and_it_does(odd_run, tmp_path):
    out = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "tfrec_fusion.zoo",
        "train",
        "gmf",
        "--data",
        str(odd_run.parent),
    ]
    command += ["--out", str(out), "--gmf-dim", "4", "--no-refit", "--epochs", "10"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as first:
        for line in first.stderr:
            if "gmf: epoch 1/10" in line:
                first.send_signal(signal.SIGINT)
                break
        told = first.stderr.read()
    assert first.returncode == 130 and "Traceback" not in told
    assert told.endswith("resumes after the last epoch that was finished.\n")
    log = out / "training" / "choose_epochs-gmf" / "training.csv"
    finished = len(pd.read_csv(log))
    second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert second.returncode == 0, second.stderr[-2000:]
    lines = [line for line in second.stderr.splitlines() if line.startswith("gmf: epoch ")]
    assert lines[0].startswith(f"gmf: epoch {finished + 1}/10, ")
    assert (out / "run.json").exists()
