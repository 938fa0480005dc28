"""Trained runs become a prebuilt model: weights in half precision, a card, checksums.

What several models share, vocabularies, catalogue and events, is kept once in a folder of
`zoo/weights`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import save

import zoo
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.files.string_table import read_strings
from tfrec_fusion.files.whole import whole_file
from tfrec_fusion.text.presets import load_language_model
from zoo.card import CARDS, Card, cards
from zoo.differences import differences
from zoo.ensemble import Ensemble
from zoo.half_precision import load_half, save_half
from zoo.prebuilt import (
    TEXTS_FILE,
    WEIGHTS,
    card_of,
    load,
    weights_file,
)
from zoo.ranking import ranking_of
from zoo.run import SHARED, Run, load_run, reads_text
from zoo.seeds import summary
from zoo.train_options import TrainOptions

READER, READER_LENGTH = "tiny_gpt2", 32  # the language model of text queries, and its tokens
METRICS = ("ndcg@10", "recall@10", "recall@20", "hr@10", "mrr@10", "coverage@10", "auc", "rmse")
TOLERANCE = 1e-3  # of NDCG@10, between the model that was measured and the file that is kept
INTENDED_USE = (
    "To try the library, to teach, and to start from on one's own data. Whether it helps people of "
    "another place and time must be measured with them."
)


def publish(
    name: str,
    runs: Sequence[Path],
    beside: Sequence[Path],
    *,
    text: str,
    limits: Sequence[str] = (),
    folder: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Card:
    """Writes the weights and the card of a model.

    Args:
        name: `architecture.tag`.
        runs: Run folders that differ in their seeds; the first one's weights are kept. An
            ensemble's members must be prebuilt models of the same folder already.
        beside: Runs of classics over the same data, whose numbers are put beside.
        text: What the model is, a sentence.
        limits: What is to be known beside what holds for every model of the data.
        folder: Folder of `zoo/weights` that holds what it shares with others of the same data;
            by default the tag.
        say: Called with a line about what was written.

    Returns:
        The card, which is written last: without it the files mean nothing.

    Raises:
        ValueError: When runs do not fit together, or the weights lose more than a thousandth of
            NDCG@10 in half precision.
    """
    if not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", name):
        raise InvalidInput(
            "`name` must be an architecture, a dot and a tag, of small letters, digits and "
            f"underscores, such as ease.my_films. Received: {name!r}."
        )
    loaded = [load_run(run) for run in runs]
    first = loaded[0]
    for run in loaded[1:]:
        _check_alike(first, run, ("model", "hyperparameters", "data", "start"))
    classics = {run.info["model"]: run for run in map(load_run, beside)}
    for run in classics.values():
        _check_alike(first, run, ("data",))
    for run in (*loaded, *classics.values()):
        if "ndcg@10" not in run.info["test"]:
            raise InvalidInput(
                f"{run.folder} has no NDCG@10, without which a card says nothing. "
                f"{' '.join(run.info.get('notes', ())) or 'Measure it: train it again.'}"
            )
    folder = folder or name.split(".", 1)[1]
    shared = _share(first, WEIGHTS / folder)
    members = _members(first, folder)
    files, size = _save_weights(first, members, weights_file(name, folder), say)
    language_model = _language_model(first)
    card = Card(
        name=name,
        architecture=first.info["model"],
        summary=text,
        hyperparameters=first.info.get("hyperparameters", {}),
        options=first.info["options"],
        data=first.info["data"],
        folder=folder,
        files=files | {str(one.relative_to(WEIGHTS)): _sha256(one) for one in shared},
        metrics=_numbers(summary(name, loaded, METRICS)),
        seeds=len(loaded),
        beside={one: _numbers(summary(one, [run], METRICS)) for one, run in classics.items()},
        parameters=_parameters(first.model),
        size=size,
        training_seconds=round(float(np.mean([_seconds(run) for run in loaded])), 1),
        command=_command(name, first, members),
        versions=first.info["versions"],
        licences={
            "data": first.info["data"]["licence"],
            "weights": "The terms of the data, of which they are made.",
            **({"language_model": language_model} if language_model else {}),
        },
        intended_use=INTENDED_USE,
        limits=(*_limits(first), *limits),
        members=members,
        scale=first.info.get("scale", ""),
        start=first.info.get("start", ""),
        item_labels=tuple(map(tuple, first.info.get("item_labels", ()))),
        reader=_reader(),
    )
    card.save(CARDS / f"{name}.json")
    say(f"{name}: {card.size / 1e6:.2f} MB, NDCG@10 {card.metrics['ndcg@10'][0]:.4f}")
    return card


def read_texts_again() -> list[Path]:
    """Reads every catalogue anew, for wishes, and says so in the cards.

    To be called when the package's language model has changed; gives the files that it wrote.
    """
    first = {card.folder: card.name for card in reversed(cards().values())}
    runs = {folder: load(name).run for folder, name in first.items()}
    written = []
    for folder, run in runs.items():
        written.append(WEIGHTS / folder / TEXTS_FILE)
        _save_texts(run, written[-1])
    for card in cards().values():
        texts = WEIGHTS / card.folder / TEXTS_FILE
        files = {**card.files, str(texts.relative_to(WEIGHTS)): _sha256(texts)}
        replace(card, files=files, reader=_reader()).save(CARDS / f"{card.name}.json")
    return written


def _check_alike(first: Run, run: Run, keys: Sequence[str]) -> None:
    for key in keys:
        one, other = ({key: each.info.get(key)} for each in (first, run))
        if found := differences(one, other):
            raise InvalidInput(
                f"{run.folder} and {first.folder} must have the same {key}. From the latter to "
                f"the former: {'; '.join(found)}. Train them alike."
            )


def _share(run: Run, folder: Path) -> list[Path]:
    """Copies what models have in common; refuses to change it under the others."""
    kept = []
    for name in SHARED:
        source, target = run.folder / name, folder / name
        if not source.exists():
            continue
        if target.exists() and not _same(target, source):
            raise InvalidInput(
                f"{target} is not {source}: other models are read with it. Train on the same "
                "data, or remove the folder and publish all of them again."
            )
        if not target.exists():  # the cards of other models hold its checksum
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        kept.append(target)
    texts = folder / TEXTS_FILE
    if not texts.exists():
        _save_texts(run, texts)
    return [*kept, texts]


def _same(one: Path, other: Path) -> bool:
    """Whether two files say the same; a table may quote its cells or not."""
    if one.suffix == ".csv":
        return read_strings(one).equals(read_strings(other))
    return _sha256(one) == _sha256(other)


def _reader() -> dict[str, Any]:
    """What a card says of the encoder of its texts."""
    from tfrec_fusion.text.encoder import TextEncoder

    encoder = TextEncoder(READER, max_length=READER_LENGTH)
    return {"preset": READER, "max_length": READER_LENGTH, "fingerprint": encoder.fingerprint}


def _save_texts(run: Run, path: Path) -> None:
    """The catalogue's texts as the package's language model sees them, for wishes."""
    # TF Text and KerasHub take seconds to import: other commands need not wait for them.
    from tfrec_fusion.text.encoder import TextEncoder
    from zoo.semantic_search import SemanticSearch

    encoder = TextEncoder(READER, max_length=READER_LENGTH)
    search = SemanticSearch.over(run.items.ids, run.titles, run.texts, encoder)
    with whole_file(path) as file:
        file.write(save({"vectors": search.vectors.astype(np.float16)}, {"preset": READER}))


def _members(run: Run, folder: str) -> dict[str, float]:
    """Of an ensemble the weights by prebuilt model, those that count."""
    if run.info["model"] != "ensemble":
        return {}
    weights: Mapping[str, float] = run.info["weights"]
    prebuilt = {name: _prebuilt_of(name, run, folder) for name in weights}
    return {prebuilt[name]: weight for name, weight in weights.items() if weight}


def _prebuilt_of(member: str, run: Run, folder: str) -> str:
    """The prebuilt model of a member: that of its run's name, as cards' commands name runs."""
    made_of = Path(run.info["members"][member]["run"]).name.rsplit("-", 1)[0]
    return made_of if made_of in cards() else f"{member}.{folder}"


def _command(name: str, run: Run, members: Mapping[str, float]) -> str:
    """What trains the first of the runs again."""
    out = f"runs/{name}-0"
    if members:
        folders = [f"runs/{member}-0" for member in members]
        scale = ["--scale", run.info["scale"]]
        return shlex.join(["python", "-m", "zoo", "ensemble", *folders, *scale, "--out", out])
    if "start" in run.info:
        return str(run.info["command"])
    model = run.info["model"]
    defaults = {one.name: one.default for one in zoo.hyperparameters(model)}
    defaults |= asdict(TrainOptions(progress=run.info["options"].get("progress", True)))
    given = {**run.info["hyperparameters"], **run.info["options"]}
    words = ["python", "-m", "zoo", "train", model, "--data", run.info["data"]["name"]]
    for key, value in given.items():
        if key in defaults and json.dumps(value) != json.dumps(defaults[key]):
            words += _option(key, value, repeats=key in run.info["options"])
    return shlex.join([*words, "--out", out])


def _option(key: str, value: Any, *, repeats: bool) -> list[str]:
    """The words of a command that choose a value.

    Lists of hyperparameters are joined by commas, those of training options repeated, as are
    weights of losses: see `zoo.model_options`.
    """
    option = "--" + key.replace("_", "-")
    if isinstance(value, bool):
        return [option if value else f"--no-{option[2:]}"]
    if isinstance(value, Mapping):
        pairs = (f"{name}={number}" for name, number in value.items())
        return [word for pair in pairs for word in (option.removesuffix("s"), pair)]
    if isinstance(value, list | tuple) and repeats:
        return [word for one in value for word in (option, str(one))]
    return [option, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]


def _save_weights(
    run: Run, members: Mapping[str, float], path: Path, say: Callable[[str], None]
) -> tuple[dict[str, str], int]:
    """Checksums by path of what is kept for this model alone, and the bytes of its weights."""
    if members:
        published = {member: load(member).run.model for member in members}
        _check_kept(run, Ensemble(published, members, run.info["scale"]), say)
        return {}, sum(card_of(member).size for member in members)
    unchecked = path.with_suffix(".part")
    try:
        save_half(unchecked, run.info["model"], run.model)
        _check_kept(run, load_half(unchecked), say)
        unchecked.replace(path)
    finally:
        unchecked.unlink(missing_ok=True)
    return {str(path.relative_to(WEIGHTS)): _sha256(path)}, path.stat().st_size


def _check_kept(run: Run, kept: Any, say: Callable[[str], None]) -> None:
    """Refuses what answers other than the run: too coarse numbers, or other members."""
    parts = (run.known_at_test, run.parts["test"])
    before, after = (ranking_of(one, *parts)().metrics["ndcg@10"] for one in (run.model, kept))
    say(f"NDCG@10 {before:.4f}, as it is loaded {after:.4f}")
    if abs(before - after) > TOLERANCE:
        raise InvalidInput(
            f"What is loaded must keep the NDCG@10 of {run.folder} within {TOLERANCE}. Received: "
            f"{before:.4f} of the run, {after:.4f} of numbers of 16 bits and, of an ensemble, its "
            "published members. Publish the members it was made of first."
        )


def _language_model(run: Run) -> str:
    if not reads_text(run.model):
        return ""
    preset = run.info["options"]["text_preset"]
    return f"{preset}: {load_language_model(preset).licence}"


def _parameters(model: Any) -> int:
    if isinstance(model, keras.Model):
        return int(model.count_params())
    if hasattr(model, "members"):
        return sum(_parameters(one) for one in model.counted.values())
    return int(sum(array.size for array in model.arrays().values()))


def _seconds(run: Run) -> float:
    return float(run.info["training"]["seconds"])


def _limits(run: Run) -> list[str]:
    ratio = run.info["test"].get("popularity_ratio@10")
    limits = [
        f"{len(run.users) - 1:,} people who chose to rate films, {len(run.items) - 1:,} films, "
        "English titles: it says little of anybody else.",
        "Ratings, good or bad, are read as something taken."
        if (lowest := run.info["options"].get("positive_from")) is None
        else f"Events rated below {lowest:g} were dropped: such films may be recommended again.",
    ]
    if ratio is not None:
        limits.append(
            f"Popularity bias: what it recommends is {ratio:.1f} times as popular as what people "
            "took before."
        )
    return limits


def _numbers(row: ReportRow) -> dict[str, list[float]]:
    return {
        key: [round(one, 5) for one in (value, *row.intervals.get(key, (value, value)))]
        for key, value in row.metrics.items()
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
