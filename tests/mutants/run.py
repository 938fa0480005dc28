"""Breaks the sources in one small way at a time and sees whether the tests notice.

General tools change operators and constants; what goes wrong in a recommender is rather that a
part of the data is handed on that must not be, or an argument is not handed on at all. So the
mutants are written by hand, in the tables beside this file, one for each area:

    [[mutant]]
    file = "zoo/runs/train.py"
    find = "data.train_and_validation, data.test"  # occurs exactly once in the file
    replace = "data.train, data.test"
    why = "the validation part is not known at test"
    tests = ["tests/zoo/models/test_models.py::test_a_run"]  # that should notice
    leaks = true  # where held-out data reach what is trained or chosen; false by default

A mutant is caught when a test fails or takes too long. Tests that cannot be collected say nothing,
so that they are an error of the table, unless importing is what the mutant breaks.
"""

from __future__ import annotations

import csv
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
TABLES = Path(__file__).parent
CAUGHT, SURVIVED, ERROR = "caught", "SURVIVED", "ERROR"
PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Mutant:
    """One change that tests must notice; see the module."""

    area: str
    file: str
    find: str
    replace: str
    why: str
    tests: tuple[str, ...]
    leaks: bool = False


def read_mutants() -> list[Mutant]:
    """The mutants of all tables, area by area."""
    found = []
    for path in sorted(TABLES.glob("*.toml")):
        rows = tomllib.loads(path.read_text("utf-8"))["mutant"]
        found += [Mutant(path.stem, **{**row, "tests": tuple(row["tests"])}) for row in rows]
    return found


def mutated(mutant: Mutant, source: str) -> str:
    """A source with the change.

    Raises:
        ValueError: When the text to replace does not occur exactly once.
    """
    if (times := source.count(mutant.find)) != 1:
        raise ValueError(f"{mutant.file}: {mutant.find!r} occurs {times} times instead of once.")
    return source.replace(mutant.find, mutant.replace)


def copy_of_sources(folder: Path) -> Path:
    """Copies what git tracks, and what it would track."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def run_tests(folder: Path, tests: Iterable[str], seconds: float) -> tuple[int | None, str]:
    """pytest's exit code, None when it takes too long, and its output."""
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "HYPOTHESIS_NO_SHRINKING": "1",  # it takes minutes, and the failure is known already
    }
    call = subprocess.Popen(
        [*PYTEST, *tests],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = call.communicate(timeout=seconds)
        return call.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(call.pid, 9)  # with the processes that tests have started
        call.wait()
        return None, ""


def outcome(mutant: Mutant, folder: Path, seconds: float) -> tuple[str, str]:
    """What the tests said of a mutant, and the end of their output."""
    path = folder / mutant.file
    source = path.read_text("utf-8")
    try:
        path.write_text(mutated(mutant, source), "utf-8")
        code, output = run_tests(folder, mutant.tests, seconds)
    finally:
        path.write_text(source, "utf-8")
    broken_import = "ImportError" in output and mutant.file in output
    if code in (None, 1) or (code != 0 and broken_import):
        return CAUGHT, output
    return (SURVIVED if code == 0 else ERROR), output


def write_table(path: Path, rows: Sequence[tuple[Mutant, str, float]]) -> None:
    """One line a mutant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("area", "file", "why", "leaks", "outcome", "seconds"))
        for one, said, took in rows:
            writer.writerow((one.area, one.file, one.why, int(one.leaks), said, round(took, 1)))


def shares(rows: Sequence[tuple[Mutant, str, float]]) -> bool:
    """Prints the share that was caught, area by area; whether it is enough."""
    groups = {
        area: [row for row in rows if row[0].area == area]
        for area in dict.fromkeys(row[0].area for row in rows)
    }
    groups |= {"leaking": [row for row in rows if row[0].leaks], "all": list(rows)}
    caught = {name: sum(said == CAUGHT for _, said, _ in some) for name, some in groups.items()}
    for name, some in groups.items():
        if some:
            click.echo(
                f"{name:15} {caught[name]:4} of {len(some):4} {caught[name] / len(some):6.1%}"
            )
    return caught["all"] >= 0.95 * len(rows) and caught["leaking"] == len(groups["leaking"])


@click.command()
@click.option("--area", multiple=True, help="Only tables of these names.")
@click.option("--only", default="", help="Only mutants whose file or reason has this text.")
@click.option("--jobs", default=1, show_default=True, help="How many at a time.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds for a mutant's tests.")
@click.option("--sound/--assume-sound", default=True, help="Whether to run tests unchanged first.")
@click.option("--output", is_flag=True, help="Show what the tests printed.")
def main(
    area: tuple[str, ...], only: str, jobs: int, timeout: float, sound: bool, output: bool
) -> None:
    """Tries every mutant; ends with 1 when too few are caught, or one that leaks is not."""
    mutants = [one for one in read_mutants() if only in one.file + " " + one.why]
    mutants = [one for one in mutants if not area or one.area in area]
    if not mutants:
        raise click.UsageError("No mutant is chosen.")
    with tempfile.TemporaryDirectory() as made:
        copies: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            copies.put(copy_of_sources(Path(made) / str(number)))
        tests = list(dict.fromkeys(test for one in mutants for test in one.tests))
        if sound:
            code, said = run_tests(copies.queue[0], tests, timeout * len(tests))
            if code != 0:
                raise click.ClickException(f"Tests must pass on unchanged sources.\n{said[-3000:]}")

        def tried(mutant: Mutant) -> tuple[Mutant, str, float]:
            copy, started = copies.get(), time.perf_counter()
            try:
                said, printed = outcome(mutant, copy, timeout)
            finally:
                copies.put(copy)
            took = time.perf_counter() - started
            click.echo(f"{said:8} {took:5.0f} s  {mutant.area}: {mutant.file}: {mutant.why}")
            if output or said == ERROR:
                click.echo(printed[-2000:])
            return mutant, said, took

        with ThreadPoolExecutor(jobs) as pool:
            rows = list(pool.map(tried, mutants))
    write_table(ROOT / "build" / "mutants.csv", rows)
    raise SystemExit(0 if shares(rows) else 1)


if __name__ == "__main__":
    main()
