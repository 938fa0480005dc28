"""Every network trains through `zoo.runs.train` on two devices to what it comes to on one."""

import json
import subprocess
import sys

import pytest
from checkout import ROOT, child_environment
from model_keywords import NETWORKS

from tfrec_fusion.training.distribution import distribution_strategy

POLICIES = ("float32", "mixed_bfloat16")
# What networks are made of: pretraining stages, refits, an adapted language model, several losses.
CASES = (*NETWORKS, "lora")
# Scores of one device and of two, over their deviation. Sums are taken in another order, and Adam
# divides small gradients by their own size; half precision rounds at every layer.
APART = {"float32": 0.05, "mixed_bfloat16": 0.15}


def check(folder, *asked):
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "strategy_runs.py"),
        str(folder),
        *asked,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1200, check=False, env=child_environment()
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == len(asked)
    for one, request in zip(found, asked, strict=True):
        policy = request.split(":")[1]
        assert one["policies"] == [policy] * 2 and one["dtypes"] == ["float32"] * 2
        assert one["strategies"] == ["none", "mirrored"] and one["devices"] == 2
        # The mean that is shown counts the rows that fill a batch up.
        for mine, its in zip(*one["losses"], strict=True):
            assert its == pytest.approx(mine, rel=0.02)
        assert one["validation"][1] == pytest.approx(one["validation"][0], abs=0.02)
        assert one["test"][1] == pytest.approx(one["test"][0], abs=0.02)
        assert one["apart"] < APART[policy] * one["spread"], one


def test_two_devices_train_as_one_by_the_command_and_in_half_precision(tmp_path):
    check(tmp_path, "gmf:float32:command", "gmf:mixed_bfloat16")


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", CASES)
def test_two_devices_train_every_network_as_one(name, policy, tmp_path):
    check(tmp_path, f"{name}:{policy}")


def test_a_process_has_one_strategy_of_a_name():
    assert distribution_strategy("mirrored") is distribution_strategy("mirrored")
