"""How long a newcomer waits for prebuilt models' first answers: from a wheel, without a network.

    python benchmarks/first_answers.py

builds the wheel, installs it with its dependencies into an empty virtual environment (the only step
that needs a package index), and there asks each prebuilt model, in processes of their own that can
reach no network (`unshare --net`, where the system allows it; otherwise every connection is
refused): ten recommendations for a known user, for three films and for a sentence. The titles must
be those that the checkout gives. Writes the seconds of each step, imports included, to
`benchmarks/results/first_answers.csv`: the median of --times processes. A model that knows people
by their ids alone refuses the films, and has no number there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import click
import numpy as np
from quality import RESULTS

from tfrec_fusion import zoo
from tfrec_fusion.evaluation.report import ReportRow, print_table, write_csv
from tfrec_fusion.zoo.prebuilt.card import cards

ROOT = Path(__file__).resolve().parent.parent
ASK = """
import json, socket, sys, time

def refuse(*_):
    raise OSError("no network here")

socket.socket.connect = refuse
seconds, began = {}, time.perf_counter()

def lap(step):
    global began
    seconds[step] = time.perf_counter() - began
    began = time.perf_counter()

from tfrec_fusion import zoo
zoo.load
lap("imports")
model = zoo.load(sys.argv[1])
lap("load")
for step, (asked, titles) in json.loads(sys.argv[2]).items():
    received = model.recommend(**asked)["title"].tolist()
    assert received == titles, (step, received, titles)
    lap(step)
print(json.dumps(seconds))
"""
QUESTIONS: dict[str, dict[str, Any]] = {
    "known user": {"user_id": "1"},
    "three films": {"history": ["Toy Story", "Finding Nemo", "Ratatouille"]},
    "sentence": {"text": "a western with gunfighters"},
}


def expected(name: str) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Each question that the model answers, and the titles it gives from the checkout."""
    model = zoo.load(name)
    answers: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for step, question in QUESTIONS.items():
        try:
            answers[step] = question, model.recommend(**question)["title"].tolist()
        except ValueError as error:
            if "history" not in question or "by their ids alone" not in str(error):
                raise
    return answers


def environment(folder: Path) -> Path:
    """A new virtual environment with the wheel; gives its Python."""
    source, wheels = folder / "source", folder / "wheels"  # building leaves files behind
    shutil.copytree(
        ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info")
    )
    build = ["-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(wheels), str(source)]
    subprocess.run([sys.executable, *build], check=True)
    (wheel,) = wheels.glob("*.whl")
    click.echo(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", err=True)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
    pinned = ["--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "constraints.txt")]
    subprocess.run([*install, *pinned], check=True)
    subprocess.run([*install, str(wheel)], check=True)
    return python


def asked(python: Path, name: str, questions: str, folder: Path) -> dict[str, float]:
    """Seconds of each step, and of the whole process, in a process of its own."""
    alone = ["unshare", "--net", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        alone = []
    command = [*alone, str(python), "-c", ASK, name, questions]
    done = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**seconds, "all": sum(seconds.values())}


@click.command()
@click.option("--times", default=3, show_default=True, help="Processes a model.")
def main(times: int) -> None:
    """Installs, asks, prints the table and writes the CSV."""
    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        python = environment(folder)
        for name in cards():
            questions = json.dumps(expected(name))
            taken = [asked(python, name, questions, folder) for _ in range(times)]
            median = {step: float(np.median([one[step] for one in taken])) for step in taken[0]}
            rows.append(ReportRow(name, median))
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / "first_answers.csv", rows)
    print_table(rows, title="seconds")


if __name__ == "__main__":
    main()
