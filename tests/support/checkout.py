"""The folder of the checkout, and what a test's child process needs to import from it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def child_environment(**variables):
    """The environment of a child process that imports the package and the tests' modules."""
    folders = sorted({str(path.parent) for path in (ROOT / "tests").rglob("*.py")})
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *folders]), **variables}
