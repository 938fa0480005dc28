"""A language model's folder, looked through before it is loaded: safe formats, whole files.

KerasHub reads two layouts, its own and Hugging Face's. What is missing or cut short in them it
notices late, and says in the words of the library that stumbled; so it is noticed here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.keras_file import check_weights
from tfrec_fusion.files.regular import open_regular, read_regular
from tfrec_fusion.files.whole import write_text

# What KerasHub takes for granted of these models; a checkpoint that says otherwise would load
# without a word and compute something else than it was trained for.
ASSUMED: dict[str, dict[str, tuple[Any, ...]]] = {
    "bert": {
        "hidden_act": ("gelu",),
        "position_embedding_type": ("absolute", None),
        "layer_norm_eps": (1e-12,),
    },
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "layer_norm_epsilon": (1e-5,),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
    },
}
MOST_CONFIG_BYTES = 2**26
MODULES_FILE = "modules.json"  # of sentence-transformers: what a model consists of
POOLING_FILE = "1_Pooling/config.json"
POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_lasttoken": "last",
}
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
CONVERT = (
    "Where PyTorch and transformers are installed, convert it: `AutoModel.from_pretrained(folder)"
    ".save_pretrained(folder, safe_serialization=True)`."
)


def check_folder(folder: Path) -> dict[str, Any]:
    """Makes sure that a folder holds a language model that can be loaded, and safely.

    Args:
        folder: A preset saved by KerasHub (`config.json`, `model.weights.h5`, `tokenizer.json`,
            `assets/`), or by Hugging Face's libraries (`config.json`, `model.safetensors` or its
            shards with their index, the tokenizer's files).

    Returns:
        The folder's `config.json`.

    Raises:
        ValueError: When something is missing, cut short or of a kind that is not read, with the
            folder and the cure.
    """
    if not folder.is_dir():
        raise InvalidInput(f"There is no folder {folder}.")
    config = read_config(folder, "config.json")
    if "registered_name" in config:
        _check_keras_weights(folder)
    elif "model_type" in config:
        _check_safetensors(folder)
        _check_assumptions(folder, config)
    else:
        raise InvalidInput(
            f"{folder / 'config.json'} is neither KerasHub's (`registered_name`) nor Hugging "
            f"Face's (`model_type`). Received the keys: {', '.join(sorted(config)) or 'none'}."
        )
    return config


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """Reads one JSON object of a model's folder.

    Raises:
        ValueError: When the file is missing, not UTF-8, not JSON, or not an object.
    """
    path = folder / name
    if not path.is_file():
        raise InvalidInput(
            f"{folder} has no {name}. A language model's folder has config.json, its weights "
            "(model.safetensors or model.weights.h5) and the files of its tokenizer."
        )
    try:
        config = json.loads(read_regular(path, MOST_CONFIG_BYTES).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also what is not UTF-8
        raise InvalidInput(f"{path} is damaged: {one_line(error)}. Fetch it again.") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{path} is no JSON object. Received: a {type(config).__name__}.")
    return config


def license_of(folder: Path) -> str:
    """The license a model's README.md names in its head, or that none is named."""
    readme = folder / "README.md"
    if readme.is_file():
        with open_regular(readme) as file:
            head = file.read(10_000).decode("utf-8", errors="replace")
        if found := re.search(r"^license:\s*(\S.*?)\s*$", head, re.MULTILINE):
            return found[1]
    return "not stated in the model's folder"


def one_line(error: object, width: int = 400) -> str:
    """The words of an error on one line, the type of the error where it has no words."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= width else words[:width] + "…"


def _check_keras_weights(folder: Path) -> None:
    shards = sorted(folder.glob("model_*.weights.h5")) if _has(folder, "model.weights.json") else []
    paths = [folder / "model.weights.h5"] if _has(folder, "model.weights.h5") else shards
    if not paths:
        raise InvalidInput(
            f"{folder} has no weights: model.weights.h5 is missing. Save the whole preset again, "
            "backbone and tokenizer, with `save_to_preset(folder)`."
        )
    for path in paths:
        try:
            check_weights(path, path, path.stat().st_size)
        except InvalidInput as error:
            raise InvalidInput(
                f"{path} is damaged or cut short: {one_line(error)}. Fetch or save it again."
            ) from error
    if not _has(folder, "tokenizer.json"):
        raise InvalidInput(
            f"{folder} has no tokenizer: tokenizer.json is missing. Save it there with the "
            "tokenizer's `save_to_preset(folder)`."
        )


def _check_safetensors(folder: Path) -> None:
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, set[str]] = {}
    for path in _safetensors(folder):
        if not path.is_file():
            raise InvalidInput(
                f"{folder} lacks {path.name}, which its index names. Fetch it again."
            )
        try:
            # Opening compares the header's sizes with the file's.
            with safe_open(path, framework="np") as file:
                tensors[path.name] = set(file.keys())
        except (SafetensorError, OSError) as error:
            raise InvalidInput(
                f"{path} is damaged or cut short ({path.stat().st_size} bytes): "
                f"{one_line(error)}. Fetch it again."
            ) from error
    if not any(tensors.values()):
        raise InvalidInput(f"The weights of {folder} hold no tensors. Fetch them again.")


def _safetensors(folder: Path) -> list[Path]:
    """The weights' files, as KerasHub will look for them."""
    index = "model.safetensors.index.json"
    if _has(folder, index):
        names = read_config(folder, index).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise InvalidInput(f"{folder / index} has no `weight_map`. Fetch it again.")
        if strange := sorted({str(name) for name in names.values() if Path(name).name != name}):
            raise InvalidInput(f"{folder / index} leads out of its folder. Received: {strange}.")
        return [folder / name for name in sorted(set(names.values()))]
    if _has(folder, "model.safetensors"):
        return [folder / "model.safetensors"]
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InvalidInput(
            f"{folder} has its weights only as a pickle ({', '.join(pickles)}). Pickles can run "
            f"any code and are not read; model.safetensors is. {CONVERT}"
        )
    raise InvalidInput(f"{folder} has no weights: model.safetensors is missing. Fetch it again.")


def _check_assumptions(folder: Path, config: dict[str, Any]) -> None:
    for key, allowed in ASSUMED.get(str(config["model_type"]), {}).items():
        if config.get(key, allowed[0]) not in allowed:
            raise InvalidInput(
                f"{folder / 'config.json'} asks for a model that KerasHub does not compute: `{key}`"
                f" must be {' or '.join(map(repr, allowed))}. Received: {config[key]!r}."
            )


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_file()


def pooling_of(folder: Path) -> str | None:
    """How a folder of sentence-transformers makes a text's vector of its tokens'; None: unsaid.

    It is unsaid where there is neither a pooling file nor `modules.json`, which would name one.

    Raises:
        ValueError: When it says something else than the mean, the first or the last token, or
            `modules.json` names a pooling whose file is missing.
    """
    named = _named_pooling(folder)
    file = POOLING_FILE if named is None else f"{named}/config.json"
    if not (folder / file).is_file():
        if named is None:
            return None
        raise InvalidInput(
            f"{folder} has no {file}, which says how a text's vector is made of its tokens' "
            f"vectors; {MODULES_FILE} names it. Another way would give other vectors. Fetch the "
            f"folder again, or remove {MODULES_FILE} from it and give `pooling` yourself."
        )
    said = read_config(folder, file)
    chosen = [mode for mode, on in said.items() if mode.startswith("pooling_mode_") and on is True]
    if len(chosen) != 1 or chosen[0] not in POOLINGS:
        raise InvalidInput(
            f"{folder / file} must name one of {', '.join(POOLINGS)}. "
            f"Received: {', '.join(chosen) or 'none'}. Give `pooling` yourself, without the file "
            f"and without {MODULES_FILE}."
        )
    return POOLINGS[chosen[0]]


def _named_pooling(folder: Path) -> str | None:
    """The folder of the pooling that `modules.json` names, where there is one."""
    if not _has(folder, MODULES_FILE):
        return None
    try:
        modules = json.loads(read_regular(folder / MODULES_FILE, MOST_CONFIG_BYTES))
        named = [one["path"] for one in modules if one["type"].endswith(".Pooling")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput(
            f"{folder / MODULES_FILE} is damaged: {one_line(error)}. Fetch it again."
        ) from error
    return str(named[0]) if named else None


def write_pooling(folder: Path, pooling: str, dim: int) -> None:
    """Says in a folder how a text's vector is made, as `pooling_of` reads it."""
    said: dict[str, Any] = {"word_embedding_dimension": dim}
    said |= {mode: name == pooling for mode, name in POOLINGS.items()}
    path = folder / POOLING_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(said, indent=1) + "\n")
    parts = {"Transformer": "", "Pooling": path.parent.name}
    modules = [
        {"idx": n, "name": str(n), "path": part, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, part) in enumerate(parts.items())
    ]
    write_text(folder / MODULES_FILE, json.dumps(modules, indent=1) + "\n")
