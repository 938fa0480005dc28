"""Trains a model of the zoo on tables, into a run folder, and measures it on the test part."""

from __future__ import annotations

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.data.indexed import IndexedData, index_data
from tfrec_fusion.data.suspicious import audit, audit_note
from tfrec_fusion.data.tables.feedback import feedback_note
from tfrec_fusion.data.tables.rec_data import RecData, checksum
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.protocols import reads_graph
from tfrec_fusion.zoo.registry import build, get_spec
from tfrec_fusion.zoo.runs.comparison import notes, write_report, yardsticks
from tfrec_fusion.zoo.runs.full_ranking import count_seen, seen_note
from tfrec_fusion.zoo.runs.language_models import language_model_files, with_pinned_language_models
from tfrec_fusion.zoo.runs.measurement import further_metrics, measured
from tfrec_fusion.zoo.runs.network_trainer import NetworkTrainer
from tfrec_fusion.zoo.runs.plan import claimed
from tfrec_fusion.zoo.runs.run import Run, load_run, save_info, save_run
from tfrec_fusion.zoo.runs.settings import Settings


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
    **keywords: Any,
) -> Run:
    """Trains, measures and saves one model.

    A neural model is trained on the train part, its epochs chosen by NDCG@10 on the validation
    part, then trained again on both parts; a classic is fitted on both at once. The test part is
    looked at once, at the end. Called again after a kill, training goes on where it was. The model
    is saved before it is measured, and a metric that is undefined is omitted with a note.

    Every event counts as positive, whatever its rating, unless `options.positive_from` says which
    do not: those are dropped, and counted.

    Args:
        name: A model of the zoo.
        tables: Validated tables.
        folder: The run folder to write.
        command: What to note in `run.json` as the way to repeat this.
        say: Called with one line about each step.
        start: A run of the same model over some of the users and items, from which training
            continues; see `zoo.runs.fine_tuning`.
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
    check_instance(tables, RecData, "tables", "`from_frames` and `read_tables` make one.")
    settings = Settings.from_keywords(get_spec(name), keywords)
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
    seen: dict[str, Any] = {}
    if start is not None:
        seen = {"known": (start.users, start.items), "trained": start.trained_pairs}
    with claimed(folder, plan):
        return _trained(settings, tables, folder, plan, seen, start, command, say)


def _trained(
    settings: Settings,
    tables: RecData,
    folder: Path,
    plan: Mapping[str, Any],
    seen: Mapping[str, Any],
    start: Run | None,
    command: str,
    say: Callable[[str], None],
) -> Run:
    """Trains and measures in a folder that is claimed, or measures the model it holds already."""
    started, graph, features, carried = time.perf_counter(), None, None, []
    spec, options = settings.spec, settings.options
    tables = tables.positives(options.positive_from, say)
    if note := feedback_note(tables.interactions):
        say(note)
    data = index_data(tables, options.split, seed=options.seed, **seen)
    texts = data.item_texts(settings.further.get("text_columns", ()))
    say(f"{tables!r}, {data.description}")
    if (folder / "run.json").exists():
        run = load_run(folder)
        say(f"{folder} holds the trained model, which is measured now")
        return _finish(folder, run.model, data, run.info, say)
    found: list[str] = []
    if not spec.is_baseline:
        trainer = NetworkTrainer(data, settings, folder, say, start=start)
        model, training = trainer.run()
        carried, features = [asdict(row) for row in trainer.carried], trainer.features
        found = trainer.notes
        if reads_graph(model) and trainer.knowledge:
            graph = trainer.knowledge.names
    else:
        model, training = build(spec.name, **settings.choices), {}
        model.fit(data.train_and_validation, texts)
    seconds = time.perf_counter() - started
    suspicious = audit(data)
    info = {
        "model": spec.name,
        "command": command,
        "hyperparameters": dict(settings.choices),
        "options": settings.as_options(),
        "data": {
            "name": tables.name,
            "checksum": plan["checksum"],
            "split": data.description,
            "licence": tables.licence,
            "citation": tables.citation,
        },
        "versions": versions(),
        "training": {**training, "seconds": round(seconds, 1)},
        **({"start": start.info["model"], "carried": carried} if start is not None else {}),
        **({"item_labels": features.labels} if features is not None else {}),
        **({"language_models": read} if (read := language_model_files(settings)) else {}),
        "test": {},
        "test_intervals": {},
        "rows": [],
        "notes": [*filter(None, [audit_note(suspicious)]), *found],
        **({"suspicious": suspicious} if suspicious else {}),
    }
    words = user_words(data.everything, texts) if spec.reads_texts else None
    save_run(folder, model, data, info, words, graph)
    return _finish(folder, model, data, info, say)


def _finish(
    folder: Path, model: Any, data: IndexedData, info: dict[str, Any], say: Callable[[str], None]
) -> Run:
    """Measures a saved model on the test part, beside the classics, and writes the numbers."""
    name, allow_seen = info["model"], info["options"]["allow_seen"]
    parts = (model, data.train_and_validation, data.test)
    auc = "auc" in further_metrics(name)
    found = measured(name, *parts, allow_seen=allow_seen, auc=auc)
    auc = "auc" in found.row.metrics
    classics = yardsticks(data, allow_seen=allow_seen, auc=auc, own=(model, found))
    rows = [*classics, found.row]
    seen = seen_note(*parts[1:], allow_seen=allow_seen)
    info = info | {
        "test": found.row.metrics,
        "test_intervals": found.row.intervals,
        "test_events": len(data.test),
        "test_events_seen": count_seen(*parts[1:]),
        "rows": [asdict(row) for row in rows],
        "notes": [*info["notes"], *filter(None, [seen]), *found.notes],
    }
    for note in info["notes"]:
        say(note)
    history = info["training"].get("history")
    write_report(
        folder,
        rows,
        title=f"{name} on {info['data']['name']}",
        notes=notes(info),
        curves={name: history} if history else None,
    )
    save_info(folder, info)
    return load_run(folder)


def checksum_of_run(run: Run) -> str:
    """sha256 over a run's scores for its first users: another model, another sum."""
    users = np.arange(1, min(len(run.users), 1 + _ASKED))
    return hashlib.sha256(np.round(run.recommender.score(users), 4).tobytes()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    names = ("tensorflow", "keras", "keras-rs", "numpy", "pandas", "scipy", "scikit-learn")
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), "platform": sys.platform, **found}
