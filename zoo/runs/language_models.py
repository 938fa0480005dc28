"""Language models that a run was trained with: noted in its `run.json`, and the same ones again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tfrec_fusion.text.language_models.revisions import check_preset, pinned, preset_files
from tfrec_fusion.zoo.registry import READS_TEXT
from tfrec_fusion.zoo.runs.train_options import TrainOptions


def with_pinned_language_models(model: str, options: TrainOptions) -> TrainOptions:
    """Returns options whose language models stand for the same revisions for good.

    Args:
        model: A name of the zoo; options of one that reads no text are returned as they are.
        options: How to train.

    Raises:
        PresetUnavailable: When a hub does not answer and the model is not in its cache.
    """
    if model not in READS_TEXT:
        return options
    other = options.language_model
    return replace(
        options,
        text_preset=pinned(options.text_preset),
        language_model=None if other is None else pinned(other),
    )


def language_model_files(model: str, options: TrainOptions) -> dict[str, dict[str, str]]:
    """Returns sha256 by name of what the language models of a training were read from.

    Args:
        model: A name of the zoo.
        options: How it was trained, of `with_pinned_language_models`.
    """
    if model not in READS_TEXT:
        return {}
    presets = (options.text_preset, options.language_model)
    return {preset: preset_files(preset) for preset in presets if preset is not None}


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
