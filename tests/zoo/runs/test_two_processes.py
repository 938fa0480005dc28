"""One seed gives one model, whatever process trains it, and whatever that has imported before."""

import os
import subprocess
import sys

from checkout import ROOT

TRAIN = """
import hashlib, sys
from pathlib import Path
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.train import train

if sys.argv[2:] == ["all models"]:  # imports draw random numbers
    for spec in zoo.specs().values():
        spec.load()

tables = generate(num_users=20, num_items=15, num_interactions=200, seed=1)
options = {"epochs": 1, "refit": False, "progress": False}
run = train("two_tower", tables, Path(sys.argv[1]), **options)
digest = hashlib.sha256(b"".join(one.tobytes() for one in run.model.get_weights()))
print(digest.hexdigest(), run.info["test"]["ndcg@10"])
"""


def test_equal_seeds_give_equal_weights_in_two_processes(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, tmp_path / str(seed), *imported],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        )
        for seed, imported in ((1, ()), (2, ("all models",)))
    ]
    one, other = (process.communicate(timeout=300)[0].split() for process in processes)
    assert len(one) == 2 and one == other
