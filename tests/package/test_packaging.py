import configparser
import importlib
import re
import subprocess
import sys
import time

import pytest
from checkout import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tfrec_fusion

PYTHONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(setup):
    """Every direct requirement: the core's and the extras'."""
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line.strip() for text in lists for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned():
    """The requirements of constraints.txt with their hashes."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rows = [line.split(" --hash=") for line in lines]
    return [(Requirement(row[0]), [one.strip() for one in row[1:]]) for row in rows]


def test_the_console_command_is_the_module(setup):
    scripts = setup["options.entry_points"]["console_scripts"].strip()
    assert scripts == "tfrec-zoo = tfrec_fusion.zoo.cli.command_line:main"
    assert callable(importlib.import_module("tfrec_fusion.zoo.cli.command_line").main)


def test_the_version_is_read_from_the_package(setup):
    assert setup["metadata"]["version"] == "attr: tfrec_fusion.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", tfrec_fusion.__version__)


def test_extras_keep_the_core_light(setup):
    core = {Requirement(line).name for line in setup["options"]["install_requires"].split("\n")[1:]}
    extras = set(setup["options.extras_require"])
    assert extras == {"serving", "scann", "notebooks", "docs", "dev"}
    assert not core & {"scann", "fastapi", "uvicorn", "pytest"}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_once_for_each_python(python, setup):
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    pins = {}
    for pin, _ in pinned():
        if pin.marker is None or pin.marker.evaluate(environment):
            name = canonicalize_name(pin.name)
            assert name not in pins
            pins[name] = pin.specifier
    for requirement in requirements(setup):
        (pin,) = pins[canonicalize_name(requirement.name)]
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), f"{requirement} but {pin}"


def test_every_pin_is_exact_and_carries_sha256_hashes():
    pins = pinned()
    assert len(pins) > 100
    for pin, hashes in pins:
        assert [one.operator for one in pin.specifier] == ["=="], pin
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in hashes), pin


def test_installation_checks_the_hashes_of_all_it_downloads():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (made,) = [number for number, line in enumerate(lines) if line.startswith("$(READY):")]
    installs = [line.strip() for line in lines[made:] if " install " in line]
    assert installs == [
        "@$(BIN)/python $(PIP) install $(PINNED)",
        "@$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .",
    ]
    assert "PINNED := --require-hashes --only-binary :all: --no-deps -r constraints.txt" in lines


def test_importing_the_package_imports_none_of_its_dependencies():
    for package in ("tfrec_fusion", "tfrec_fusion.zoo"):
        code = f"import sys; before = set(sys.modules); import {package}; "
        code += "print(*sorted(set(sys.modules) - before - sys.stdlib_module_names))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
        )
        loaded = {name.split(".")[0] for name in done.stdout.split()}
        assert loaded - sys.stdlib_module_names == {"tfrec_fusion"}, done.stderr


@pytest.mark.slow
def test_importing_costs_at_most_a_tenth_more_than_keras():
    def seconds(code):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
        return time.perf_counter() - began

    keras, ours = [], []
    for _ in range(4):
        keras.append(seconds("import tensorflow, keras"))
        ours.append(seconds("import tfrec_fusion, tensorflow, keras"))
    assert min(ours) <= 1.10 * min(keras)
