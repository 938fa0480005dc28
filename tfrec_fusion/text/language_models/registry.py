"""The language models that have a name: where the files of each are, and on which terms.

The package's own are the modules of `text.language_models.named`, each of which ends in a
`PRESET`. An installed package adds its own by an entry point of the group
`tfrec_fusion.text_presets` that names a `TextPreset`; a program calls `register_preset`. Importing
this, and listing the names, imports neither Keras nor TensorFlow.

What has no name here is found by its address: a preset of KerasHub, `kaggle://`, `hf://`, or a
folder; see `text.language_models.presets`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.registries import Registry

ENTRY_POINTS = "tfrec_fusion.text_presets"
POOLINGS = ("mean", "first", "last", None)


class PresetUnavailable(UserError, RuntimeError):
    """A language model could not be had; the message says why and what else there is."""


@dataclass(frozen=True)
class TextPreset:
    """A language model with a name: `TextEncoder(NAME)`, `--text-preset NAME`.

    Attributes:
        name: Of letters, digits, `_`, `-` and `.`.
        summary: A line for lists, without a full stop.
        folder: The cache's folder → the folder on this machine with the model's files, in
            KerasHub's or in Hugging Face's layout; fetches them where that is needed, and raises
            `PresetUnavailable` where they cannot be had.
        license: The terms of the weights; None where the README.md in the folder says them.
        pooling: How a text's vector is made of its tokens' where the folder does not say it:
            `mean`, `first` or `last`.
        files: sha256 by name of its files, where `folder` compares them each time.
        packaged: Whether it is one of `text/language_models/packaged`, which come with the package.
        origin: Where it comes from, such as `comes through pip (NAME==VERSION)`: messages then
            offer it where a hub cannot be reached.
        remedy: What to do when its files are not those that a model was trained with.

    Raises:
        InvalidInput: When the name, the summary or the pooling cannot be used.

    Example:

    >>> TextPreset("mine", "Our reviews' own GPT-2", folder=lambda cache: Path("presets/mine")).name
    'mine'
    """

    name: str
    summary: str
    folder: Callable[[Path], Path]
    license: str | None = None
    pooling: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    packaged: bool = False
    origin: str = ""
    remedy: str = "Give the folder the files that it had, or train again."

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(self.name)):
            raise InvalidInput(
                "`name` must be of letters, digits, `_`, `-` and `.`, so that it is no folder and "
                f"no address. Received: {self.name!r:.60}."
            )
        if not self.summary.strip() or "\n" in self.summary or self.summary.endswith("."):
            raise InvalidInput(
                f"`summary` of {self.name} must be one line without a full stop at its end. "
                f"Received: {self.summary!r:.60}."
            )
        if self.pooling not in POOLINGS:
            raise InvalidInput(
                f"`pooling` of {self.name} must be 'mean', 'first', 'last' or None. "
                f"Received: {self.pooling!r:.60}."
            )


_registry: Registry[TextPreset] = Registry(
    TextPreset,
    "text preset",
    ("tfrec_fusion.text.language_models.named",),
    "PRESET",
    ENTRY_POINTS,
)


def register_preset(preset: TextPreset) -> TextPreset:
    """Adds a language model: to `TextEncoder`, and to `text_preset` of every model and command.

    Args:
        preset: Its description. One that the program registered before under the same name is
            replaced.

    Returns:
        The same.

    Raises:
        InvalidInput: When the package or an installed one has a preset of that name.
        WrongType: When it is no `TextPreset`.

    Example:

    >>> register_preset(TextPreset(
    ...     "mine", "Our reviews' own GPT-2", folder=lambda cache: Path("presets/mine"),
    ... ))  # doctest: +SKIP
    """
    return _registry.add(preset)


def preset_names() -> list[str]:
    """Returns the names of the language models, in alphabetical order.

    Example:

    >>> "minilm" in preset_names()
    True
    """
    return _registry.names()


def presets() -> dict[str, TextPreset]:
    """Returns every named language model's description by its name."""
    return _registry.members()


def find_preset(name: str) -> TextPreset | None:
    """Returns the description of a language model, or None where none has that name.

    Example:

    >>> find_preset("hf://owner/model") is None
    True
    """
    return _registry.find(name)


def get_preset(name: str) -> TextPreset:
    """Returns the description of a language model.

    Raises:
        InvalidInput: When none has that name; the message lists the names and the closest.

    Example:

    >>> get_preset("minilm").pooling
    'mean'
    """
    return _registry.get(name)
