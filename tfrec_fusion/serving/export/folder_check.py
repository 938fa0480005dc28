"""Is a model's folder what a server can serve? Checked without the model it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfrec_fusion.errors import InvalidInput, NotFound
from tfrec_fusion.serving.export.bundle import CANARY, CONFIG, STABLE, labels_of, versions_of
from tfrec_fusion.serving.export.catalog import UNSEEN
from tfrec_fusion.serving.export.effects import check_effects, effects_of
from tfrec_fusion.serving.export.reload import call_in_clean_process
from tfrec_fusion.serving.export.saved_functions import read_saved_model
from tfrec_fusion.serving.export.stock_ops import check_ops, needs_scann
from tfrec_fusion.serving.export.verification import ExportMismatch, compare_numbers
from tfrec_fusion.serving.export.version_files import check_checksums
from tfrec_fusion.serving.export.warm_up import AnsweredCall, read_warm_up

_OF_ITEMS = ("item_id", "title")  # may differ where scores tie
_LEAST_SAME = 0.8  # ScaNN of another processor may round otherwise
KIT = (CONFIG, "batching.config", "monitoring.config", "docker-compose.yaml", "README.md")


@dataclass(frozen=True)
class VersionCheck:
    """What was found sound.

    Attributes:
        version: The version.
        labels: What it is called.
        signatures: What can be asked.
        records: Warm-up records that were replayed.
        max_abs_difference: Largest difference of a number from what the model in memory said when
            it was exported.
        scann: Whether the server must be built with ScaNN.
        effects: What it does besides computing, where that was allowed; see `serving.effects`.
    """

    version: int
    labels: tuple[str, ...]
    signatures: tuple[str, ...]
    records: int
    max_abs_difference: float
    scann: bool
    effects: tuple[str, ...] = ()


def verify_folder(folder: str | Path, *, allow_unsafe_ops: bool = False) -> list[VersionCheck]:
    """Checks every version of a model and the files beside them.

    Operations are those of an unmodified server, or of one with ScaNN, which is said; inputs and
    outputs are batched, every signature has a warm-up record, and each record, replayed in a
    process that has only TensorFlow, is answered as it was when the model was exported. Before a
    version is run, its graph is read: one that would do more than compute is refused.

    Args:
        folder: Of the model, which holds one folder a version.
        allow_unsafe_ops: Also runs a model that may read, write or send files, with your rights.

    Returns:
        A row a version.

    Raises:
        FileNotFoundError: When there is no version, or a file is missing.
        ValueError: When a file is damaged, an operation is not a server's, or a signature is not
            batched.
        UnsafeModel: When a version would do more than compute.
        ExportMismatch: When an answer is other than it was.

    Example:

    >>> verify_folder("savedmodels/mine")  # doctest: +SKIP
    [VersionCheck(version=1, labels=('stable', 'canary'), ...)]
    """
    there = Path(folder)
    versions = versions_of(there)
    if not versions:
        raise NotFound(
            f"{there} holds no version. Give a model's folder, such as savedmodels/NAME, that "
            "`tfrec-zoo export` wrote."
        )
    for name in KIT:
        if not (there / name).is_file():
            raise NotFound(f"{there / name} is missing. Export again to write it.")
    labels = labels_of(there)
    for label in (STABLE, CANARY):
        if label not in labels:
            raise InvalidInput(
                f"{there / CONFIG} names no version as `{label}` that is there. Versions: "
                f"{', '.join(map(str, versions))}. `tfrec-zoo promote {there}` writes it anew."
            )
    found = []
    for version in versions:
        called = tuple(sorted(label for label, one in labels.items() if one == version))
        signatures, calls = check_version(there / str(version), allow_unsafe_ops=allow_unsafe_ops)
        scann = needs_scann(there / str(version))
        difference = _replay(there / str(version), calls, whole=not scann)
        effects = tuple(effects_of(there / str(version))) if allow_unsafe_ops else ()
        checked = (version, called, signatures, len(calls), difference, scann, effects)
        found.append(VersionCheck(*checked))
    return found


def check_version(
    version_dir: Path, *, allow_unsafe_ops: bool = False
) -> tuple[tuple[str, ...], list[AnsweredCall]]:
    """Checks one version without running it; see `verify_folder`.

    Returns:
        Its signatures and its warm-up records.
    """
    if not (version_dir / "saved_model.pb").is_file():
        raise NotFound(f"{version_dir} holds no saved_model.pb. Remove the folder.")
    check_ops(version_dir)
    if not allow_unsafe_ops:
        check_effects(version_dir)
    signatures = _batched_signatures(version_dir)
    calls = read_warm_up(version_dir)
    if missing := sorted(set(signatures) - {call.signature for call in calls}):
        raise InvalidInput(
            f"{version_dir} has no warm-up record of {', '.join(missing)}: a server would answer "
            "the first users slowly. Export again."
        )
    return signatures, calls


def _replay(version_dir: Path, calls: list[AnsweredCall], whole: bool) -> float:
    """The largest difference between the recorded answers and those of a clean process."""
    asked = [{"signature": call.signature, "inputs": call.inputs} for call in calls]
    try:
        answers = call_in_clean_process(version_dir, asked)
    except RuntimeError as error:
        raise ExportMismatch(str(error)) from None
    largest = max(_compare(call, got, whole) for call, got in zip(calls, answers, strict=True))
    check_checksums(version_dir)  # what no answer shows
    return largest


def _batched_signatures(version_dir: Path) -> tuple[str, ...]:
    """Names of the signatures, each tensor of which has the batch first."""
    graphs = read_saved_model(version_dir).meta_graphs
    if len(graphs) != 1:
        raise InvalidInput(
            f"{version_dir} must hold one graph, for a server. Received: {len(graphs)}."
        )
    found = {
        name: one
        for name, one in graphs[0].signature_def.items()
        if not name.startswith("__saved_")
    }
    for name, signature in found.items():
        for tensors in (signature.inputs, signature.outputs):
            for key, tensor in tensors.items():
                shape = tensor.tensor_shape
                if shape.unknown_rank or not shape.dim or shape.dim[0].size != -1:
                    raise InvalidInput(
                        f"{version_dir}: `{key}` of `{name}` must have the batch as its first "
                        "dimension, for servers that put requests together."
                    )
    if "serving_default" not in found:
        raise InvalidInput(
            f"{version_dir} has no signature `serving_default`, which servers ask by default. "
            f"It has {', '.join(sorted(found)) or 'none'}."
        )
    return tuple(sorted(found))


def _compare(call: AnsweredCall, answer: dict[str, Any], whole: bool) -> float:
    """The largest difference of a number; texts may differ where scores tie.

    Unless the `whole` answer must be the same, a few cells may hold other items, and are left out.
    """
    largest = 0.0
    same = np.array(True)
    if not whole and "item_id" in answer:
        same = np.array(call.answer["item_id"], object) == np.array(answer["item_id"], object)
        if same.mean() < _LEAST_SAME:
            raise ExportMismatch(
                f"`{call.signature}`: {same.mean():.0%} of the items are those of the export, "
                f"expected {_LEAST_SAME:.0%}."
            )
    for name, recorded in call.answer.items():
        if name not in answer:
            raise ExportMismatch(f"`{call.signature}` no longer answers `{name}`.")
        expected, got = np.array(recorded, object), np.array(answer[name], object)
        if expected.shape != got.shape:
            raise ExportMismatch(
                f"`{call.signature}`: `{name}` must have the shape {expected.shape}. "
                f"Received: {got.shape}."
            )
        if isinstance(expected.flat[0], str):
            tied = _tied(call.answer) if name in _OF_ITEMS else np.array(False)
            if (wrong := _where(same, expected) & (expected != got) & ~tied).any():
                where = tuple(int(one) for one in np.argwhere(wrong)[0])
                raise ExportMismatch(
                    f"`{call.signature}`: `{name}` at {where} is {got[where]!r}, and was "
                    f"{expected[where]!r} when the model was exported."
                )
            continue
        right = expected.astype(np.float32)
        numbers = np.where(_where(same, expected), got, expected).astype(np.float32)
        largest = max(largest, compare_numbers(numbers, right, f"{call.signature}: {name}"))
    return largest


def _where(same: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Which cells of an output are compared: all, where it has not a cell for each item."""
    return same if same.shape == expected.shape else np.ones(expected.shape, bool)


def _tied(answer: dict[str, Any]) -> np.ndarray:
    """`(batch, k)`: whether a score is that of a neighbor, or the last, within 1e-5."""
    if "score" not in answer:  # of a model that this package did not export
        return np.array(False)
    values, there = np.array(answer["score"], np.float64), np.array(answer["item_id"]) != UNSEEN
    near = np.abs(np.diff(values, axis=1)) <= 2e-5 * np.maximum(1, np.abs(values[:, 1:]))
    near &= there[:, 1:]
    tied = np.zeros(values.shape, bool)
    tied[:, 1:] |= near
    tied[:, :-1] |= near
    tied[:, -1] = there[:, -1]  # the next one is not there to see
    return tied
