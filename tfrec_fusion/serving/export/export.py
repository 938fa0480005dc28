"""Writes a recommender as one self-contained SavedModel: string ids in, titles out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import scipy.sparse as sp
import tensorflow as tf

from tfrec_fusion.errors import AlreadyExists, InvalidInput
from tfrec_fusion.files.lock import only_writer
from tfrec_fusion.files.whole import settle, staging
from tfrec_fusion.serving.export.bundle import Example, checked_name, versions_of, write_kit
from tfrec_fusion.serving.export.catalog import Catalog
from tfrec_fusion.serving.export.effects import check_effects
from tfrec_fusion.serving.export.folder_check import check_version
from tfrec_fusion.serving.export.page_questions import unused_id
from tfrec_fusion.serving.export.questions import questions_of
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.signatures import AnswerGraph
from tfrec_fusion.serving.export.stock_ops import SCANN_PREFIX, check_ops
from tfrec_fusion.serving.export.verification import verify_answers
from tfrec_fusion.serving.export.version_files import write_checksums
from tfrec_fusion.serving.export.warm_up import AnsweredCall, write_warm_up

_OPTIONS = tf.saved_model.SaveOptions(namespace_whitelist=[SCANN_PREFIX.rstrip(">")])
_WAIT_SECONDS = 60.0  # for another export into the same folder to write what stands beside it


@dataclass(frozen=True)
class ExportReport:
    """What `export` wrote.

    Attributes:
        path: The version folder, which holds `saved_model.pb`.
        version: The version number.
        signatures: Names of the signatures.
        size_bytes: Size of all files together.
        max_abs_difference: Largest difference of a number between the SavedModel, asked in a
            clean process, and the models in memory.
        seconds: Wall time of the export, verification included.
    """

    path: Path
    version: int
    signatures: tuple[str, ...]
    size_bytes: int
    max_abs_difference: float
    seconds: float


def export(
    models: ServedModels,
    directory: str | Path,
    *,
    user_ids: Sequence[str] | np.ndarray | None,
    item_ids: Sequence[str] | np.ndarray,
    titles: Sequence[str] | np.ndarray,
    known: sp.csr_matrix | None,
    popularity: np.ndarray,
    allow_seen: bool = False,
    page_sizes: Sequence[int] = (10,),
    version: int | None = None,
) -> ExportReport:
    """Writes `directory/version/` for TensorFlow Serving, checked, whole or not at all.

    The signatures, all batched, strings in and strings out:

    * `recommend`, also `serving_default`: `user_id` `(batch,)` to `item_id`, `title`, `score` and
      `source` `(batch, k)`. A user's known items are never answered. The source is `model`, or
      `popularity` for an unseen user, who is answered with popular items.
    * `recommend_filtered`: the same with `exclude_item_ids` and `allow_item_ids` `(batch, any)`
      padded with "". Excluded items are never answered, and where a row allows some, no others.
    * `recommend_from_history`: `item_ids` `(batch, any)`, oldest first, padded with "", instead of
      the user, for people the model has never seen; and `recommend_from_history_filtered`.
    * `score`: `user_id`, `item_id` `(batch,)` to `score` and `source` `(batch,)`.
    * `similar_items`: `item_id` `(batch,)` to `item_id`, `title`, `score`, `source` `(batch, k)`.
    * `search`: `query` `(batch,)`, any words, to the same with the source `text`; and
      `search_filtered`.
    * `score_text`: `user_id`, `text` `(batch,)` to `score` and `source` `(batch,)`, and
      `embed_items`: `text` to `embedding` `(batch, dim)`, for items that are in no catalog.

    Those that answer pages exist once a page size, such as `recommend_10`; the plain name has the
    first one. Inputs with different numbers of rows are refused, as by a server that batches, and
    requests of more than 1,024 rows (64 with texts), 10,000 item ids a row or 640,000 altogether. A
    cell without an answer has an empty id, title and source, and the score 0. Signatures that take
    lists of item ids answer those that the model does not know as `unknown_item_ids`.

    Without users (`user_ids`, `known` and `models.score` None) there is neither `recommend` nor
    `score`, `serving_default` is `recommend_from_history`, and no file holds an id or a history.

    Beside the version stands what a server needs, see `serving.kit`; inside it are warm-up
    requests, see `serving.warm_up`.

    Args:
        models: What can be asked.
        directory: Folder of the model, which holds one folder a version.
        user_ids: `(num_users,)` ids in index order; position 0 is "" (unseen). None leaves users
            out.
        item_ids: `(num_items,)` ids in index order; position 0 is "" (unseen).
        titles: `(num_items,)` titles in index order.
        known: `(num_users, num_items)` CSR; non-zero cells are never recommended. None where users
            are left out.
        popularity: `(num_items,)` scores for a user never seen.
        allow_seen: Whether `known` items, and those of a history, are recommended after all, for
            repeat consumption.
        page_sizes: How many items are answered, a signature each.
        version: A positive number; by default one more than the latest.

    Returns:
        What was written.

    Raises:
        ValueError: When arguments do not fit together, or the graph holds ops that a stock
            TensorFlow Serving does not have.
        FileExistsError: When `version` is there already.
        ExportMismatch: When the SavedModel answers other than the models; nothing is left.

    Example:
    >>> export(ServedModels(model), "savedmodels/ease", user_ids=users.ids, item_ids=items.ids,
    ...        titles=titles, known=events.matrix(),
    ...        popularity=events.item_counts)  # doctest: +SKIP
    ExportReport(path=PosixPath('savedmodels/ease/1'), version=1, ...)
    """
    start = time.perf_counter()
    if (models.score is None) != (user_ids is None):
        raise InvalidInput(
            "`user_ids` and a model of their scores go together. Received: "
            f"{'no user_ids' if user_ids is None else 'no models.score'}."
        )
    catalog = Catalog.checked(user_ids, item_ids, titles, known, popularity, allow_seen)
    sizes = _checked_sizes(page_sizes, catalog.num_items)
    parent = Path(directory)
    name = checked_name(parent)
    number = _free_version(parent, version)
    with staging(parent / str(number)) as written:
        archive, signatures = _archive(AnswerGraph(catalog, models), sizes)
        archive.write_out(str(written), options=_OPTIONS, verbose=False)
        check_ops(written)
        check_effects(written, advice="Move them out of the exported model.")
        questions = questions_of(catalog, models, sizes)
        difference, answers = verify_answers(written, questions)
        calls = [
            AnsweredCall(question.signature, question.inputs, answer)
            for question, answer in zip(questions, answers, strict=True)
            if question.rows
        ]
        write_warm_up(written, name, calls)
        check_version(written)
        write_checksums(written)
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        with only_writer(parent, _WAIT_SECONDS):
            number = _free_version(parent, version)  # another export may have taken the first
            settle(written, parent / str(number))
            try:
                write_kit(parent, _example(catalog, models))
            except BaseException:
                with contextlib.suppress(OSError):  # a version is there with its kit, or not
                    (parent / str(number)).rename(written)
                raise
    seconds = time.perf_counter() - start
    return ExportReport(parent / str(number), number, signatures, size, difference, seconds)


def _example(catalog: Catalog, models: ServedModels) -> Example:
    """A question of nobody: no file beside the model names one of its users."""
    if models.score is not None:
        return Example("recommend", "user_id", [unused_id(catalog.user_ids)])
    item = int(np.argmax(catalog.popularity[1:])) + 1
    return Example("recommend_from_history", "item_ids", [[str(catalog.item_ids[item])]])


def _free_version(directory: Path, version: int | None) -> int:
    if version is None:
        return max(versions_of(directory), default=0) + 1
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise InvalidInput(f"`version` must be a positive whole number. Received: {version!r}.")
    if (directory / str(version)).exists():
        raise AlreadyExists(
            f"{directory / str(version)} exists already, and a served version must not change. "
            "Leave `version` out to write the next one, or remove that folder."
        )
    return version


def _checked_sizes(page_sizes: Sequence[int], num_items: int) -> tuple[int, ...]:
    sizes = tuple(int(k) for k in page_sizes)
    if not sizes or len(set(sizes)) < len(sizes) or not all(1 <= k < num_items for k in sizes):
        raise InvalidInput(
            "`page_sizes` must be one or more different numbers, each from 1 to the number of "
            f"items. Received: {list(sizes)}, {num_items - 1} items."
        )
    return sizes


def _archive(
    graph: AnswerGraph, page_sizes: Sequence[int]
) -> tuple[keras.export.ExportArchive, tuple[str, ...]]:
    """What is to be written, and the names of its signatures."""
    archive = keras.export.ExportArchive()
    # Weights are found through the functions, and those of tracked layers would be written once
    # more; tables of words, which have none, are found through their layers alone.
    tables = [layer for layer in graph.models.layers() if not layer.weights]
    for one in (*tables, graph.user_table, graph.item_table):
        if one is not None:
            archive.track(one)
    signatures = graph.signatures(page_sizes)
    for name, (function, specs) in signatures.items():
        archive.add_endpoint(name, function, specs)  # the first one is serving_default too
    return archive, ("serving_default", *signatures)
