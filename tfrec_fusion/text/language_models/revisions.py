"""Which revision of a language model a preset stands for, and what the model is read from."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.checksums import checksums, first_fault
from tfrec_fusion.text.language_models.hubs import (
    HUGGING_FACE_FILES,
    OTHER_RUNTIMES,
    handle_parts,
    hugging_face_folder,
    kaggle_folder,
)
from tfrec_fusion.text.language_models.registry import PresetUnavailable, find_preset

WITH_VERSION = 5  # parts of a handle of Kaggle
NOT_READ = ("*.md",)  # though it is fetched: it says what the license is


def pinned(preset: str) -> str:
    """Returns a preset that stands for the same model for good.

    Args:
        preset: As of `presets.load_language_model`.

    Returns:
        `hf://owner/name@COMMIT` for a model of the Hugging Face Hub, whatever branch or tag was
        named; `kaggle://owner/model/keras/variant/VERSION` for one of Kaggle, as KerasHub's presets
        are; any other preset as it is.

    Raises:
        PresetUnavailable: When a hub does not answer and the model is not in its cache.

    Example:

    >>> pinned("tiny_gpt2")
    'tiny_gpt2'
    """
    if preset.startswith("hf://"):
        name = preset.removeprefix("hf://")
        return f"hf://{name.partition('@')[0]}@{hugging_face_folder(name).name}"
    handle = _handle(preset)
    if not handle or len(handle_parts(handle)) == WITH_VERSION:
        return handle or preset
    return f"{handle}/{kaggle_folder(handle).name}"


def preset_files(preset: str) -> dict[str, str]:
    """Returns sha256 by name of the files that a language model is read from.

    Args:
        preset: As of `presets.load_language_model`, which has loaded it on this machine.

    Raises:
        PresetUnavailable: When it is not on this machine and cannot be downloaded.
    """
    if (named := find_preset(preset)) is not None and named.files:
        return dict(named.files)
    folder = _folder(preset, ("config.json",))
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return checksums(folder, [name for name in names if _is_read(name)])


def check_preset(preset: str, expected: Mapping[str, str], whose: str) -> None:
    """Makes sure that a preset stands for the same files as it did.

    Args:
        preset: As of `presets.load_language_model`.
        expected: sha256 by name, of `preset_files`.
        whose: What was trained with it, for the message.

    Raises:
        PresetUnavailable: When a file is missing or changed, or cannot be had.
    """
    named = find_preset(preset)
    if not expected or (named is not None and expected == named.files):
        return  # those that a preset names are compared whenever it is loaded
    folder = _folder(preset, expected)
    if found := first_fault(folder, expected):
        raise PresetUnavailable(
            "{} was trained with another {}: {} {}. {}".format(whose, preset, *found, _cure(preset))
        )


def _cure(preset: str) -> str:
    if (named := find_preset(preset)) is not None:
        return named.remedy
    if preset.startswith("hf://") or _handle(preset):
        return "Remove the model from the hub's cache, and it is fetched again."
    return "Give the folder the files that it had, or train again."


def _is_read(name: str) -> bool:
    wanted, others = (
        any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        for patterns in (HUGGING_FACE_FILES, (*OTHER_RUNTIMES, *NOT_READ))
    )
    return wanted and not others


def _folder(preset: str, names: Iterable[str]) -> Path:
    if (named := find_preset(preset)) is not None:
        return Path(named.folder(cache_folder()))
    if preset.startswith("hf://"):
        return hugging_face_folder(preset.removeprefix("hf://"))
    if handle := _handle(preset):
        return kaggle_folder(handle, names)
    return Path(preset).expanduser()


def _handle(preset: str) -> str:
    """The handle of Kaggle that a preset stands for; "" where it is no model of Kaggle's."""
    if preset.startswith("kaggle://"):
        return preset
    if find_preset(preset) is not None:
        return ""
    import keras_hub

    known = keras_hub.models.Tokenizer.presets
    return str(known[preset]["kaggle_handle"]) if preset in known else ""
