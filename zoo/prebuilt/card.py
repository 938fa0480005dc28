"""A card: what a prebuilt model is, what it learned from, how good it is, and what it is not for.

One JSON file a model in `zoo/prebuilt/cards`, after Mitchell et al., "Model Cards for Model
Reporting", FAT* 2019. Tables and pages are generated from the cards; `tfrec-zoo reproduce NAME`
trains again from one and compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.json_fields import (
    file_name,
    list_of,
    mapping,
    number,
    record,
    scalar,
    share,
    text,
    whole,
)
from tfrec_fusion.files.json_file import read_json
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.saved_classes import renamed_keys

if TYPE_CHECKING:
    import pandas as pd

FORMER_KEYS = {"licence": "license", "licences": "licenses"}  # of version 0.1
CARDS = Path(__file__).parent / "cards"
_METRICS = mapping(list_of(number, 3))
_CARD = record(
    {
        **dict.fromkeys(("name", "architecture", "summary", "command", "intended_use"), text),
        **dict.fromkeys(("data", "files", "weights", "versions", "licenses"), mapping(text)),
        **dict.fromkeys(("parameters", "size", "seeds"), whole),
        "hyperparameters": mapping(scalar),
        "options": record({}),
        "folder": file_name,
        "metrics": _METRICS,
        "beside": mapping(_METRICS),
        "training_seconds": share,
        "limits": list_of(text),
    },
    {
        "members": mapping(share, file_name),
        "scale": text,
        "start": text,
        "item_labels": list_of(list_of(text, 2)),
        "reader": record(
            {},
            {
                **dict.fromkeys(("preset", "fingerprint", "texts"), text),
                "max_length": whole,
                "files": mapping(text),
            },
        ),
        "language_models": mapping(mapping(text)),
    },
)


@dataclass(frozen=True)
class Card:
    """A prebuilt model in numbers and words.

    Attributes:
        name: `architecture.tag`, by which it is loaded.
        architecture: A name of `zoo.list_models()`, or `ensemble`.
        summary: What it is, a sentence.
        hyperparameters: The model's keywords that were given.
        options: How it was trained, as of `zoo.runs.train_options.TrainOptions`.
        data: `name`, `checksum`, `split`, `license` and `citation` of what it learned from.
        folder: Folder of `zoo/prebuilt/weights` with its vocabularies, catalog and events.
        files: sha256 of every file it is read from, by path in `zoo/prebuilt/weights`.
        weights: Which of them holds the weights, by the model's name; of an ensemble those of its
            members, which stay as they are when a member is published again.
        metrics: `[mean, low, high]` on the test part by name: over `seeds` trainings, or over users
            where nothing is drawn.
        seeds: Trainings that the metrics are over; the weights are the first one's.
        beside: The same of baselines, by their names.
        parameters: Numbers in the model.
        size: Bytes of its weights file.
        training_seconds: Of one training, on average.
        command: What trains it again.
        versions: Of Python and of the libraries, when it was trained.
        licenses: Of `data` and `weights`, and of the `language_model` where there is one.
        intended_use: What it is for.
        limits: What it is not for, and what is known to be wrong with it.
        members: Of an ensemble: weights by the names of prebuilt models.
        scale: Of an ensemble: `scores` or `ranks`.
        start: Of a fine-tuned model: the architecture of the model that it continues.
        item_labels: Column and label of each item feature, in the features' order.
        reader: `preset`, `max_length` and `fingerprint` of the text encoder that made the texts'
            vectors, which answers queries; `files`, sha256 of what that is read from, by name;
            and `texts`, which of the card's files has the vectors.
        language_models: Of each language model that the model was trained with, by its preset:
            sha256 of what it is read from, by name.

    Example:

    >>> card = Card.load(CARDS / "ease.ml_latest_small.json")
    >>> card.architecture
    'ease'
    """

    name: str
    architecture: str
    summary: str
    hyperparameters: Mapping[str, Any]
    options: Mapping[str, Any]
    data: Mapping[str, str]
    folder: str
    files: Mapping[str, str]
    weights: Mapping[str, str]
    metrics: Mapping[str, list[float]]
    seeds: int
    beside: Mapping[str, Mapping[str, list[float]]]
    parameters: int
    size: int
    training_seconds: float
    command: str
    versions: Mapping[str, str]
    licenses: Mapping[str, str]
    intended_use: str
    limits: tuple[str, ...]
    members: Mapping[str, float] = field(default_factory=dict)
    scale: str = ""
    start: str = ""
    item_labels: tuple[tuple[str, str], ...] = ()
    reader: Mapping[str, Any] = field(default_factory=dict)
    language_models: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def language_model(self) -> tuple[str, int | None] | None:
        """The preset that reads texts and the most tokens it reads; None where none does.

        Of the tokens None stands for the default, see `text.encoding.item_vectors.item_encoder`.
        """
        if "language_model" not in self.licenses:
            return None
        return str(self.options["text_preset"]), self.options["text_length"]

    def save(self, path: Path) -> None:
        """Writes the card as JSON."""
        write_text(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Card:
        """Reads a card.

        Raises:
            ValueError: When the file is no card of this version; it says which keys are wrong.
        """
        said = renamed_keys(read_json(path), FORMER_KEYS)
        keys = said.keys() if isinstance(said, dict) else set()
        names = {one.name for one in fields(cls)}
        optional = {
            one.name
            for one in fields(cls)
            if one.default is not MISSING or one.default_factory is not MISSING
        }
        if missing := sorted(names - optional - keys):
            raise InvalidInput(f"{path} is no card: it lacks {', '.join(missing)}.")
        if unknown := sorted(keys - names):
            raise InvalidInput(f"{path} says what no card does: {', '.join(unknown)}.")
        try:
            _CARD(said, "")
        except InvalidInput as error:
            raise InvalidInput(f"{path} is no card: {error}") from error
        labels = tuple((column, label) for column, label in said.get("item_labels", ()))
        return cls(**{**said, "limits": tuple(said["limits"]), "item_labels": labels})


def cards() -> dict[str, Card]:
    """The cards of all prebuilt models, by name.

    Raises:
        ValueError: When one cannot be read, or is not named like its file.
    """
    found = {path.stem: Card.load(path) for path in sorted(CARDS.glob("*.json"))}
    for stem, card in found.items():
        if stem != card.name:
            raise InvalidInput(f"{CARDS / stem}.json must be the card of {stem}. Got: {card.name}.")
    return found


def table_of_cards() -> pd.DataFrame:
    """Every prebuilt model with its numbers.

    Returns:
        Columns `name`, `summary`, `data`, `ndcg@10`, `recall@20`, `parameters`, `megabytes`.
    """
    import pandas as pd

    rows = [
        {
            "name": card.name,
            "summary": card.summary,
            "data": card.data["name"],
            "ndcg@10": card.metrics["ndcg@10"][0],
            # Missing of a catalog of fewer than 20 items.
            "recall@20": card.metrics.get("recall@20", [None])[0],
            "parameters": card.parameters,
            "megabytes": round(card.size / 1e6, 2),
        }
        for card in cards().values()
    ]
    return pd.DataFrame(rows)
