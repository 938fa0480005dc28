"""Language models that a run was trained with: noted in its `run.json`, and the same ones again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tfrec_fusion.text.language_models.revisions import check_preset, pinned, preset_files
from tfrec_fusion.zoo.runs.settings import Settings

PRESETS = ("text_preset", "language_model")  # training options that name language models


def _presets(settings: Settings) -> dict[str, str]:
    given = {name: settings.further.get(name) for name in PRESETS}
    return {name: preset for name, preset in given.items() if preset is not None}


def with_pinned_language_models(settings: Settings) -> Settings:
    """Returns settings whose language models stand for the same revisions for good.

    Args:
        settings: Of a training; those of a model that reads no text are returned as they are.

    Raises:
        PresetUnavailable: When a hub does not answer and the model is not in its cache.
    """
    fixed = {name: pinned(preset) for name, preset in _presets(settings).items()}
    return replace(settings, further={**settings.further, **fixed}) if fixed else settings


def language_model_files(settings: Settings) -> dict[str, dict[str, str]]:
    """Returns sha256 by name of what the language models of a training were read from.

    Args:
        settings: Of the training, of `with_pinned_language_models`.
    """
    return {preset: preset_files(preset) for preset in _presets(settings).values()}


def check_language_models(info: Mapping[str, Any], whose: object) -> None:
    """Makes sure that language models are those that a run was trained with.

    Args:
        info: Of the run; one of an earlier version says nothing of their files.
        whose: The run's folder, for the message.

    Raises:
        PresetUnavailable: When a file is missing or changed, or cannot be had.
    """
    for preset, files in info.get("language_models", {}).items():
        check_preset(preset, files, str(whose))
