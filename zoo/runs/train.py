"""Trains a model of the zoo on tables, into a run folder, and measures it on the test part."""

from __future__ import annotations

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.data.indexed import IndexedData, index_data
from tfrec_fusion.data.suspicious import audit, audit_note
from tfrec_fusion.data.tables.feedback import feedback_note
from tfrec_fusion.data.tables.rec_data import RecData, checksum
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.training.callbacks import check_callbacks
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.protocols import reads_graph
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.baseline_trainer import BaselineTrainer
from tfrec_fusion.zoo.runs.comparison import notes, write_report, yardsticks
from tfrec_fusion.zoo.runs.full_ranking import count_seen, seen_note
from tfrec_fusion.zoo.runs.language_models import language_model_files, with_pinned_language_models
from tfrec_fusion.zoo.runs.measurement import PRODUCTION_NOTE, further_metrics, measured
from tfrec_fusion.zoo.runs.network_trainer import NetworkTrainer
from tfrec_fusion.zoo.runs.plan import claimed
from tfrec_fusion.zoo.runs.run import Run, load_run, save_info, save_run
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.train_options import TrainOptions


@contextmanager
def resumable() -> Iterator[None]:
    """Notes on an interruption by Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        interruption.add_note("The same command resumes after the last epoch that was finished.")
        raise


_ASKED = 16  # users whose scores tell one model from another


@resumable()
def train(
    name: str,
    tables: RecData,
    folder: Path,
    *,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
    start: Run | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **keywords: Any,
) -> Run:
    """Trains, measures and saves one model.

    A neural model is trained on the train part, its epochs chosen by NDCG@10 on the validation
    part, then trained again on both parts; a baseline is fitted on both at once. The test part is
    read once, at the end: to measure the model, and with `production` then to train it once more,
    on all events. Interrupted training resumes from the last finished epoch. The model is saved
    before it is measured, and a metric that is undefined is omitted with a note.

    Every event counts as positive, whatever its rating, unless `positive_from` says which do not:
    those are dropped, and counted.

    Args:
        name: A model of the zoo.
        tables: Validated tables.
        folder: The run folder to write.
        command: What to note in `run.json` as the way to repeat this.
        say: Called with one line about each step.
        start: A run of the same model over some of the users and items, from which training
            continues; see `zoo.runs.fine_tuning`.
        callbacks: Keras callbacks that every pass of a neural model gets, such as TensorBoard; see
            `training.fit`. A baseline has no epochs and calls none.
        **keywords: Training options (`runs.train_options`), and the model's own: fields of its
            config and of its spec's further options.

    Returns:
        The run, read back from its folder.

    Raises:
        ValueError: For an unknown model or keyword, or data that cannot be split.
        FileExistsError: When `folder` holds a finished run already, or the beginning of another.
        SystemRefusal: When a file cannot be written, or another process writes to the folder. What
            was trained is kept, and the same call completes it.
    """
    check_instance(tables, RecData, "tables", "`zoo.read` makes one.")
    settings = Settings.from_keywords(get_spec(name), keywords)
    if not settings.spec.is_baseline:
        check_callbacks(callbacks)
    folder = folder_path(folder)
    settings = with_pinned_language_models(settings)
    plan = {
        "model": settings.spec.name,
        "hyperparameters": dict(settings.choices),
        "options": {k: v for k, v in settings.as_options().items() if k != "progress"},
        "checksum": checksum(tables),
    }
    if start is not None:
        plan["start"] = checksum_of_run(start)
    with claimed(folder, plan):
        data = _indexed(tables, settings.options, start, say)
        if (folder / "run.json").exists() and not settings.options.production:
            run = load_run(folder)
            say(f"{folder} holds the trained model, which is measured now")
            return _finish(folder, run.model, data, run.info, say)
        trainer: BaselineTrainer | NetworkTrainer
        if settings.spec.is_baseline:
            trainer = BaselineTrainer(data, settings)
        else:
            trainer = NetworkTrainer(data, settings, folder, say, start=start, callbacks=callbacks)
        about = {
            "model": settings.spec.name,
            "command": command,
            "hyperparameters": plan["hyperparameters"],
            "options": settings.as_options(),
            "data": {
                "name": tables.name,
                "checksum": plan["checksum"],
                "split": data.description,
                "license": tables.license,
                "citation": tables.citation,
            },
            "versions": versions(),
            **({"start": start.info["model"]} if start is not None else {}),
        }
        return _trained(trainer, folder, about, say)


def _indexed(
    tables: RecData, options: TrainOptions, start: Run | None, say: Callable[[str], None]
) -> IndexedData:
    """The parts of the tables; events that a start has learned from stay in the training part."""
    tables = tables.positives(options.positive_from, say)
    if note := feedback_note(tables.interactions):
        say(note)
    seen: dict[str, Any] = {}
    if start is not None:
        seen = {"known": (start.users, start.items), "trained": start.trained_pairs}
    data = index_data(tables, options.split, seed=options.seed, **seen)
    say(f"{tables!r}, {data.description}")
    return data


def _trained(
    trainer: BaselineTrainer | NetworkTrainer,
    folder: Path,
    about: Mapping[str, Any],
    say: Callable[[str], None],
) -> Run:
    """Trains and measures in a folder that is claimed.

    A production model is trained last and replaces the measured one. Before that the folder holds
    a run without numbers, and a call after a kill begins here again, with the checkpoints.
    """
    data, settings, started = trainer.data, trainer.settings, time.perf_counter()
    model, training = trainer.run()
    suspicious = audit(data)
    info = {
        **about,
        "training": {**training, "seconds": _since(started)},
        **({"carried": [asdict(row) for row in trainer.carried]} if "start" in about else {}),
        **({"item_labels": trainer.features.labels} if trainer.features is not None else {}),
        **({"language_models": read} if (read := language_model_files(settings)) else {}),
        "test": {},
        "test_intervals": {},
        "rows": [],
        "notes": [*filter(None, [audit_note(suspicious)]), *trainer.notes],
        **({"suspicious": suspicious} if suspicious else {}),
    }
    graph = trainer.knowledge.names if reads_graph(model) and trainer.knowledge else None
    texts = data.item_texts(settings.further.get("text_columns", ()))
    words = user_words(data.everything, texts) if settings.spec.reads_texts else None
    save_run(folder, model, data, info, words, graph)
    if not settings.options.production:
        return _finish(folder, model, data, info, say)
    info = _with_numbers(model, data, info)
    started = time.perf_counter()
    model = trainer.train_on_all()
    seconds = info["training"]["seconds"] + _since(started)
    info["training"] |= {"production": True, "seconds": round(seconds, 1)}
    info["notes"].append(PRODUCTION_NOTE)
    _report(folder, info, say)
    save_run(folder, model, data, info, words, graph)
    return load_run(folder)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 1)


def _finish(
    folder: Path, model: Any, data: IndexedData, info: dict[str, Any], say: Callable[[str], None]
) -> Run:
    """Measures a saved model and writes its numbers."""
    info = _with_numbers(model, data, info)
    _report(folder, info, say)
    save_info(folder, info)
    return load_run(folder)


def _with_numbers(model: Any, data: IndexedData, info: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the model's numbers on the test part, next to those of baselines."""
    name, allow_seen = info["model"], info["options"]["allow_seen"]
    parts = (model, data.train_and_validation, data.test)
    auc = "auc" in further_metrics(name)
    found = measured(name, *parts, allow_seen=allow_seen, auc=auc)
    auc = "auc" in found.row.metrics
    baselines = yardsticks(data, allow_seen=allow_seen, auc=auc, own=(model, found))
    seen = seen_note(*parts[1:], allow_seen=allow_seen)
    return {
        **info,
        "test": found.row.metrics,
        "test_intervals": found.row.intervals,
        "test_events": len(data.test),
        "test_events_seen": count_seen(*parts[1:]),
        "rows": [asdict(row) for row in (*baselines, found.row)],
        "notes": [*info["notes"], *filter(None, [seen]), *found.notes],
    }


def _report(folder: Path, info: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Writes the report of a measured run, and says its notes."""
    for note in info["notes"]:
        say(note)
    history = info["training"].get("history")
    write_report(
        folder,
        [ReportRow(**row) for row in info["rows"]],
        title=f"{info['model']} on {info['data']['name']}",
        notes=notes(info),
        curves={info["model"]: history} if history else None,
    )


def checksum_of_run(run: Run) -> str:
    """sha256 over a run's scores for its first users: another model, another sum."""
    users = np.arange(1, min(len(run.users), 1 + _ASKED))
    return hashlib.sha256(np.round(run.recommender.score(users), 4).tobytes()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    names = ("tensorflow", "keras", "keras-rs", "numpy", "pandas", "scipy", "scikit-learn")
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), "platform": sys.platform, **found}
