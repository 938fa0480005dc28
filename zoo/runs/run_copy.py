"""A run written anew, with its model as it is in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.files.whole import copy_whole, whole_file, whole_folder, whole_path
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import FURTHER_COLUMNS, Run, save_info

_ALWAYS = ("users.json", "items.json", "catalogue.csv", "events.npz")
_FOR_PEOPLE = ("metrics.csv", "report.html")


def save_copy(run: Run, folder: str | Path) -> Path:
    """Writes a run folder that `load_run` reads.

    Args:
        run: A run of a folder or of a prebuilt model; its model may have been changed since.
        folder: Where to, a folder that does not exist or is empty.

    Returns:
        The folder.

    Raises:
        AlreadyExists: When there is something in it.
    """
    target = folder_path(folder)
    kept = {
        FURTHER_COLUMNS: run.item_columns is not None,
        "interests.npz": run.interests is not None,
        "graph.json": run.graph is not None,
    }
    kept |= {name: (run.folder / name).is_file() for name in _FOR_PEOPLE}
    with whole_folder(target) as made:
        members = run.model.members if isinstance(run.model, Ensemble) else {"": run.model}
        for name, model in members.items():
            _save_model(model, made / "members" / name if name else made)
        for name in (*_ALWAYS, *(name for name, there in kept.items() if there)):
            copy_whole(run.folder / name, made / name)
        save_info(made, run.info)
    return target


def _save_model(model: Any, folder: Path) -> None:
    if isinstance(model, keras.Model):
        with whole_path(folder / "model.keras", ".keras") as written:
            model.save(written)
        return
    with whole_file(folder / "model.npz") as file:
        np.savez_compressed(file, allow_pickle=False, **model.arrays())
