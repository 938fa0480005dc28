"""The package as pip installs it: built from the tracked files, without the checkout around it."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy
from checkout import ROOT

SOURCES = ("tfrec_fusion", "zoo", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the package in it.

    Attributes:
        python: Its interpreter.
        folder: Where its packages are.
        files: Names in the wheel.
    """

    python: Path
    folder: Path
    files: frozenset[str]


def tracked(*paths):
    """Files of the repository below some paths, those that are not yet committed included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted({name for name in done.stdout.splitlines() if (ROOT / name).exists()})


def copied_sources(folder):
    """Copies what a wheel is made of into a new folder, links as links."""
    for name in tracked(*SOURCES, "LICENSE"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target, follow_symlinks=False)


def files_of(wheel):
    """Names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as file:
        return frozenset(one for one in file.namelist() if not one.endswith("/"))


def installed_wheel(folder):
    """Builds the wheel and installs it into a new virtual environment in `folder`.

    The dependencies are those of this environment; an editable install is not among them, for only
    this environment's own Python reads the file that names it.
    """
    copied_sources(folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation"]
    build += ["--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")]
    subprocess.run(make, check=True, capture_output=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(numpy.__file__).parents[1]}\n")
    python = folder / "venv" / "bin" / "python"
    install = [*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*install, "--ignore-installed"], check=True, capture_output=True)
    return Installed(python, packages, files_of(wheel))


def run_installed(installed, code, *arguments):
    """Output of a program that imports the installed package, in a process of its own."""
    done = subprocess.run(
        [str(installed.python), "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=installed.folder.parent,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
