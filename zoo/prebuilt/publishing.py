"""Trained runs become a prebuilt model: weights in half precision, a card, checksums.

What several models share, vocabularies, catalog and events, is kept once in a folder of
`zoo/prebuilt/weights`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.files.checksums import checksum_of
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.zoo.prebuilt.card import CARDS, Card, cards
from tfrec_fusion.zoo.prebuilt.half_precision import load_half, save_half
from tfrec_fusion.zoo.prebuilt.load import WEIGHTS, card_of, load
from tfrec_fusion.zoo.prebuilt.package_files import (
    check_shared,
    keep_own,
    keep_shared,
    remove_unnamed,
)
from tfrec_fusion.zoo.prebuilt.packed_people import check_agreed
from tfrec_fusion.zoo.prebuilt.query_texts import catalog_vectors, query_reader
from tfrec_fusion.zoo.prebuilt.training_command import training_command
from tfrec_fusion.zoo.protocols import reads_text
from tfrec_fusion.zoo.runs.differences import differences
from tfrec_fusion.zoo.runs.ensemble import ENSEMBLE, Ensemble
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.run import PUBLISHED, Run, load_run
from tfrec_fusion.zoo.runs.seeds import summary

METRICS = ("ndcg@10", "recall@10", "recall@20", "hr@10", "mrr@10", "coverage@10", "auc", "rmse")
WAIT_SECONDS = 600.0  # for another publication
TOLERANCE = 1e-3  # of NDCG@10, between the model that was measured and the file that is kept
INTENDED_USE = (
    "To try the library, to teach, and to start from on one's own data. Whether it helps people of "
    "another place and time must be measured with them."
)


def publish(
    name: str,
    runs: Sequence[Path],
    beside: Sequence[Path],
    *,
    text: str,
    limits: Sequence[str] = (),
    folder: str | None = None,
    include_events: bool = False,
    ask: Callable[[str], bool] = lambda packed: False,
    say: Callable[[str], None] = lambda line: None,
) -> Card:
    """Writes the weights and the card of a model.

    Args:
        name: `architecture.tag`.
        runs: Run folders that differ in their seeds; the first one's weights are kept. An
            ensemble's members must be prebuilt models of the same folder already.
        beside: Runs of baselines over the same data, whose numbers the card has, too.
        text: What the model is, a sentence.
        limits: Limits of this model, next to those of every model of the data.
        folder: Folder of `zoo/prebuilt/weights` that holds what it shares with others of the same
            data; by default the tag.
        include_events: Whether the users' ids and events are packed; without them no model answers.
        ask: Asked otherwise, with what is packed.
        say: Called with a line about what was written.

    Returns:
        The card, which is written last: without it the files mean nothing. Whatever ends the
        publication before, models published earlier answer as they did, and it can be repeated.

    Raises:
        ValueError: When runs do not fit together, or not with models published in the folder,
            there is no consent to pack events, or the weights lose more than a thousandth of
            NDCG@10 in half precision.
    """
    if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name):
        raise InvalidInput(
            "`name` must be an architecture, a dot and a tag, of small letters, digits and "
            f"underscores, such as ease.my_films. Received: {name!r}."
        )
    loaded = [load_run(run) for run in runs]
    first = loaded[0]
    for run in loaded[1:]:
        _check_alike(first, run, ("model", "hyperparameters", "data", "start"))
    baselines = {run.info["model"]: run for run in map(load_run, beside)}
    for run in baselines.values():
        _check_alike(first, run, ("data",))
    for run in (*loaded, *baselines.values()):
        if "ndcg@10" not in run.info["test"]:
            raise InvalidInput(
                f"{run.folder} has no NDCG@10, without which a card says nothing. "
                f"{' '.join(run.info.get('notes', ())) or 'Measure it: train it again.'}"
            )
    check_agreed(first, include_events, ask)
    with only_writer(WEIGHTS, WAIT_SECONDS, say):
        card = _publish(name, loaded, baselines, text, limits, folder or name.split(".", 1)[1], say)
        card.save(CARDS / f"{name}.json")
        remove_unnamed(WEIGHTS / card.folder, WEIGHTS)
    say(f"{name}: {card.size / 1e6:.2f} MB, NDCG@10 {card.metrics['ndcg@10'][0]:.4f}")
    return card


def _publish(
    name: str,
    loaded: Sequence[Run],
    baselines: Mapping[str, Run],
    text: str,
    limits: Sequence[str],
    folder: str,
    say: Callable[[str], None],
) -> Card:
    """Writes the files of a model, and returns the card that names them."""
    first, place = loaded[0], WEIGHTS / folder
    sources = [first.folder / one for one in PUBLISHED if (first.folder / one).exists()]
    check_shared(sources, place, WEIGHTS)
    members = _members(first, folder)
    weights, size = _save_weights(name, first, members, place, say)
    shared = keep_shared(sources, place, WEIGHTS)
    reader = query_reader()
    texts = catalog_vectors(first, place, reader, WEIGHTS)
    language_model = _language_model(first)
    return Card(
        name=name,
        architecture=first.info["model"],
        summary=text,
        hyperparameters=first.info.get("hyperparameters", {}),
        options=first.info["options"],
        data=first.info["data"],
        folder=folder,
        files={_name(one): checksum_of(one) for one in (*weights.values(), *shared, texts)},
        weights={model: _name(path) for model, path in weights.items()},
        metrics=_numbers(summary(name, loaded, METRICS)),
        seeds=len(loaded),
        beside={one: _numbers(summary(one, [run], METRICS)) for one, run in baselines.items()},
        parameters=_parameters(first.model),
        size=size,
        training_seconds=round(float(np.mean([_seconds(run) for run in loaded])), 1),
        command=training_command(name, first.info, members, first.model),
        versions=first.info["versions"],
        licenses={
            "data": first.info["data"]["license"],
            "weights": "The terms of the data, of which they are made.",
            **({"language_model": language_model} if language_model else {}),
        },
        intended_use=INTENDED_USE,
        limits=(*_limits(first), *limits),
        members=members,
        scale=first.info.get("scale", ""),
        start=first.info.get("start", ""),
        item_labels=tuple(map(tuple, first.info.get("item_labels", ()))),
        reader=reader | {"texts": _name(texts)},
        language_models=first.info.get("language_models", {}),
    )


def _check_alike(first: Run, run: Run, keys: Sequence[str]) -> None:
    for key in keys:
        one, other = ({key: each.info.get(key)} for each in (first, run))
        if found := differences(one, other):
            raise InvalidInput(
                f"{run.folder} and {first.folder} must have the same {key}. From the latter to "
                f"the former: {'; '.join(found)}. Train them alike."
            )


def _members(run: Run, folder: str) -> dict[str, float]:
    """Of an ensemble the weights by prebuilt model, those that count."""
    if run.info["model"] != ENSEMBLE:
        return {}
    weights: Mapping[str, float] = run.info["weights"]
    prebuilt = {name: _prebuilt_of(name, run, folder) for name in weights}
    return {prebuilt[name]: weight for name, weight in weights.items() if weight}


def _prebuilt_of(member: str, run: Run, folder: str) -> str:
    """The prebuilt model of a member: that of its run's name, as cards' commands name runs."""
    made_of = Path(run.info["members"][member]["run"]).name.rsplit("-", 1)[0]
    return made_of if made_of in cards() else f"{member}.{folder}"


def _save_weights(
    name: str, run: Run, members: Mapping[str, float], folder: Path, say: Callable[[str], None]
) -> tuple[dict[str, Path], int]:
    """Files of weights by model, those of an ensemble its members', and the bytes of them."""
    if members:
        published = {member: load(member).run.model for member in members}
        _check_kept(run, Ensemble(published, members, run.info["scale"]), say)
        of_members = {member: card_of(member).weights[member] for member in members}
        size = sum(card_of(member).size for member in members)
        return {member: WEIGHTS / path for member, path in of_members.items()}, size
    stem = name.removesuffix(f".{folder.name}")
    unchecked = folder / f".{stem}.safetensors"
    try:
        save_half(unchecked, run.info["model"], run.model)
        _check_kept(run, load_half(unchecked), say)
        path = keep_own(unchecked, folder, stem, WEIGHTS)
    finally:
        unchecked.unlink(missing_ok=True)
    return {name: path}, path.stat().st_size


def _check_kept(run: Run, kept: Any, say: Callable[[str], None]) -> None:
    """Refuses what answers other than the run: too coarse numbers, or other members."""
    parts = (run.known_at_test, run.parts["test"])
    before, after = (ranking_of(one, *parts)().metrics["ndcg@10"] for one in (run.model, kept))
    numbers = f"{before:.4f} of the run, {after:.4f}"
    if run.is_production:  # which knows the test part: its NDCG@10 there says nothing but this
        numbers = f"a difference of {after - before:+.4f}"
        say(f"NDCG@10 differs by {after - before:+.4f} as it is loaded")
    else:
        say(f"NDCG@10 {before:.4f}, as it is loaded {after:.4f}")
    if abs(before - after) > TOLERANCE:
        raise InvalidInput(
            f"What is loaded must keep the NDCG@10 of {run.folder} within {TOLERANCE}. Received: "
            f"{numbers} of numbers of 16 bits and, of an ensemble, its published members. Publish "
            "the members it was made of first."
        )


def _language_model(run: Run) -> str:
    if not reads_text(run.model):
        return ""
    preset = run.info["options"]["text_preset"]
    return f"{preset}: {load_language_model(preset).license}"


def _parameters(model: Any) -> int:
    if isinstance(model, keras.Model):
        return int(model.count_params())
    if isinstance(model, Ensemble):
        return sum(_parameters(one) for one in model.counted.values())
    return int(sum(array.size for array in model.arrays().values()))


def _seconds(run: Run) -> float:
    return float(run.info["training"]["seconds"])


def _limits(run: Run) -> list[str]:
    ratio = run.info["test"].get("popularity_ratio@10")
    limits = [
        f"{len(run.users) - 1:,} people who chose to rate films, {len(run.items) - 1:,} films, "
        "English titles: it says little of anybody else.",
        "Ratings, good or bad, are read as something taken."
        if (lowest := run.info["options"].get("positive_from")) is None
        else f"Events rated below {lowest:g} were dropped: such films may be recommended again.",
    ]
    if run.is_production:
        limits.append(
            "It was trained on all events, the test part included; its numbers are those of the "
            "model of train and validation before it."
        )
    if ratio is not None:
        limits.append(
            f"Popularity bias: what it recommends is {ratio:.1f} times as popular as what people "
            "took before."
        )
    return limits


def _numbers(row: ReportRow) -> dict[str, list[float]]:
    return {
        key: [round(one, 5) for one in (value, *row.intervals.get(key, (value, value)))]
        for key, value in row.metrics.items()
    }


def _name(path: Path) -> str:
    return path.relative_to(WEIGHTS).as_posix()
