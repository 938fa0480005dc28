"""Does the SavedModel on disk answer as the models in memory do?

The expected answers are made without the exported graph: the Keras models' scores, then a mask
and a stable sort in NumPy. The answers under test come from a process that has only TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import UserError
from tfrec_fusion.serving.catalogue import LOWEST, UNSEEN, Catalogue
from tfrec_fusion.serving.reload import call_in_clean_process
from tfrec_fusion.serving.served import ServedModels

TOLERANCE = 1e-5
NUM_SAMPLES = 32


class ExportMismatch(UserError, RuntimeError):
    """The SavedModel does not answer as the model it was made from."""


@dataclass(frozen=True, eq=False)
class Question:
    """A call of a signature.

    Attributes:
        signature: Its name.
        inputs: Nested lists by name.
        check: Takes the answer; gives the largest difference of a number, or raises
            `ExportMismatch`.
    """

    signature: str
    inputs: dict[str, Any]
    check: Callable[[dict[str, Any]], float]

    @property
    def rows(self) -> int:
        """How many rows each input has; 0 where they differ, or there are none."""
        numbers = {len(nested) for nested in self.inputs.values()}
        return numbers.pop() if len(numbers) == 1 else 0


def verify_answers(
    version_dir: Path, questions: Sequence[Question]
) -> tuple[float, list[dict[str, Any]]]:
    """Asks a SavedModel in a clean process and checks what it says.

    Args:
        version_dir: The folder that holds `saved_model.pb`.
        questions: What to ask, see `questions_of`.

    Returns:
        The largest absolute difference of a number, and the answers.

    Raises:
        ExportMismatch: When an answer differs, or a model's scores are not finite.
    """
    calls = [{"signature": one.signature, "inputs": one.inputs} for one in questions]
    try:
        answers = call_in_clean_process(version_dir, calls)
    except RuntimeError as error:
        raise ExportMismatch(str(error)) from None
    differences = [one.check(answer) for one, answer in zip(questions, answers, strict=True)]
    return max(differences), answers


def questions_of(
    catalogue: Catalogue, models: ServedModels, page_sizes: Sequence[int]
) -> list[Question]:
    """What is asked of an export: every signature, page size and unusual input.

    Up to 32 users and items spread over the catalogue, with and without items that are excluded
    or allowed, unseen users, unknown items, empty texts and empty requests. Numbers must agree
    within 1e-5 (relative above 1); where scores tie within that, either order of items is right.
    """
    whole = models.index is None or models.index.repeatable
    asked = _Expected(catalogue, page_sizes, whole)
    users, items = _sample(catalogue.num_users), _sample(catalogue.num_items)
    near, exact = _answers_of(models, models.score, {"user_id": users}, users == 0, catalogue)
    known = catalogue.known[users].toarray() > 0
    user_ids = _names(catalogue.user_ids, users)
    near, known_exact = _masked(near, known), _masked(exact, known)
    found = asked.pages("recommend", {"user_id": user_ids}, near, known_exact, users == 0)
    found.append(asked.nothing("recommend", "user_id"))
    pairs = np.resize(items, len(users))
    of_pairs = np.where(pairs == 0, np.float32(LOWEST), exact[np.arange(len(users)), pairs])
    asked_pairs = {"user_id": user_ids, "item_id": _names(catalogue.item_ids, pairs)}
    found.append(_numbers("score", asked_pairs, "score", of_pairs))
    if models.history is not None:
        found += _history_questions(asked, models, models.history, catalogue)
    if models.similarity is not None:
        itself = items[:, None] == np.arange(catalogue.num_items)[None, :]
        masked = _masked(_scores(models.similarity, {"item_id": items}, items > 0), itself)
        masked[items == 0] = LOWEST
        inputs = {"item_id": _names(catalogue.item_ids, items)}
        found += asked.pages("similar_items", inputs, masked)
    return found + _text_questions(asked, models, catalogue, users)


def _history_questions(
    asked: _Expected, models: ServedModels, model: keras.Model, catalogue: Catalogue
) -> list[Question]:
    """Histories of one to several items, with gaps, and one that names nothing known."""
    items = _sample(catalogue.num_items)[1:]
    steps = min(4, len(items))
    histories = np.stack([np.roll(items, -row)[:steps] for row in range(len(items))])
    for row, history in enumerate(histories):
        history[: row % steps] = 0  # at least one is left
    histories = np.concatenate([histories, np.zeros((1, steps), histories.dtype)])
    unknown = ~np.any(histories, axis=1)
    near, exact = _answers_of(models, model, {"history": histories}, unknown, catalogue)
    for scores in (near, exact):
        np.put_along_axis(scores, histories, LOWEST, axis=1)
        scores[:, 0] = LOWEST
    given = np.concatenate([histories, 0 * histories[:, :1]], axis=1)  # what is missing goes last
    names = [_names(catalogue.item_ids, row) for row in given]
    return asked.pages("recommend_from_history", {"item_ids": names}, near, exact, unknown)


def _text_questions(
    asked: _Expected, models: ServedModels, catalogue: Catalogue, users: np.ndarray
) -> list[Question]:
    """Titles as wishes and as items, and texts without a word."""
    if models.encoder is None:
        return []
    items = _sample(catalogue.num_items)
    texts = [str(one) for one in catalogue.titles[items]]
    texts[0] = " \n"
    silent = np.array([not text.strip() for text in texts])
    vectors = np.array(models.encoder(tf.constant(texts)), np.float32)
    vectors[silent] = 0
    found = []
    if models.search is not None:
        masked = _scores(models.search, {"text": vectors}, ~silent)
        masked = _masked(masked, np.zeros_like(masked, bool))
        masked[silent] = LOWEST
        found += asked.pages("search", {"query": texts}, masked, masked, silent)
    if models.item_of_text is not None:
        embedding = np.array(models.item_of_text({"text": vectors})["embedding"], np.float32)
        found.append(_numbers("embed_items", {"text": texts}, "embedding", embedding))
    if models.score_of_text is not None:
        asking = np.resize(users, len(texts))
        inputs = {"user_id": asking, "text": vectors}
        scores = np.array(models.score_of_text(inputs)["score"], np.float32)
        scores[silent] = LOWEST
        pairs = {"user_id": _names(catalogue.user_ids, asking), "text": texts}
        found.append(_numbers("score_text", pairs, "score", scores))
    return found


class _Expected:
    """Makes questions about pages of items."""

    def __init__(self, catalogue: Catalogue, page_sizes: Sequence[int], whole: bool) -> None:
        self.catalogue, self.page_sizes, self.whole = catalogue, page_sizes, whole
        items = _sample(catalogue.num_items)
        self.some = np.unique(items[[1, -1]])
        self.index = {item_id: row for row, item_id in enumerate(catalogue.item_ids.tolist())}

    def pages(
        self,
        name: str,
        inputs: dict[str, Any],
        masked: np.ndarray,
        exact: np.ndarray | None = None,
        unknown: np.ndarray | None = None,
    ) -> list[Question]:
        """A ranked signature, under its names, with no, excluded and allowed items.

        Allowed items are scored as in `exact`; without it nothing can be excluded or allowed. The
        others are asked again without those who are `unknown`: such requests take a way of their
        own.
        """
        rows = len(masked)
        if exact is None or unknown is None:
            return self._of_every_name(name, inputs, masked)
        nothing = [[UNSEEN]] * rows
        none: dict[str, Any] = {"exclude_item_ids": nothing, "allow_item_ids": nothing}
        ids = self.catalogue.item_ids[self.some].tolist()
        without, only = masked.copy(), np.full_like(masked, LOWEST)
        without[:, self.some] = LOWEST
        only[:, self.some] = exact[:, self.some]
        k, rest = self.page_sizes[0], np.flatnonzero(~unknown)
        others = {key: [column[row] for row in rest] for key, column in (inputs | none).items()}
        return [
            *self._of_every_name(name, inputs | none, masked),
            self._ranked(name, others, masked[rest], k),
            self._ranked(name, inputs | none | {"exclude_item_ids": [ids] * rows}, without, k),
            # One row of a list serves the whole batch.
            self._ranked(name, inputs | none | {"allow_item_ids": [[*ids, "?"]]}, only, k),
        ]

    def nothing(self, name: str, asked: str) -> Question:
        """A request without a row."""
        inputs: dict[str, Any] = {asked: [], "exclude_item_ids": [], "allow_item_ids": []}
        masked = np.zeros((0, self.catalogue.num_items), np.float32)
        return self._ranked(name, inputs, masked, self.page_sizes[0])

    def _of_every_name(
        self, name: str, inputs: dict[str, Any], masked: np.ndarray
    ) -> list[Question]:
        names = {name: self.page_sizes[0]} | {f"{name}_{k}": k for k in self.page_sizes}
        if name == "recommend":
            names = {"serving_default": self.page_sizes[0]} | names
        return [self._ranked(key, inputs, masked, k) for key, k in names.items()]

    def _ranked(self, name: str, inputs: dict[str, Any], masked: np.ndarray, k: int) -> Question:
        return Question(name, inputs, lambda answer: self._compare(answer, masked, k, name))

    def _compare(self, answer: dict[str, Any], masked: np.ndarray, k: int, name: str) -> float:
        """Compares ids, titles and scores of one signature with `masked` `(batch, num_items)`."""
        best = np.argsort(-masked, axis=1, kind="stable")[:, :k]
        expected = np.take_along_axis(masked, best, axis=1)  # (batch, k)
        if [len(row) for row in answer["item_id"]] != [k] * len(masked):
            raise ExportMismatch(f"`{name}` must answer {len(masked)} rows of {k} items.")
        rows = [[self.index.get(item_id, -1) for item_id in row] for row in answer["item_id"]]
        served = np.array(rows, np.int64).reshape(-1, k)
        if (served < 0).any():
            raise ExportMismatch(f"`{name}` answered item ids that are not in the catalogue.")
        if any(len(set(row[row > 0])) != (row > 0).sum() for row in served):
            raise ExportMismatch(f"`{name}` answered an item twice.")
        if self.catalogue.titles[served].tolist() != answer["title"]:
            raise ExportMismatch(f"`{name}` answered titles that do not belong to its item ids.")
        own = np.take_along_axis(masked, served, axis=1)  # the model's score of the served item
        if not self.whole:  # some of the best may be missing, not all of them
            if not (served > 0).any() and (expected > LOWEST).any():
                raise ExportMismatch(f"`{name}` answered nothing where there are items.")
            expected = -np.sort(-own, axis=1)
        compare_numbers(own, expected, f"{name}: order of items")
        return compare_numbers(np.array(answer["score"]).reshape(-1, k), expected, name)


def compare_numbers(served: np.ndarray, expected: np.ndarray, name: str) -> float:
    """The largest difference.

    Raises:
        ExportMismatch: When one is above 1e-5, relative above 1, or the shapes differ.
    """
    wide, right = served.astype(np.float64), expected.astype(np.float64)
    if wide.shape != right.shape:
        raise ExportMismatch(f"`{name}` must have the shape {right.shape}. Received: {wide.shape}.")
    difference = np.abs(wide - right)
    wrong = ~(difference <= TOLERANCE * np.maximum(1.0, np.abs(right)))
    if wrong.any():
        where = tuple(int(one) for one in np.argwhere(wrong)[0])
        raise ExportMismatch(
            f"`{name}` of the SavedModel differs from the model in memory at {where}: "
            f"{wide[where]:.6g}, expected {right[where]:.6g} within {TOLERANCE:g}. "
            "Nothing was exported."
        )
    return float(difference.max(initial=0.0))


def _numbers(name: str, inputs: dict[str, Any], output: str, expected: np.ndarray) -> Question:
    def check(answer: dict[str, Any]) -> float:
        return compare_numbers(np.array(answer[output], np.float32), expected, name)

    return Question(name, inputs, check)


def _sample(size: int) -> np.ndarray:
    """Up to `NUM_SAMPLES` indices spread over the vocabulary, the unseen 0 first."""
    return np.unique(np.linspace(0, size - 1, NUM_SAMPLES).round().astype(np.int32))


def _names(ids: np.ndarray, indices: np.ndarray) -> list[str]:
    """Ids of `indices`; index 0 becomes an id that is in no vocabulary."""
    unknown = "unseen"
    while unknown in ids:
        unknown += "?"
    return [unknown if index == 0 else str(ids[index]) for index in indices]


def _scores(model: keras.Model, inputs: dict[str, np.ndarray], real: np.ndarray) -> np.ndarray:
    """`(batch, num_items)`, finite in the `real` rows."""
    outputs = model(inputs, training=False)["scores"]
    scores = np.array(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")))
    wrong = real & ~np.isfinite(scores[:, 1:]).all(axis=1)
    if wrong.any():
        name, values = next(iter(inputs.items()))
        raise ExportMismatch(
            f"The model's scores must be finite. Received: NaN or infinity for {name} index "
            f"{values[wrong][0]}. Train again with a lower learning rate or look for "
            "a division by zero."
        )
    return scores


def _answers_of(
    models: ServedModels,
    model: keras.Model,
    inputs: dict[str, np.ndarray],
    unknown: np.ndarray,
    catalogue: Catalogue,
) -> tuple[np.ndarray, np.ndarray]:
    """`(batch, num_items)` twice: scores of what is looked through, and of what may be asked for.

    Both are all scores but with an index that finds the same again: then the first has the lowest
    value where it does not look.
    """
    if models.index is None:
        scores = _scores(model, inputs, ~unknown)
        scores[unknown] = catalogue.popularity
        return scores, scores.copy()
    query = np.asarray(model(inputs, training=False)["query"], np.float32)
    query = np.concatenate([query, np.ones_like(query[:, :1])], axis=1)
    exact = np.array(models.index.all_scores(query), np.float32)
    exact[unknown] = catalogue.popularity
    if not models.index.repeatable:
        return exact, exact.copy()
    found, near = models.index(query), np.full_like(exact, LOWEST)
    np.put_along_axis(near, np.asarray(found["items"]), np.asarray(found["scores"]), axis=1)
    most = min(models.index.num_found, catalogue.num_items - 1)
    popular = 1 + np.argsort(-catalogue.popularity[1:], kind="stable")[:most]
    near[unknown] = LOWEST
    near[np.ix_(unknown, popular)] = catalogue.popularity[popular]
    return near, exact


def _masked(scores: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    masked = np.where(hidden, np.float32(LOWEST), scores)
    masked[:, 0] = LOWEST
    return masked
