"""`run.json`, read once for every command: each field is what the commands take it for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tfrec_fusion.argument_types import check_types
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.json_fields import (
    file_name,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    record,
    scalar,
    share,
    text,
    whole,
)
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.layers.ensemble import SCALES
from tfrec_fusion.zoo.baselines.registry import BASELINES
from tfrec_fusion.zoo.registry import MODELS
from tfrec_fusion.zoo.runs.train_options import TrainOptions

ENSEMBLE = "ensemble"
MOST_BYTES = 2**26
_NUMBERS, _INTERVALS = mapping(number), mapping(list_of(number, 2))
_ROW = record({"model": text, "metrics": _NUMBERS}, {"intervals": _INTERVALS}, closed=True)
_RECORD = record(
    {"model": one_of(*MODELS, ENSEMBLE)},
    {
        "command": text,
        "hyperparameters": mapping(scalar),
        "options": record({}, {"loss_weights": _NUMBERS}),
        "data": mapping(text),
        "versions": mapping(text),
        "training": record(
            {},
            {
                "seconds": share,
                "best_epoch": whole,
                "validation": _NUMBERS,
                "history": mapping(list_of(optional(number))),
                "score_weights": _NUMBERS,
                "dtype_policy": text,
            },
        ),
        "start": text,
        "carried": list_of(record({})),
        "item_labels": list_of(list_of(text, 2)),
        "test": _NUMBERS,
        "test_intervals": _INTERVALS,
        "test_events": whole,
        "test_events_seen": whole,
        "rows": list_of(_ROW),
        "notes": list_of(text),
        "files": mapping(text),
        "checksum": text,
        "language_models": mapping(mapping(text)),
    },
)
_ENSEMBLE = record(
    {
        "members": mapping(record({"model": one_of(*MODELS)}, {"run": text}), file_name),
        "weights": mapping(share),
        "scale": one_of(*SCALES),
    }
)
# What a run has nothing to say about, in the words of one that has.
_PLAIN: dict[str, Any] = {
    "command": "",
    "hyperparameters": {},
    "data": dict.fromkeys(("name", "checksum", "split", "licence", "citation"), ""),
    "versions": {},
    "training": {"seconds": 0.0, "validation": {}},
    "test": {},
    "test_intervals": {},
    "rows": [],
    "notes": [],
}


def read_record(path: Path) -> dict[str, Any]:
    """Reads a `run.json` that may have been written by anybody.

    Args:
        path: The file.

    Returns:
        What it says; `options` and the other fields that every run has are filled with their
        defaults where it says nothing. What commands do not know is kept as it is.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is not sound; the message names the field.
    """
    said = read_json(path, MOST_BYTES)
    _RECORD(said, "")
    if said["model"] == ENSEMBLE:
        _ENSEMBLE(said, "")
        if list(said["members"]) != list(said["weights"]):
            raise InvalidInput(
                f"`weights` must name the members {', '.join(said['members'])}, in this order. "
                f"Received: {', '.join(said['weights'])}."
            )
    elif said["model"] in BASELINES:
        _check_keywords(said["model"], said.get("hyperparameters", {}))
    options = {**_default_options(), **said.get("options", {})}
    _check_options(options)
    data = {**_PLAIN["data"], **said.get("data", {})}
    training = {**_PLAIN["training"], **said.get("training", {})}
    filled = {**_PLAIN, **said, "options": options, "data": data, "training": training}
    if said["model"] == ENSEMBLE:
        filled["members"] = {name: {"run": "", **one} for name, one in said["members"].items()}
    return filled


def _default_options() -> dict[str, Any]:
    found = asdict(TrainOptions())
    return {key: list(one) if isinstance(one, tuple) else one for key, one in found.items()}


def _check_options(options: Mapping[str, Any]) -> None:
    known = {one.name for one in fields(TrainOptions)}
    given: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one
        for key, one in options.items()
        if key in known
    }
    try:
        for name in given.keys() - {"loss_weights"}:
            scalar(options[name], f"options.{name}")
        TrainOptions(**given)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"`options` must be those of a training: {error}") from error


def _check_keywords(model: str, keywords: Mapping[str, Any]) -> None:
    names = [one.name for one in fields(BASELINES[model])]
    if unknown := sorted(keywords.keys() - set(names)):
        raise InvalidInput(
            f"`hyperparameters` of {model} must be among {', '.join(names) or 'none'}. "
            f"Received: {', '.join(unknown)}."
        )
    try:
        check_types(fields(BASELINES[model]), keywords)
        BASELINES[model](**keywords)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"`hyperparameters` must be those of {model}: {error}") from error
