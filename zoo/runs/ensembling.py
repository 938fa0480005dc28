"""Finished runs become one ensemble, its weights chosen on validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.data.events import Events
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.ranking import evaluate_ranking
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.layers.ensemble import SCALES, scaled
from tfrec_fusion.training.checkpoint import best_weights
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.registry import build, get_spec
from tfrec_fusion.zoo.runs.after_fit import set_after_fit
from tfrec_fusion.zoo.runs.comparison import notes, write_report
from tfrec_fusion.zoo.runs.differences import differences
from tfrec_fusion.zoo.runs.ensemble import ENSEMBLE, Ensemble
from tfrec_fusion.zoo.runs.full_ranking import count_seen, seen_note, why_undefined
from tfrec_fusion.zoo.runs.measurement import measured
from tfrec_fusion.zoo.runs.plan import claimed
from tfrec_fusion.zoo.runs.run import COLUMNS, PARTS, Run, load_run, save_ensemble, save_info
from tfrec_fusion.zoo.runs.run_checksums import fault_of_checkpoint
from tfrec_fusion.zoo.runs.train import checksum_of_run, versions

METRIC = "ndcg@10"
ROUNDS = 20  # a weight is a multiple of 1 / ROUNDS
MOST_USERS = 2000  # on which weights are chosen
_COMPARED = ("checksum", "split")  # of the data of all members


def train_ensemble(
    members: Sequence[Path],
    folder: Path,
    *,
    scale: str | None = None,
    allow_seen: bool = False,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Run:
    """Combines finished runs over the same data and split.

    Each member's model as it was before its refit, which knows the train part only, scores the
    validation users; members are added one after the other, with repetition, each time the one
    that raises NDCG@10 most (ensemble selection: Caruana et al. 2004). The ensemble is then made
    of the refitted models, and the test part is looked at once.

    Args:
        members: Run folders, two or more.
        folder: The run folder to write.
        scale: `"scores"` or `"ranks"`; by default the one that is better on validation.
        allow_seen: Refuses members that were measured without items already seen. Whether these
            are ranked is as it was for the members.
        command: What to note in `run.json` as the way to repeat this.
        say: Called with one line about each step.

    Returns:
        The run, read back from its folder.

    Raises:
        ValueError: When runs do not fit together or were measured in two ways, or one keeps no
            model of the train part alone.
        FileExistsError: When `folder` holds a run already, or the beginning of another.
        SystemRefusal: As of `train`.
    """
    started = time.perf_counter()
    runs = _by_name(members)
    allow_seen = _allows_seen(runs, allow_seen)
    plan = {
        "model": ENSEMBLE,
        "members": {name: checksum_of_run(run) for name, run in runs.items()},
        "options": {"scale": scale, "allow_seen": allow_seen},
    }
    with claimed(folder, plan):
        return _combined(runs, folder, scale, allow_seen, started, command, say)


def _combined(
    runs: Mapping[str, Run],
    folder: Path,
    scale: str | None,
    allow_seen: bool,
    started: float,
    command: str,
    say: Callable[[str], None],
) -> Run:
    """Chooses the weights and measures, in a folder that is claimed."""
    first = next(iter(runs.values()))
    best, weights, validated, gaps = _weighted(runs, scale, allow_seen, say)
    models = {name: run.model for name, run in runs.items()}
    ensemble = Ensemble(models, dict(zip(runs, weights.tolist(), strict=True)), best)
    seconds = time.perf_counter() - started
    info: dict[str, Any] = {
        "model": ENSEMBLE,
        "command": command,
        "members": {
            name: {"model": run.info["model"], "run": str(run.folder)} for name, run in runs.items()
        },
        "weights": dict(ensemble.weights),
        "scale": best,
        "options": {"seed": first.info["options"]["seed"], "allow_seen": allow_seen},
        "data": first.info["data"],
        "versions": versions(),
        "training": {"validation": validated, "seconds": round(seconds, 1)},
        "test": {},
        "test_intervals": {},
        "rows": [],
        "notes": gaps,
    }
    save_ensemble(folder, runs, info)
    known, test = first.known_at_test, first.parts["test"]
    found = measured(ENSEMBLE, ensemble, known, test, allow_seen=allow_seen)
    rows = [*_rows_of(runs), found.row]
    seen = seen_note(known, test, allow_seen=allow_seen)
    info |= {
        "test": found.row.metrics,
        "test_intervals": found.row.intervals,
        "test_events": len(test),
        "test_events_seen": count_seen(known, test),
        "rows": [asdict(row) for row in rows],
        "notes": [*gaps, *filter(None, [seen]), *found.notes],
    }
    for note in info["notes"]:
        say(note)
    write_report(folder, rows, title=f"ensemble on {first.info['data']['name']}", notes=notes(info))
    save_info(folder, info)
    return load_run(folder)


def _allows_seen(runs: Mapping[str, Run], wanted: bool) -> bool:
    """Returns whether the members rank items already seen; refuses those that disagree."""
    allowed = {name: bool(run.info["options"].get("allow_seen")) for name, run in runs.items()}
    if len(set(allowed.values())) > 1 or (wanted and not any(allowed.values())):
        without = [name for name, one in allowed.items() if not one]
        raise InvalidInput(
            "All members must rank items already seen, or none of them. "
            f"Received: {', '.join(without)} without. Train these again with --allow-seen."
        )
    return any(allowed.values())


def _weighted(
    runs: Mapping[str, Run],
    scale: str | None,
    allow_seen: bool,
    say: Callable[[str], None],
) -> tuple[str, np.ndarray, dict[str, float], list[str]]:
    """The scale, the members' weights, their value on validation, and what could not be chosen."""
    first = next(iter(runs.values()))
    train, validation = first.parts["train"], first.parts["validation"]
    if reason := why_undefined(METRIC, train, validation, allow_seen=allow_seen):
        note = f"Weights cannot be chosen: {reason}. All members count alike."
        return scale or SCALES[0], np.full(len(runs), 1 / len(runs)), {}, [note]
    users = np.flatnonzero(np.bincount(validation.user, minlength=validation.num_users))
    users = users[:: max(1, len(users) // MOST_USERS)]
    scores = np.stack([before_refit(run, train)(users) for run in runs.values()])
    found = {}
    for one in SCALES if scale is None else (scale,):
        weights, value = _chosen_weights(scores, users, train, validation, one, allow_seen)
        found[one] = (value, weights)
        shown = dict(zip(runs, weights.round(2).tolist(), strict=True))
        say(f"{one}: {shown}, {METRIC} {value:.4f} on validation")
    best = max(found, key=lambda one: found[one][0])
    value, weights = found[best]
    return best, weights, {METRIC: value}, []


def _by_name(members: Sequence[Path]) -> dict[str, Run]:
    """The runs by the name of their model, checked."""
    if len(members) < 2:
        raise InvalidInput(f"An ensemble needs two runs. Received: {len(members)}.")
    runs: dict[str, Run] = {}
    for path in members:
        run = load_run(path)
        name = run.info["model"]
        if run.is_production:
            raise InvalidInput(
                f"{run.folder} was trained on all events, the test part included (--production), "
                "so an ensemble of it could not be measured. Train it without --production."
            )
        runs[name if name not in runs else f"{name} {len(runs)}"] = run
    first = next(iter(runs.values()))
    for run in runs.values():
        of_first, of_run = (
            {key: one.info["data"][key] for key in _COMPARED} for one in (first, run)
        )
        if found := differences(of_first, of_run):
            raise InvalidInput(
                "All runs must be of the same data and split. From "
                f"{first.folder} to {run.folder}: {'; '.join(found)}. Train both on one data set."
            )
        # The same tables may be indexed and split otherwise, by a fine-tuning that continues.
        for name, same in (
            ("users", list(run.users.ids) == list(first.users.ids)),
            ("items", list(run.items.ids) == list(first.items.ids)),
            ("parts", all(_equal_events(run.parts[one], first.parts[one]) for one in PARTS)),
        ):
            if not same:
                raise InvalidInput(
                    f"{first.folder} and {run.folder} must have the same {name} in the same order. "
                    "Train both on the data, or fine-tune both from runs of one split."
                )
    return runs


def _equal_events(one: Events, other: Events) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


def before_refit(run: Run, train: Events) -> Callable[[np.ndarray], np.ndarray]:
    """Scores of a run's model as it was before its refit, for users by their index.

    Args:
        run: A member of an ensemble.
        train: The training part, all that the model knows.

    Raises:
        ValueError: When the run keeps no such model.
    """
    spec = get_spec(run.info["model"])
    if spec.is_baseline:
        texts = run.texts.tolist()
        return build(spec.name, **run.info["hyperparameters"]).fit(train, texts).score
    names = (f"choose_epochs-{name}" for name in (spec.name, *spec.former_names))
    passes = [run.folder / "training" / name for name in names]
    there = next((one for one in passes if one.exists()), passes[0])
    checkpoint = there / "checkpoints" / "training.npz"
    if not checkpoint.exists():
        raise InvalidInput(
            f"{run.folder} has no {checkpoint.relative_to(run.folder)}, the model before its "
            "refit, on which weights are chosen. Train that model again."
        )
    if fault := fault_of_checkpoint(checkpoint, run.folder, run.info):
        raise InvalidInput(f"{fault} Restore it, or train that model again.")
    model = keras.models.load_model(run.folder / "model.keras")
    # Losses that are balanced have numbers of their own, in front of the model's weights.
    kept = best_weights(checkpoint)[-len(model.weights) :]
    if [one.shape for one in kept] != [tuple(one.shape) for one in model.weights]:
        raise InvalidInput(
            f"{checkpoint} must hold the weights of {run.folder / 'model.keras'}. Train that model "
            "again."
        )
    model.set_weights(kept)
    chosen = run.info["training"].get("score_weights", {})
    new_items = run.info["options"].get("offer_new_items", False)
    set_after_fit(model, train, chosen, new_items=new_items)
    return compiled_scores(model.score_model(train))


def _chosen_weights(
    scores: np.ndarray,
    users: np.ndarray,
    train: Events,
    validation: Events,
    scale: str,
    allow_seen: bool = False,
) -> tuple[np.ndarray, float]:
    """Weights `(num_members,)` that sum to 1, and their value on validation."""
    parts = np.stack([np.asarray(scaled(one[:, 1:], scale)) for one in scores])
    known, heldout = train.matrix()[users], validation.matrix()[users]

    def value(weights: np.ndarray) -> float:
        total = np.zeros((len(users), scores.shape[-1]), np.float32)
        total[:, 1:] = np.tensordot(weights.astype(np.float32), parts, axes=1)
        candidates = np.arange(scores.shape[-1]) > 0
        found = evaluate_ranking(
            lambda rows: total[rows],
            known,
            heldout,
            ks=[10],
            candidates=candidates,
            num_bootstrap=0,
            allow_seen=allow_seen,
        )
        return found.metrics[METRIC]

    counts, best = np.zeros(len(scores)), (-1.0, np.zeros(len(scores)))
    for _ in range(ROUNDS):
        tried = [(value(_more(counts, one)), _more(counts, one)) for one in range(len(scores))]
        top, counts = max(tried, key=lambda one: one[0])
        best = max(best, (top, counts), key=lambda one: one[0])
    return best[1] / best[1].sum(), best[0]


def _more(counts: np.ndarray, one: int) -> np.ndarray:
    return counts + (np.arange(len(counts)) == one)


def _rows_of(runs: Mapping[str, Run]) -> list[ReportRow]:
    """Returns the members' test rows, after those of the baselines of the first."""
    first = next(iter(runs.values()))
    rows = [ReportRow(**row) for row in first.info["rows"] if "(classic)" in row["model"]]
    own = [
        ReportRow(name, run.info["test"], run.info["test_intervals"]) for name, run in runs.items()
    ]
    return rows + own
