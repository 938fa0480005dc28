"""Trained models to be asked: opened from a run folder, trained, or continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import AlreadyExists, WrongType
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.prebuilt.load import open_recommender
from tfrec_fusion.zoo.reading import read
from tfrec_fusion.zoo.recommender import Recommender
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs import fine_tuning, run
from tfrec_fusion.zoo.runs import train as training

RUNS = Path("runs")  # where runs lie that are given no folder


def load_run(folder: str | Path) -> Recommender:
    """A trained model of a run folder.

    Args:
        folder: The folder that `train` wrote, or `tfrec-zoo train`.

    Raises:
        WrongType: When `folder` is no path.
        BrokenRun: When the folder or one of its files is missing or cannot be read; the message
            names the file and the cure.
    """
    return Recommender(run.load_run(folder))


def train(
    data: RecData | pd.DataFrame | str | Path,
    name: str,
    out: str | Path | None = None,
    **keywords: Any,
) -> Recommender:
    """Trains, measures and saves a model, and opens it.

    Args:
        data: Tables as `read` returns them; or a public data set by name, a folder of tables, or
            a data frame of interactions with the columns `user_id` and `item_id`.
        name: A model of `zoo.list_models()`.
        out: The run folder to write; `runs/NAME` by default. Interrupted training resumes there
            when it is called again alike.
        **keywords: Options of the model and of its training, such as `dim=32`, `epochs=5` or
            `production=True`; `tfrec-zoo train NAME --help` lists them. `callbacks` are Keras
            callbacks, see `runs.train`.

    Returns:
        The trained model; `report()` compares it with baselines.

    Raises:
        ValueError: For an unknown model or keyword, or data that cannot be split.
        FileExistsError: When the folder holds a finished run, or the beginning of another.

    Example:

    >>> zoo.train("movielens-100k", "two_tower", out="runs/films", dim=32)  # doctest: +SKIP
    """
    if isinstance(name, RecData):
        raise WrongType("The data come first, then the name: `zoo.train(data, 'two_tower')`.")
    folder = RUNS / get_spec(name).name if out is None else folder_path(out)
    try:
        return Recommender(training.train(name, _tables(data), folder, **keywords))
    except AlreadyExists as error:
        if out is None:
            raise AlreadyExists(f"{error} Name another one by `out`.") from error
        raise


def fine_tune(
    start: Recommender | str | Path,
    data: RecData | pd.DataFrame | str | Path,
    out: str | Path,
    **options: Any,
) -> Recommender:
    """Continues the training of a model with your own events, see `zoo.runs.fine_tuning`.

    Args:
        start: A trained model, the path of a run folder, or a prebuilt model's name.
        data: As of `train`; ids that the model knows mean the same users and items.
        out: The run folder to write.
        **options: Training options; what decides the model's inputs stays as it was.

    Raises:
        ValueError: When the model cannot grow, no id is known to it, or no event is new.

    Example:

    >>> zoo.fine_tune("gpt2_hybrid.ml_latest_small", mine, "runs/mine")  # doctest: +SKIP
    """
    if isinstance(start, str | Path):
        start = open_recommender(start)
    remedy = "`zoo.load` and `zoo.load_run` give one; a folder or a name will do, too."
    check_instance(start, Recommender, "start", remedy)
    return Recommender(fine_tuning.fine_tune(start.run, _tables(data), folder_path(out), **options))


def _tables(data: RecData | pd.DataFrame | str | Path) -> RecData:
    return data if isinstance(data, RecData) else read(data)
