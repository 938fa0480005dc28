"""Training a prebuilt model again from its card, and comparing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import checksum
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.prebuilt.card import Card
from tfrec_fusion.zoo.prebuilt.load import card_of
from tfrec_fusion.zoo.registry import get_spec
from tfrec_fusion.zoo.runs.ensembling import train_ensemble
from tfrec_fusion.zoo.runs.run import Run, load_run
from tfrec_fusion.zoo.runs.train import train
from tfrec_fusion.zoo.runs.train_options import TrainOptions

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Reproduction:
    """The result of a training from a card.

    Attributes:
        card: The card.
        metrics: The new run's numbers, those that the card has.
    """

    card: Card
    metrics: Mapping[str, float]

    @property
    def agrees(self) -> bool:
        """True where NDCG@10 lies within the card's interval, widened to hold single trainings.

        The interval of a card over seeds is that of their mean; one training is expected within
        that of single values, which is the square root of the number of seeds as wide.
        """
        mean, low, high = self.card.metrics[METRIC]
        wide = self.card.seeds**0.5 if self.card.seeds > 1 else 1.0
        value = self.metrics.get(METRIC, float("nan"))  # missing of a training that diverged
        return mean - wide * (mean - low) <= value <= mean + wide * (high - mean)

    def rows(self) -> list[ReportRow]:
        """The card's numbers and the new ones."""
        numbers = {key: self.card.metrics[key] for key in self.metrics}
        means = {key: one[0] for key, one in numbers.items()}
        intervals = {key: (one[1], one[2]) for key, one in numbers.items()}
        return [
            ReportRow(f"card, {self.card.seeds} seeds", means, intervals),
            ReportRow("trained again", dict(self.metrics)),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        said = {"name": self.card.name, "agrees": self.agrees, "metrics": dict(self.metrics)}
        return said | {"card": {key: self.card.metrics[key] for key in self.metrics}}


def reproduce(
    name: str,
    out: Path,
    *,
    data_dir: Path | None = None,
    csv: Mapping[str, str] | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Reproduction:
    """Trains a prebuilt model again.

    Args:
        name: The prebuilt model.
        out: Folder for its runs, one a model; those that are there already are taken.
        data_dir: A local copy of the data; fetched by default.
        csv: How the files of a folder are written, as `read_tables` takes it.
        seed: Seed of everything drawn; the kept weights are those of seed 0.
        say: Called with one line about each step.

    Raises:
        ValueError: When there is no such model, the data are not those of the card, or the model
            was fine-tuned, on data that its card does not hold.
    """
    card = card_of(name)
    if card.start:
        raise InvalidInput(
            f"{name} was fine-tuned from a {card.start}, and `reproduce` trains from scratch. "
            "Continue the same start on the same data instead: "
            f"{card.command or 'its card holds no command'}."
        )
    run = _run(card, out, data_dir, csv or {}, seed, say)
    metrics = {key: run.info["test"][key] for key in card.metrics if key in run.info["test"]}
    return Reproduction(card, metrics)


def _run(
    card: Card,
    out: Path,
    data_dir: Path | None,
    csv: Mapping[str, str],
    seed: int,
    say: Callable[[str], None],
) -> Run:
    folder = out / f"{card.name}-{seed}"
    if (folder / "run.json").exists():
        return load_run(folder)
    if card.members:
        members = [_run(card_of(one), out, data_dir, csv, seed, say) for one in card.members]
        folders = [member.folder for member in members]
        return train_ensemble(folders, folder, scale=card.scale, command=card.command, say=say)
    tables = read_tables(card.data["name"], data_dir, **csv)
    if (received := checksum(tables)) != card.data["checksum"]:
        raise InvalidInput(
            f"{card.data['name']} must be the data of {card.name}, with the checksum "
            f"{card.data['checksum'][:12]}…. Received: {received[:12]}…; give the folder of the "
            "same release with --data-dir."
        )
    return train(
        card.architecture,
        tables,
        folder,
        command=card.command,
        say=say,
        **{**_keywords(card), "seed": seed},
    )


def _keywords(card: Card) -> dict[str, Any]:
    """The keywords of a card's training; cards of version 0.1 hold options of other models."""
    spec = get_spec(card.architecture)
    own = {one.name for one in (*fields(TrainOptions), *spec.training_options)} - {"progress"}
    said = {key: value for key, value in card.options.items() if key in own}
    said |= card.hyperparameters
    return {key: tuple(one) if isinstance(one, list) else one for key, one in said.items()}
