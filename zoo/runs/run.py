"""A run folder: one trained model with all it needs to answer, and its provenance.

RUN/model.keras or model.npz     the model (Keras's format, or a baseline's plain arrays)
    members/NAME/model.…         instead: the members of an ensemble
    users.json items.json        vocabularies
    catalogue.csv                item_id, title and text
    item_columns.csv             the catalog's further columns, where it has some
    events.npz                   the interactions, and which part each one was in
    interests.npz                words of the users' interests (models that read text)
    graph.json                   names of entities and relations (models that read a graph)
    run.json                     command, versions, data, hyperparameters, metrics, checksums
    metrics.csv report.html      the numbers and their picture
    plan.json                    what the folder is for: only the same training goes on in it
    .NAME.….part                 what a killed process left; the next writer removes it
    training/                    logs and checkpoints of each pass (neural models)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.features import LabelFeatures
from tfrec_fusion.data.graph_names import GraphNames
from tfrec_fusion.data.indexed import IndexedData, merge
from tfrec_fusion.data.tables.item_texts import joined_texts, shown_titles
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.string_table import write_strings
from tfrec_fusion.files.whole import copy_whole, whole_file, whole_path, write_text
from tfrec_fusion.text.interests.profiles import Interests
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.protocols import Model, reads_graph
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.ensemble import ENSEMBLE, Ensemble
from tfrec_fusion.zoo.runs.item_rows import read_item_rows
from tfrec_fusion.zoo.runs.run_checksums import belongs, fault_of_run, with_checksums
from tfrec_fusion.zoo.runs.run_files import (
    COLUMNS,
    BrokenRun,
    check_sizes,
    read_events,
    read_file,
    read_graph,
    read_interests,
    read_model,
)
from tfrec_fusion.zoo.runs.run_record import read_record

PARTS = ("train", "validation", "test")
FURTHER_COLUMNS = "item_columns.csv"
SHARED = (
    *("users.json", "items.json", "catalogue.csv", FURTHER_COLUMNS),
    *("events.npz", "interests.npz"),
)
PUBLISHED = (*SHARED, "graph.json")
RUN_REMEDY = "Take it from `zoo.load_run(folder).run`, or from `zoo.load(name).run`."


@dataclass(frozen=True)
class Run:
    """The content of a run folder.

    Attributes:
        folder: Where it is.
        model: The trained model.
        users: Vocabulary of the users.
        items: Vocabulary of the catalog.
        titles: `(num_items,)` titles in index order, the id of an item without one.
        texts: `(num_items,)` texts in index order, as models read them (`data.item_texts`).
        interests: What users care about, where the model reads text.
        graph: Names of the knowledge graph, where the model reads one.
        parts: The events by part: `train`, `validation`, `test`.
        info: What `run.json` says.
        item_columns: The catalog's further columns, such as genres, in index order without the
            OOV item; None where it has none.
        catalog: `title` and `text` as they were given, in index order without the OOV item.
    """

    folder: Path
    model: Model
    users: Vocabulary
    items: Vocabulary
    titles: np.ndarray
    texts: np.ndarray
    interests: Interests | None
    graph: GraphNames | None
    parts: Mapping[str, Events]
    info: dict[str, Any]
    item_columns: pd.DataFrame | None = None
    catalog: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def features(self) -> LabelFeatures | None:
        """Labels of the items, where the model reads some, in the order of its features."""
        labels = self.info.get("item_labels")
        if not labels or self.item_columns is None:
            return None
        options = self.info["options"]
        columns, separator = options["item_features"], options.get("label_separator")
        return LabelFeatures.from_table(self.item_columns, columns, labels, separator)

    @property
    def known_at_test(self) -> Events:
        """Train and validation: what is known when the test part is predicted."""
        return merge(self.parts["train"], self.parts["validation"])

    @property
    def is_production(self) -> bool:
        """True where the model was trained on all events, the test part included."""
        return bool(self.info.get("options", {}).get("production", False))

    @property
    def heldout(self) -> Events | None:
        """The test part; None where it is empty, or the model was trained on it, too."""
        test = self.parts["test"]
        return test if len(test) and not self.is_production else None

    @property
    def trained_pairs(self) -> pd.DataFrame:
        """`user_id` and `item_id` of every event that the model may have learned from."""
        known = merge(*self.parts.values()) if self.is_production else self.known_at_test
        columns = {"user_id": self.users.id_of(known.user), "item_id": self.items.id_of(known.item)}
        return pd.DataFrame(columns).drop_duplicates(ignore_index=True)

    @cached_property
    def recommender(self) -> CatalogAnswers:
        """Answers given everything users did; its graphs are made once."""
        known = merge(*self.parts.values())
        rows = (self.users, self.items, self.titles)
        more = (self.texts, self.interests, self.graph)
        seen = bool(self.info.get("options", {}).get("allow_seen", False))
        return CatalogAnswers(self.model, *rows, known, *more, allow_seen=seen)


def save_run(
    folder: Path,
    model: Any,
    data: IndexedData,
    info: Mapping[str, Any],
    interests: Interests | None = None,
    graph: GraphNames | None = None,
) -> None:
    """Writes a run; `run.json` comes last, so that a folder with one is whole.

    Args:
        folder: Created when missing.
        model: A Keras model or a fitted baseline.
        data: What it was trained on.
        info: For `run.json`; must hold `model`, the name in the zoo.
        interests: What users care about, if that was mined.
        graph: Names of the graph that the model reads, if it reads one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").unlink(missing_ok=True)
    if isinstance(model, keras.Model):
        with whole_path(folder / "model.keras", ".keras") as written:
            model.save(written)
    else:
        _write_arrays(folder / "model.npz", model.arrays())
    data.users.save(folder / "users.json")
    data.items.save(folder / "items.json")
    if interests is not None:
        interests.save(folder / "interests.npz")
    if graph is not None:
        graph.save(folder / "graph.json")
    main = ["item_id", "title", "text"]
    write_strings(folder / "catalogue.csv", data.item_table[main])
    further = data.item_table.drop(columns=["title", "text"])
    if len(further.columns) > 1:
        write_strings(folder / FURTHER_COLUMNS, further)
    events = {}
    for part in PARTS:
        rows: Events = getattr(data, part)
        for column in COLUMNS:
            events[f"{part}.{column}"] = getattr(rows, column)
    _write_arrays(folder / "events.npz", events)
    save_info(folder, info)


def save_info(folder: Path, info: Mapping[str, Any]) -> None:
    """Writes `run.json` alone, of a run whose other files are there, with their checksums."""
    said = with_checksums(folder, info)
    write_text(folder / "run.json", json.dumps(said, indent=2, allow_nan=False) + "\n")


def is_measured(folder: Path) -> bool:
    """Returns whether a folder holds a run with its numbers; one that was killed may have none.

    A model is saved as soon as it is trained, with an empty list of rows; see `zoo.runs.train`.
    """
    path = folder / "run.json"
    if not path.exists():
        return False
    try:
        return read_json(path).get("rows") != []
    except (ValueError, AttributeError, OSError):  # broken: not ours to write over
        return True


def save_ensemble(folder: Path, runs: Mapping[str, Run], info: Mapping[str, Any]) -> None:
    """Writes an ensemble's run out of its members' runs, which may be removed afterwards.

    Args:
        folder: Created when missing.
        runs: The members by name.
        info: For `run.json`; must hold `members`, `weights` and `scale` as `load_run` reads them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").unlink(missing_ok=True)
    for name, run in runs.items():
        model = "model.npz" if get_spec(run.info["model"]).is_baseline else "model.keras"
        copy_whole(run.folder / model, folder / "members" / name / model)
        for shared in SHARED:
            if (run.folder / shared).exists():
                copy_whole(run.folder / shared, folder / shared)
    save_info(folder, info)


def load_run(folder: str | Path) -> Run:
    """Reads a run folder.

    Raises:
        WrongType: When `folder` is no path.
        BrokenRun: When the folder or one of its files is missing or cannot be read; the message
            names the file and the cure. A file that is not what `run.json` has the checksum of is
            broken; runs of earlier versions have none.
    """
    folder = folder_path(folder)
    if not folder.is_dir():
        raise BrokenRun(
            f"There is no run folder {folder}. Make one with `train MODEL --out RUN`, or take a "
            "prebuilt model of `list --pretrained`, in Python by `zoo.load`."
        )
    if not (folder / "run.json").exists():
        raise BrokenRun(
            f"{folder} is not a finished run: run.json is missing. Train again with --out {folder}."
        )
    info = read_file(folder, "run.json", read_record)
    if fault := fault_of_run(folder):
        raise BrokenRun(f"{fault} Restore it, or train again with --out {folder}.")
    model: Any = None
    if info["model"] == ENSEMBLE:
        members = {
            name: read_model(folder, f"members/{name}/", one["model"])
            for name, one in info["members"].items()
        }
        model = Ensemble(members, info["weights"], info["scale"])
    else:
        model = read_model(folder, "", info["model"])
    return assemble(folder, model, info, info.get("files"))


def assemble(
    folder: Path, model: Any, info: dict[str, Any], files: Collection[str] | None = None
) -> Run:
    """A model with the vocabularies, catalog and events of a folder.

    Args:
        folder: Holds `users.json`, `items.json`, `catalogue.csv` and `events.npz`; `interests.npz`
            and `graph.json` where the model reads them.
        model: A trained model over them.
        info: What is known of it, as in `run.json`; at least `model`, its name in the zoo.
        files: Names of the files that belong to it; others are not read. By default all there.

    Raises:
        BrokenRun: When a file is missing or cannot be read, or is not of the items of the others.
    """
    users = read_file(folder, "users.json", Vocabulary.load)
    items = read_file(folder, "items.json", Vocabulary.load)
    own = ("title", "text")
    table = read_file(folder, "catalogue.csv", lambda path: read_item_rows(path, items, own))
    sizes = (len(users), len(items))
    check_sizes(folder, model, *sizes)
    parts = read_file(folder, "events.npz", lambda path: read_events(path, PARTS, *sizes))
    interests = None
    reads_texts = not isinstance(model, Ensemble) and get_spec(info["model"]).reads_texts
    if reads_texts or belongs(folder, "interests.npz", files):
        interests = read_file(
            folder, "interests.npz", lambda path: read_interests(path, len(users))
        )
    graph = None
    if reads_graph(model):
        graph = read_file(folder, "graph.json", lambda path: read_graph(path, model.config))
    columns = None
    if belongs(folder, FURTHER_COLUMNS, files):
        columns = read_file(
            folder, FURTHER_COLUMNS, lambda path: read_item_rows(path, items, (), own)
        )
        columns = columns.drop(columns="item_id")
    read = table if columns is None else pd.concat([table, columns], axis=1)
    chosen = info.get("options", {}).get("text_columns", ())
    try:
        joined = joined_texts(read, chosen)
    except InvalidInput as error:
        raise BrokenRun(
            f"{folder} is broken, its run.json is of another catalog: {error} Restore the files, "
            f"or train again with --out {folder}."
        ) from error
    titles, texts = (
        np.array(["", *column], dtype=object) for column in (shown_titles(table), joined)
    )
    rows = (users, items, titles, texts, interests, graph, parts, info, columns)
    return Run(folder, model, *rows, table[["title", "text"]])


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
