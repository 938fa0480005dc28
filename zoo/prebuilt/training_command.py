"""The command that trains a model again, as its card gives it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from tfrec_fusion.zoo.protocols import Network
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.settings import Settings


def training_command(
    name: str, info: Mapping[str, Any], members: Mapping[str, float], model: Any = None
) -> str:
    """Returns what trains a run again on the command line.

    Args:
        name: Of the prebuilt model.
        info: Of the run.
        members: Of an ensemble, the prebuilt models that it is made of.
        model: Of the run; a value that an earlier version spelled otherwise is taken from it.
    """
    out = f"runs/{name}-0"
    if members:
        folders = [f"runs/{member}-0" for member in members]
        scale = ["--scale", info["scale"]]
        return shlex.join(["tfrec-zoo", "ensemble", *folders, *scale, "--out", out])
    if "start" in info:
        return str(info["command"])
    spec, options = get_spec(info["model"]), info["options"]
    choices = spec.current_names(info["hyperparameters"])
    standard = Settings.from_keywords(spec, {"progress": options.get("progress", True)})
    defaults = {**spec.choices_of({}), **standard.as_options()}
    config = model.config if isinstance(model, Network) else model
    for one in spec.config_options:
        if one.name in choices:
            choices[one.name] = _current(one, choices[one.name], config)
    words = ["tfrec-zoo", "train", spec.name, "--data", info["data"]["name"]]
    for key, value in {**choices, **options}.items():
        if key in defaults and json.dumps(value) != json.dumps(defaults[key]):
            words += _option(key, value)
    return shlex.join([*words, "--out", out])


def _current(one: Field[Any], value: Any, config: Any) -> Any:
    """A choice in this version's spelling, which the config of a loaded model has."""
    valid = one.metadata["choices"]
    given = value if isinstance(value, list | tuple) else (value,)
    if config is None or not valid or all(each in valid for each in given):
        return value
    return getattr(config, one.name)


def _option(key: str, value: Any) -> list[str]:
    """The words of a command that choose a value.

    Lists are joined by commas; weights of losses are given by repeating the option: see
    `zoo.cli.model_options`.
    """
    option = "--" + key.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    if isinstance(value, Mapping):
        pairs = (f"{name}={number}" for name, number in value.items())
        return [word for pair in pairs for word in (option.removesuffix("s"), pair)]
    return [option, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
