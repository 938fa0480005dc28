"""Prebuilt models: trained, with their vocabularies, in the package; loaded without a network."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.files.checksums import BrokenPackage, first_fault
from tfrec_fusion.text.language_models.packaged_files import (
    REINSTALL,
    check_packaged,
    is_packaged,
    packaged_folder,
)
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.prebuilt.card import Card, cards
from tfrec_fusion.zoo.prebuilt.half_precision import load_half
from tfrec_fusion.zoo.recommender import Recommender
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.run import BrokenRun, Run, assemble, load_run

if TYPE_CHECKING:
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

WEIGHTS = Path(__file__).parent / "weights"


def load(name: str) -> Recommender:
    """A prebuilt model, its files checked against the checksums of its card.

    These are all that it is read from, and the package's language model, which reads queries. A
    language model from elsewhere is compared when it is needed.

    Args:
        name: `architecture.tag`, one of `zoo.list_models(pretrained=True)`.

    Returns:
        The model, with its `card`; printed, it says what it is.

    Raises:
        ValueError: When there is no such model; the message lists those there are.
        TypeError: When `name` is no string.
        BrokenPackage: When one of its files is missing or was changed.

    Example:

    >>> load("ease.ml_latest_small").recommend(history=["Toy Story"], k=1)["item_id"].tolist()
    ['780']
    """
    card = card_of(name)
    for preset, files in (*card.language_models.items(), _reader_files(card)):
        if is_packaged(preset):
            check_packaged(preset)
            _check(card, packaged_folder(preset), files)
    run = run_of(card)
    return Recommender(run, card, lambda: _search_of(card, run))


def run_of(card: Card) -> Run:
    """The run of a card, its files checked; its language models are not.

    Raises:
        BrokenPackage: When one of the files is missing or was changed.
    """
    _check(card, WEIGHTS, card.files)
    models = {name: load_half(WEIGHTS / path) for name, path in card.weights.items()}
    model: Any = next(iter(models.values()))
    if card.members:
        model = Ensemble(models, dict(card.members), card.scale)
    info = {
        "model": card.architecture,
        "hyperparameters": dict(card.hyperparameters),
        "options": dict(card.options),
        "data": dict(card.data),
        "command": card.command,
        "versions": dict(card.versions),
        "item_labels": card.item_labels,
        "language_models": card.language_models,
        "training": {"seconds": card.training_seconds},
        "test": {key: mean for key, (mean, _, _) in card.metrics.items()},
        "test_intervals": {key: [low, high] for key, (_, low, high) in card.metrics.items()},
    }
    if card.members:
        architectures = {one: {"model": card_of(one).architecture} for one in card.members}
        info |= {"members": architectures, "weights": dict(card.members), "scale": card.scale}
    named = [Path(path) for path in card.files]
    files = {path.name for path in named if path.parent == Path(card.folder)}
    return assemble(WEIGHTS / card.folder, model, info, files)


def open_recommender(run: str | Path) -> Recommender:
    """A run folder, or a prebuilt model by its name, as what can be asked.

    Raises:
        BrokenRun: When there is neither a folder nor a model of that name.
        BrokenPackage: As of `load`.
    """
    is_there, name = folder_path(run).exists(), str(run)
    if not is_there and name in cards():
        return load(name)
    if not is_there and (meant := _meant(name)):
        raise BrokenRun(
            f"There is no run folder {name}, and no prebuilt model of `list --pretrained` has this "
            f"name.{meant}"
        )
    return Recommender(load_run(run))


def open_run(run: str | Path) -> Run:
    """As `open_recommender`, what the folder or the package holds of it."""
    return open_recommender(run).run


def card_of(name: str) -> Card:
    """The card of a prebuilt model.

    Raises:
        ValueError: When there is no such model.
    """
    known = cards()
    if not isinstance(name, str):
        raise WrongType(
            f"A prebuilt model is given by its name, such as {next(iter(known), 'ease.my_films')!r}"
            f". Received: {name!r:.60}, of the type {type(name).__name__}."
        )
    if name not in known:
        meant = _meant(name)
        if (Path(name) / "run.json").is_file():
            meant = " A run folder is read by `zoo.load_run`."
        raise InvalidInput(
            f"There is no prebuilt model {name!r}.{meant} There are {', '.join(known)}."
        )
    return known[name]


def _meant(name: str) -> str:
    """Returns a hint at the prebuilt models whose names begin alike, or nearly so."""
    known, begun = cards(), name.casefold()
    close = [one for one in known if begun and one.startswith(begun)]
    close = close or difflib.get_close_matches(begun, known, n=1, cutoff=0.4)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _search_of(card: Card, run: Run) -> SemanticSearch:
    """Search by the vectors of the catalog's texts that the package holds."""
    # TF Text and KerasHub take seconds to import: only text queries need them.
    from tfrec_fusion.text.encoding.encoder import TextEncoder
    from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

    reader = card.reader
    vectors = load_file(WEIGHTS / reader["texts"])["vectors"].astype(np.float32)
    encoder = TextEncoder(reader["preset"], max_length=reader["max_length"])
    if encoder.fingerprint != reader["fingerprint"]:
        raise BrokenPackage(
            f"The texts of {card.name} were read by another {reader['preset']} than is "
            "installed, so a query's vector cannot be compared with theirs: the encoder's "
            f"fingerprint is {encoder.fingerprint[:12]}…, the card says "
            f"{reader['fingerprint'][:12]}…. Install tfrec-fusion again."
        )
    return SemanticSearch(run.items.ids, run.titles, vectors, encoder, run.texts)


def _reader_files(card: Card) -> tuple[str, Mapping[str, str]]:
    return card.reader["preset"], card.reader["files"]


def _check(card: Card, folder: Path, files: Mapping[str, str]) -> None:
    if found := first_fault(folder, files):
        raise BrokenPackage(
            "{} {}. {} is read from it. {} A model of your own can be published again.".format(
                *found, card.name, REINSTALL
            )
        )
