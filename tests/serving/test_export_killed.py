"""An export that is killed at any moment leaves whole versions, or nothing that a server sees."""

import subprocess
import sys
import time

import numpy as np
import pytest
from checkout import child_environment

from tfrec_fusion.serving.export.bundle import labels_of, versions_of
from tfrec_fusion.serving.export.folder_check import check_version, verify_folder

EXPORT = """
import sys
from served_parts import SCORES, SMALL
from serving_models import table_model
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.served import ServedModels
print("begun", flush=True)
export(ServedModels(table_model("user_id", SCORES)), sys.argv[1], **SMALL)
"""
KILLED = 20


def begun(folder):
    command = [sys.executable, "-c", EXPORT, str(folder)]
    environment = child_environment()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.slow
def test_only_whole_versions_are_seen(tmp_path):
    folder = tmp_path / "table"
    process, start = begun(folder), time.monotonic()
    assert process.wait() == 0
    lasts = time.monotonic() - start
    whole = 1
    for moment in np.random.default_rng(0).uniform(0, 1.1 * lasts, KILLED):
        process = begun(folder)
        time.sleep(moment)
        process.kill()
        process.wait()
        versions = versions_of(folder)
        assert len(versions) - whole in (0, 1)
        whole = len(versions)
        for version in versions:
            check_version(folder / str(version))
        assert labels_of(folder)["stable"] == 1
    assert begun(folder).wait() == 0
    assert len(verify_folder(folder)) == whole + 1
