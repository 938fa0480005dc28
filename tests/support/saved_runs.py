"""Small run folders, whole and sound, for tests that hurt copies of them."""

from __future__ import annotations

import json

import pytest
from older_run import without_checksums
from run_tables import DATA, INTERESTS

from tfrec_fusion import zoo
from tfrec_fusion.zoo.runs.run import BrokenRun, load_run, save_ensemble, save_run

NUMBERS = {"ndcg@10": 0.25, "hr@10": 0.5}
INTERVALS = {"ndcg@10": [0.2, 0.3]}
ROW = {"model": "popularity (classic)", "metrics": NUMBERS, "intervals": INTERVALS}
COMMON = {
    "command": "tfrec-zoo train ease --data films --out runs/a",
    "data": {"name": "films", "checksum": "0", "split": "by time", "license": "", "citation": ""},
    "versions": {"python": "3.12", "keras": "3.15.1"},
    "training": {"seconds": 1.5, "validation": {"ndcg@10": 0.2}},
    "test": NUMBERS,
    "test_intervals": INTERVALS,
    "test_events": 3,
    "test_events_seen": 0,
    "rows": [ROW],
    "notes": ["a note"],
}
OPTIONS = {"seed": 0, "split": "temporal", "allow_seen": False, "text_columns": []}
TRAINING = {"seconds": 0.0, "validation": {}}
SIZES = {"num_users": len(DATA.users), "num_items": len(DATA.items)}


def write_runs(folder):
    """Writes a baseline's run, a network's and an ensemble's into a folder."""
    baseline = {"model": "ease", "hyperparameters": {"l2": 50.0}, "options": OPTIONS, **COMMON}
    ease = zoo.build("ease", l2=50.0).fit(DATA.train)
    save_run(folder / "ease", ease, DATA, baseline, INTERESTS)
    training = {"best_epoch": 2, "history": {"loss": [1.0, None]}, **COMMON["training"]}
    network = {"model": "gmf", "hyperparameters": {"gmf_dim": 2}, "options": OPTIONS, **COMMON}
    gmf = zoo.build("gmf", gmf_dim=2, **SIZES)
    save_run(folder / "gmf", gmf, DATA, {**network, "training": training})
    members = {name: load_run(folder / name) for name in ("ease", "gmf")}
    both = {
        "model": "ensemble",
        "members": {name: {"model": name, "run": f"runs/{name}"} for name in members},
        "weights": {"ease": 0.75, "gmf": 0.25},
        "scale": "ranks",
        "options": {"seed": 0, "allow_seen": False},
        **COMMON,
    }
    save_ensemble(folder / "ensemble", members, both)
    for name in (*members, "ensemble"):  # whoever forges a file forges its checksum, too
        without_checksums(folder / name)


def said(folder):
    return json.loads((folder / "run.json").read_text("utf-8"))


def write(folder, info):
    (folder / "run.json").write_text(info if isinstance(info, str) else json.dumps(info), "utf-8")


def refusal(folder):
    with pytest.raises(BrokenRun) as caught:
        load_run(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message
