"""Language models of the hubs, as folders on this machine: Hugging Face's and Kaggle's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.files.refusals import refusal, refused
from tfrec_fusion.text.language_models.folders import one_line
from tfrec_fusion.text.language_models.registry import PresetUnavailable, presets

# What a language model needs. Pickles are not even fetched, nor copies for other runtimes.
HUGGING_FACE_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.h5", "assets/*", "*.md"]
OTHER_RUNTIMES = ["onnx/*", "openvino/*", "tf_model.h5", "*.msgpack"]
CONNECT_SECONDS = 10
KAGGLE_CACHE = os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")
_of_commit: dict[str, Path] = {}  # what the Hub has given in this process


def hugging_face_folder(name: str) -> Path:
    """The folder of a model of the Hugging Face Hub, in the Hub's own cache on this machine.

    Of its files only those are fetched that are read: configuration, safetensors, tokenizer.

    Args:
        name: `owner/name`, or `name` for the oldest models; `@REVISION` after it chooses a commit,
            a tag or a branch, which is `main` by default.

    Returns:
        The folder, whose name is the commit.

    Raises:
        ValueError: When that is no name of a model, or there is no revision after the `@`.
        PresetUnavailable: When the Hub does not answer or does not have it.
    """
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError

    model, at, revision = name.partition("@")
    if at and not revision:
        raise InvalidInput(
            "hf://owner/name@ is followed by a commit, a tag or a branch. "
            f"Received: hf://{name}. Leave the @ out for the branch main."
        )
    if (known := _of_commit.get(name)) and known.is_dir():
        return known  # a commit stays what it is: the Hub need not be asked again
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                model,
                revision=revision or None,
                allow_patterns=HUGGING_FACE_FILES,
                ignore_patterns=OTHER_RUNTIMES,
                etag_timeout=CONNECT_SECONDS,
            )
        )
        _of_commit[f"{model}@{folder.name}"] = folder
        return folder
    except HFValidationError as error:
        raise InvalidInput(
            f"hf:// is followed by owner/name or owner/name@revision. Received: hf://{name} "
            f"({one_line(error)})."
        ) from None
    # Whatever goes wrong over there, or on the way, is one thing here: it is not to be had.
    except Exception as error:
        raise unavailable(f"hf://{name}", error, constants.HF_HUB_CACHE) from None


def kaggle_folder(preset: str, names: Iterable[str] = ("config.json",)) -> Path:
    """The folder of a model of Kaggle, in KaggleHub's own cache on this machine.

    Args:
        preset: `kaggle://owner/model/keras/variant`, with or without `/version`.
        names: Files of it, which are fetched where they are not there yet.

    Returns:
        The folder, whose name is the version.

    Raises:
        ValueError: When that is no name of a model.
        PresetUnavailable: When Kaggle does not answer or does not have it.
    """
    import kagglehub

    handle_parts(preset)
    try:
        found = {
            name: kagglehub.model_download(preset.removeprefix("kaggle://"), name) for name in names
        }
    # As of the Hub: it is not to be had.
    except Exception as error:
        raise unavailable(preset, error, KAGGLE_CACHE) from None
    name, path = next(iter(found.items()))
    return Path(path).parents[len(Path(name).parts) - 1]


def handle_parts(preset: str) -> list[str]:
    """The owner, model, framework, variant and perhaps version of `kaggle://…`.

    Raises:
        ValueError: When these are not its parts.
    """
    parts = preset.removeprefix("kaggle://").split("/")
    if len(parts) not in (4, 5) or not all(parts):
        raise InvalidInput(
            "Kaggle's models are named kaggle://owner/model/keras/variant, with /version where "
            f"one is meant. Received: {preset}."
        )
    return parts


def unavailable(preset: str, error: Exception, cache: str) -> UserError:
    """The error of a hub that does not deliver, or of a cache that cannot be written."""
    if (number := refused(error)) is not None:
        return refusal(getattr(error, "filename", None) or cache, number)
    others = [f"`{one.name}`, which {one.origin}" for one in presets().values() if one.origin]
    return PresetUnavailable(
        f"{preset} could not be had: {one_line(error)}\nWhat to do:\n"
        "  - let this machine reach the hub, and try again (some models also need an account "
        "there and its terms accepted);\n"
        "  - or bring the hub's cache from a machine that has loaded it: HF_HOME with "
        "HF_HUB_OFFLINE=1 for hf://, KAGGLEHUB_CACHE for KerasHub's presets and kaggle://;\n"
        "  - or give a local folder, as saved by KerasHub's `save_to_preset` or by transformers' "
        "`save_pretrained`;\n"
        f"  - or take {', or '.join(others)}."
    )
