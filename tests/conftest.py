"""What every test relies on: quiet TensorFlow, one thread a worker, reproducible properties."""

import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

import pytest
from clean_process import clean_processes  # noqa: F401 (a fixture)
from hypothesis import Phase, settings

# Whoever only asks whether a test fails need not wait for the smallest example.
PHASES = (Phase.explicit, Phase.generate) if "HYPOTHESIS_NO_SHRINKING" in os.environ else Phase
settings.register_profile("reproducible", deadline=None, derandomize=True, phases=tuple(PHASES))
settings.load_profile("reproducible")


@pytest.fixture(scope="session")
def killer():
    """A process that has imported the command line, and forks for programs that are killed."""
    from killer import Killer

    imports = ("tfrec_fusion.zoo.cli.demonstration", "tfrec_fusion.zoo.prebuilt.publishing")
    with Killer(imports) as killer:
        yield killer


@pytest.fixture(scope="session")
def served_folder(tmp_path_factory):
    """A folder of two models, `films` and `wishes`, version 1 of each: see serving_models."""
    import serving_models

    folder = tmp_path_factory.mktemp("served")
    for name in ("films", "wishes"):
        (folder / name).mkdir()
    serving_models.export_films(folder / "films", 1)
    serving_models.write_wishes(folder / "wishes", 1)
    return folder


@pytest.fixture(scope="session")
def local_server(served_folder):
    """The local server over that folder, on free ports."""
    from tfrec_fusion.serving.local.server import LocalServer

    with LocalServer(served_folder, port=0, grpc_port=0) as server:
        yield server


@pytest.fixture(scope="session")
def saved_runs(tmp_path_factory):
    """A folder of three runs, `ease`, `gmf` and their `ensemble`: see saved_runs.py."""
    from saved_runs import write_runs

    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder)
    return folder


@pytest.fixture
def copied_run(saved_runs, tmp_path):
    """Copies one of these runs, by its name."""
    return lambda name: shutil.copytree(saved_runs / name, tmp_path / name)
