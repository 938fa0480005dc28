"""A trained model goes on with one's own events: its vocabularies grow, what it knows stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tfrec_fusion.data.tables import RecData
from zoo.baselines import BASELINES
from zoo.run import Run
from zoo.train import train
from zoo.train_options import TrainOptions

FOR_NETWORKS = ("gmf", "mlp", "neumf", "two_tower", "gpt2_hybrid")
_OF_THE_MODEL = ("split", "text_preset", "text_length", "item_features")


def fine_tune(
    start: Run,
    tables: RecData,
    folder: Path,
    *,
    options: TrainOptions | None = None,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Trains a model further, on what it learned from and on more.

    Users and items of the model keep their indices, their rows and the optimizer's slots; new ones
    come after them and begin as in a new model, items with their texts in the space of the
    model's. The old events stay part of the training, for a model that sees only new ones forgets
    whom it knew. A classic is fitted anew.

    Args:
        start: The run to go on from, of `load_run`, or `zoo.load(name).run`.
        tables: One's own tables. Ids that the model knows mean the same users and items; of known
            items the model's title and text stay.
        folder: The run folder to write.
        options: How to train; what decides the model's inputs stays as it was.
        command: What to note in `run.json`.
        say: Called with one line about each step.

    Returns:
        The new run. `info["carried"]` says of each weight what was carried over.

    Raises:
        ValueError: When the model cannot grow, no id of the tables is known to it, or they lack a
            column that its own events have.

    Example:

    >>> fine_tune(zoo.load("gpt2_hybrid.ml_latest_small").run, mine, "runs/mine")  # doctest: +SKIP
    """
    name = start.info["model"]
    config = getattr(start.model, "config", None)
    if name not in (*FOR_NETWORKS, *BASELINES):
        raise ValueError(
            f"{name} cannot grow. Classics can, and {', '.join(FOR_NETWORKS)}. Received: "
            f"{start.folder}."
        )
    if getattr(config, "tunes_text", False) or getattr(config, "user_text_dim", 0):
        raise ValueError(
            f"{start.folder} holds a tuned language model or what users wrote, of which a run "
            "keeps nothing to go on with. Start from one with a frozen language model."
        )
    said = {
        key: start.info["options"][key] for key in _OF_THE_MODEL if key in start.info["options"]
    }
    if "item_features" in said:
        said["item_features"] = tuple(said["item_features"])
    return train(
        name,
        grown_tables(start, tables),
        folder,
        options=replace(options or TrainOptions(), **said),
        hyperparameters=start.info["hyperparameters"],
        command=command,
        say=say,
        start=start,
    )


def grown_tables(start: Run, tables: RecData) -> RecData:
    """The events and catalogue of a run, and one's own after them.

    Raises:
        ValueError: As of `fine_tune`.
    """
    mine, catalogue = tables.interactions, tables.items
    known_items = mine["item_id"].isin(start.items.ids[1:]).sum()
    known_users = mine["user_id"].isin(start.users.ids[1:]).sum()
    if not known_items and not known_users:
        raise ValueError(
            f"No user and no item of {tables.name or 'the tables'} is known to the model, so there "
            f"is nothing to go on from. Its items are like {start.items.ids[1:4].tolist()} "
            f"({', '.join(map(repr, start.titles[1:4]))}), those received like "
            f"{mine['item_id'].unique()[:3].tolist()}. Use the model's ids, or train a new model."
        )
    past = start.recommender.known
    old = pd.DataFrame(
        {
            "user_id": start.users.id_of(past.user),
            "item_id": start.items.id_of(past.item),
            "rating": past.rating,
            "timestamp": past.timestamp,
        }
    )
    for column, plain in (("rating", 1), ("timestamp", 0)):
        if column not in mine and (old[column] != plain).any():
            raise ValueError(
                f"The interactions of {tables.name or 'the tables'} lack `{column}`, which the "
                f"model's own events have. They have {', '.join(mine.columns)}."
            )
    items = pd.DataFrame(
        {"item_id": start.items.ids[1:], "title": start.titles[1:], "text": start.texts[1:]}
    )
    more = catalogue[~catalogue["item_id"].isin(items["item_id"])]
    both: Any = [name for name in old.columns if name in mine]
    named = " and ".join(one for one in (start.info["data"]["name"], tables.name) if one)
    return RecData(
        pd.concat([old[both], mine[both]], ignore_index=True),
        pd.concat([items, more], ignore_index=True),
        name=named,
        licence="; ".join(one for one in (start.info["data"]["licence"], tables.licence) if one),
        citation="; ".join(one for one in (start.info["data"]["citation"], tables.citation) if one),
    )
