"""A trained model continues with your own events: its vocabularies grow, its weights stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.data.tables.item_texts import label_text
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.protocols import Grows, Network
from tfrec_fusion.zoo.registry import get_spec, specs
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.language_models import check_language_models
from tfrec_fusion.zoo.runs.run import RUN_REMEDY, Run
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.spec import ModelSpec

_OF_THE_MODEL = (
    *("text_preset", "text_length", "text_columns", "item_features", "label_separator"),
)


def fine_tune(
    start: Run,
    tables: RecData,
    folder: Path,
    *,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **options: Any,
) -> Run:
    """Continues the training of a model, on the events it learned from and on more.

    Users and items of the model keep their indices and their rows; new ones come after them and
    begin as in a new model, items with their texts in the space of the model's. The optimizer
    begins anew. The old events stay part of the training, for a model that sees only new ones
    forgets the users it knew. A baseline is fitted anew.

    No event that the model was trained on is held out: the training and validation events of the
    start stay in the training part, and only its test events and the new ones are split (see
    `data.split`). Epochs are chosen on validation events that the start has never seen; where
    there are none, all of them are trained.

    Args:
        start: The run to continue, of `load_run`, or `zoo.load(name).run`.
        tables: Your own tables. Ids that the model knows mean the same users and items; of known
            items the model's title, text and labels stay. Rows that equal an event of the start
            are dropped, so that a full export can be given.
        folder: The run folder to write.
        command: What to note in `run.json`.
        say: Called with one line about each step.
        callbacks: As of `runs.train`.
        **options: Training options. What decides the model and its inputs stays as it was, and
            items already seen are ranked where they were in the start.

    Returns:
        The new run. `info["carried"]` lists for each weight what was carried over.

    Raises:
        ValueError: When the model cannot grow, no id of the tables is known to it, no event is
            new, the tables lack a column that the model reads, or an option would change what
            stays.

    Example:

    >>> fine_tune(zoo.load("gpt2_hybrid.ml_latest_small").run, mine, "runs/mine")  # doctest: +SKIP
    """
    check_instance(start, Run, "start", RUN_REMEDY)
    name, model = start.info["model"], start.model
    spec = None if isinstance(model, Ensemble) else get_spec(name)
    if spec is None or not spec.can_grow:
        able = [one.name for one in specs().values() if one.can_grow]
        raise InvalidInput(f"{name} cannot grow; {', '.join(able)} can. Received: {start.folder}.")
    kept = _kept_options(start, spec)
    if isinstance(model, Grows) and (obstacle := model.growth_obstacle()):
        raise InvalidInput(f"{start.folder} cannot grow. {obstacle}")
    if kept.get("item_features") and start.features is None:
        raise InvalidInput(
            f"{start.folder} keeps no labels of its items ({', '.join(kept['item_features'])}), "
            "so those of new items have no place. Train that model again."
        )
    check_language_models(start.info, start.folder)
    # The model's own choices: defaults, and what "auto" stands for, may be others by now.
    chosen = model.config if isinstance(model, Network) else model
    choices = {field.name: getattr(chosen, field.name) for field in spec.config_options}
    _check_kept(start, {**kept, **choices}, options)
    kept["allow_seen"] = bool(options.get("allow_seen")) or kept["allow_seen"]
    return train(
        spec.name,
        grown_tables(start, tables.positives(kept["positive_from"], say), say),
        folder,
        command=command,
        say=say,
        start=start,
        callbacks=callbacks,
        **{**options, **kept, **choices},
    )


def _kept_options(start: Run, spec: ModelSpec) -> dict[str, Any]:
    """The training options that a model's inputs depend on, and those of its events."""
    own = {one.name for one in spec.training_options}
    said = start.info["options"]
    kept = {key: said[key] for key in _OF_THE_MODEL if key in said and key in own}
    for key in ("item_features", "text_columns"):
        if key in kept:
            kept[key] = tuple(kept[key])
    seen = bool(said.get("allow_seen"))  # which runs of earlier versions do not say
    general = {"positive_from": said.get("positive_from"), "allow_seen": seen}
    return {**kept, **general, "split": said.get("split", "temporal")}


def _check_kept(start: Run, kept: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuses a keyword that would change what fine-tuning leaves as it was."""
    for name, value in given.items():
        if name in kept and name != "allow_seen" and _plain(value) != _plain(kept[name]):
            raise InvalidInput(
                f"{start.folder} keeps its `{name}`, {kept[name]!r}. Received: {value!r:.60}. "
                "Omit it, or train a new model."
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def grown_tables(
    start: Run, tables: RecData, say: Callable[[str], None] = lambda line: None
) -> RecData:
    """The events and catalog of a run, followed by what your own tables add.

    Args:
        start: The run to continue.
        tables: Your own tables.
        say: Called with a line about rows that were dropped.

    Raises:
        ValueError: As of `fine_tune`.
    """
    name = tables.name or "the tables"
    mine, catalog = tables.interactions, tables.items
    known_items = mine["item_id"].isin(start.items.ids[1:]).sum()
    known_users = mine["user_id"].isin(start.users.ids[1:]).sum()
    if not known_items and not known_users:
        raise InvalidInput(
            f"No user and no item of {name} is known to the model, so there is nothing to "
            f"continue from. Its items are like {start.items.ids[1:4].tolist()} "
            f"({', '.join(map(repr, start.titles[1:4]))}), those received like "
            f"{mine['item_id'].unique()[:3].tolist()}. Use the model's ids, or train a new model."
        )
    old = _events(start)
    for column, plain in (("rating", 1), ("timestamp", 0)):
        if column not in mine and (old[column] != plain).any():
            raise InvalidInput(
                f"The interactions of {name} lack `{column}`, which the model's own events have. "
                f"They have {', '.join(mine.columns)}."
            )
    if "timestamp" in mine and not old["timestamp"].any():  # of a start without times
        old["timestamp"] = max(int(mine["timestamp"].min()) - 1, 0)
    both: Any = [column for column in old.columns if column in mine]
    compared = [one for one in both if one.endswith("_id") or old[one].nunique() > 1]
    new = mine[~_repeats(mine[compared], old[compared])]
    if repeated := len(mine) - len(new):
        say(f"{repeated:,} of {len(mine):,} events of {name} are the model's own: dropped")
    if new.empty:
        raise InvalidInput(
            f"All {len(mine):,} events of {name} are the model's own: there is nothing to continue "
            "with. Give events that it has not seen."
        )
    provenance = {
        key: "; ".join(dict.fromkeys(filter(None, (start.info["data"][key], getattr(tables, key)))))
        for key in ("license", "citation")
    }
    return RecData(
        pd.concat([old[both], new[both]], ignore_index=True),
        _items(start, catalog, name),
        name=" and ".join(filter(None, (start.info["data"]["name"], tables.name))),
        **provenance,
    )


def _events(start: Run) -> pd.DataFrame:
    """The events of a run, of all its parts."""
    past = start.recommender.known
    return pd.DataFrame(
        {
            "user_id": start.users.id_of(past.user),
            "item_id": start.items.id_of(past.item),
            "rating": past.rating,
            "timestamp": past.timestamp,
        }
    )


def _repeats(rows: pd.DataFrame, old: pd.DataFrame) -> pd.Series:
    """Marks rows that equal an old one, each old one once: a further equal row is a new event."""
    copies = [
        table.astype({"user_id": str, "item_id": str}).assign(
            copy=table.groupby(list(table)).cumcount()
        )
        for table in (rows, old)
    ]
    keys = [pd.MultiIndex.from_frame(table) for table in copies]
    return pd.Series(keys[0].isin(keys[1]), index=rows.index)


def _items(start: Run, catalog: pd.DataFrame, name: str) -> pd.DataFrame:
    """The catalog of a run, then the items that are new."""
    old = start.catalog.assign(item_id=start.items.ids[1:])[["item_id", "title", "text"]]
    more = catalog[~catalog["item_id"].isin(old["item_id"])]
    read = () if start.features is None else tuple(start.features.table)
    if (missing := [column for column in read if column not in more]) and len(more):
        raise InvalidInput(
            f"The items of {name} lack {', '.join(f'`{one}`' for one in missing)}, which the "
            f"model reads of {len(more)} new items. They have {', '.join(more.columns)}."
        )
    if start.item_columns is not None:
        old = pd.concat([old, start.item_columns], axis=1)
        same = [column for column in start.item_columns if column in more]
        more = more.assign(**{column: more[column].map(label_text) for column in same})
    return pd.concat([old, more], ignore_index=True)
