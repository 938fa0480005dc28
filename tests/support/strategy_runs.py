"""Trains networks through `zoo.runs.train` on one device and on two, and prints their distance.

A program of its own, because devices are divided once a process:

    strategy_runs.py FOLDER CASE:POLICY …     CASE:POLICY:command trains by the command line
"""

import json
import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from command_line import run as run_command
from leak_tables import WORDS, tables
from model_keywords import keywords_for
from tiny_bert import save_tiny_bert

from tfrec_fusion.zoo.runs.run import load_run
from tfrec_fusion.zoo.runs.train import train

# Nothing is drawn inside the models: each replica would draw for itself.
SMALL = {"dim": 8, "history_length": 6, "dropout": 0.0}
HYBRID = {**SMALL, "text_components": 4, "id_dropout": 0.0, "text_dropout": 0.0}
GRAPH = {"graph_dim": 4, "num_neighbors": 64, "graph_dropout": 0.0, "triple_weight": 0.0}
EVIDENCE = {**SMALL, "text_components": 4, "id_dropout": 0.0, "negatives": 2, "reasoning_units": 8}
CASES = {
    "gmf": ("gmf", {"gmf_dim": 4}),
    "mlp": ("mlp", {"mlp_dim": 4, "mlp_units": (8,)}),
    "neumf": ("neumf", {"gmf_dim": 4, "mlp_dim": 4, "mlp_units": (8,)}),
    "two_tower": ("two_tower", {**SMALL, "query": "user_id+history"}),
    "text_hybrid": ("text_hybrid", HYBRID),
    "gpt2_hybrid": ("gpt2_hybrid", HYBRID),
    "lora": ("gpt2_hybrid", {**HYBRID, "text_mode": "lora", "lora_rank": 2}),
    "knowledge_hybrid": ("knowledge_hybrid", {**HYBRID, **GRAPH}),
    "multi_task": (
        "multi_task",
        {**HYBRID, "pairs": 2, "expert_units": (8,), "tasks": ("rating",)},
    ),
    "profile_fusion": ("profile_fusion", EVIDENCE),
}


def main(folder, *asked):
    """Prints a line of JSON for each case."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    folder = Path(folder)
    os.environ["TFREC_FUSION_CACHE"] = str(folder / "cache")
    preset = save_tiny_bert(folder / "tiny_bert", (*WORDS, *tables().items["text"]))
    for one in asked:
        case, policy, *by_command = one.split(":")
        keras.config.set_dtype_policy(policy)
        runs = [
            by_the_command(case, strategy, folder / f"{one}-{strategy}")
            if by_command
            else by_python(case, strategy, folder / f"{one}-{strategy}", preset)
            for strategy in ("none", "mirrored")
        ]
        keras.config.set_dtype_policy("float32")
        print(json.dumps({"case": case, **compared(runs)}), flush=True)


def by_python(case, strategy, out, preset):
    """A run: trained, refitted, read back."""
    name, hyperparameters = CASES[case]
    options = {
        "strategy": strategy,
        "epochs": 2,
        "batch_size": None if name in ("gmf", "mlp", "neumf") else 16,
        "progress": False,
        **keywords_for(name, part_epochs=1, text_preset=preset),
    }
    return train(name, tables(), out, **options, **hyperparameters)


def by_the_command(case, strategy, out):
    """The same by `train`, from files."""
    data = out.with_name("data")
    data.mkdir(exist_ok=True)
    tables().interactions.drop(columns="text").to_csv(data / "interactions.csv", index=False)
    tables().items.to_csv(data / "items.csv", index=False)
    name, hyperparameters = CASES[case]
    choices = [f"--{key.replace('_', '-')}={value}" for key, value in hyperparameters.items()]
    where = ("--data", data, "--out", out)
    run_command("train", name, *where, "--strategy", strategy, "--epochs", 2, *choices)
    return load_run(out)


def compared(runs):
    """How far a model trained on two devices is from that of one, in float32 numbers."""
    users = np.arange(len(runs[0].users))
    models = [run.model.score_model(run.known_at_test) for run in runs]
    scores = [np.asarray(model({"user_id": users})["scores"]) for model in models]
    one, two = (found[1:, 1:] for found in scores)
    training = [run.info["training"] for run in runs]
    return {
        "policies": [run.model.dtype_policy.name for run in runs],
        "dtypes": [found.dtype.name for found in scores],
        "strategies": [run.info["options"]["strategy"] for run in runs],
        "devices": len(tf.config.list_logical_devices("CPU")),
        "losses": [one["history"]["loss"] for one in training],
        "validation": [next(iter(one["validation"].values())) for one in training],
        "test": [run.info["test"]["ndcg@10"] for run in runs],
        "apart": float(np.abs(one - two).max()),
        "spread": float(one.std()),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
