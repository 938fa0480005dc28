"""`run.json`, read once for every command: each field is what the commands take it for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
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
    truth,
    whole,
)
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.layers.ensemble import SCALES
from tfrec_fusion.saved_classes import renamed_keys
from tfrec_fusion.zoo.registry import get_spec, specs
from tfrec_fusion.zoo.runs.ensemble import ENSEMBLE
from tfrec_fusion.zoo.runs.settings import default_options
from tfrec_fusion.zoo.runs.train_options import TrainOptions
from tfrec_fusion.zoo.spec import ModelSpec
from tfrec_fusion.zoo.training_options import OF_SOME_MODELS

MOST_BYTES = 2**26
_NUMBERS, _INTERVALS = mapping(number), mapping(list_of(number, 2))
_ROW = record({"model": text, "metrics": _NUMBERS}, {"intervals": _INTERVALS}, closed=True)
_RECORD = record(
    {"model": text},
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
                "production": truth,
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
        "members": mapping(record({"model": text}, {"run": text}), file_name),
        "weights": mapping(share),
        "scale": one_of(*SCALES),
    }
)
# What a run has nothing to say about, in the words of one that has.
_PLAIN: dict[str, Any] = {
    "command": "",
    "hyperparameters": {},
    "data": dict.fromkeys(("name", "checksum", "split", "license", "citation"), ""),
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
        defaults where it says nothing, and names of earlier versions are those of this one. What
        commands do not know is kept as it is.

    Raises:
        OSError: When it is missing or may not be read.
        InvalidInput: When it is not sound; the message names the field.
    """
    said = renamed_keys(read_json(path, MOST_BYTES), {"licence": "license"})  # of version 0.1
    _RECORD(said, "")
    if said["model"] == ENSEMBLE:
        _ENSEMBLE(said, "")
        if list(said["members"]) != list(said["weights"]):
            raise InvalidInput(
                f"`weights` must name the members {', '.join(said['members'])}, in this order. "
                f"Received: {', '.join(said['weights'])}."
            )
    else:
        spec = _spec_of(said["model"])
        keywords = spec.current_names(said.get("hyperparameters", {}))
        said |= {"model": spec.name, "hyperparameters": keywords}
        if spec.is_baseline:
            _check_keywords(spec, keywords)
    options = {**default_options(), **said.get("options", {})}
    _check_options(options)
    data = {**_PLAIN["data"], **said.get("data", {})}
    training = {**_PLAIN["training"], **said.get("training", {})}
    if "score_weights" in training:  # in the spelling of version 0.1
        weights = training["score_weights"]
        training["score_weights"] = {
            key.replace("behaviour", "behavior"): value for key, value in weights.items()
        }
    filled = {**_PLAIN, **said, "options": options, "data": data, "training": training}
    if said["model"] == ENSEMBLE:
        filled["members"] = {
            name: {"run": "", **one, "model": _spec_of(one["model"]).name}
            for name, one in said["members"].items()
        }
    return filled


def _spec_of(name: str) -> ModelSpec:
    try:
        return get_spec(name)
    except InvalidInput as error:
        raise InvalidInput(
            f"`model` must be one of {', '.join(specs())}. Received: {name!r:.60}. A model of "
            "another package is found when that package is installed, or its file is named by "
            "--plugin."
        ) from error


def _check_options(options: Mapping[str, Any]) -> None:
    try:
        for name in options.keys() - {"loss_weights"}:
            scalar(options[name], f"options.{name}")
        for kind in (TrainOptions, *OF_SOME_MODELS):
            names = [one.name for one in fields(kind) if one.name in options]
            kind(**{name: _of_json(options[name]) for name in names})
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"`options` must be those of a training: {error}") from error


def _of_json(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_keywords(spec: ModelSpec, keywords: Mapping[str, Any]) -> None:
    names = [one.name for one in fields(spec.config)]
    if unknown := sorted(keywords.keys() - set(names)):
        raise InvalidInput(
            f"`hyperparameters` of {spec.name} must be among {', '.join(names) or 'none'}. "
            f"Received: {', '.join(unknown)}."
        )
    try:
        check_types(fields(spec.config), keywords)
        spec.config(**keywords)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"`hyperparameters` must be those of {spec.name}: {error}") from error
