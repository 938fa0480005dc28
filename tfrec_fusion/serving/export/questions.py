"""Questions that an export must answer before it is put in place, and their answers.

The expected answers are made without the exported graph: the Keras models' scores, then a mask
and a stable sort in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.serving.export.catalog import LOWEST, Catalog
from tfrec_fusion.serving.export.page_questions import PageQuestions, Rows, sources_of, unused_id
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.export.sources import MODEL, NEW_USER, NO_ANSWER, TEXT
from tfrec_fusion.serving.export.verification import ExportMismatch, Question, compare_numbers

NUM_SAMPLES = 32


def questions_of(
    catalog: Catalog, models: ServedModels, page_sizes: Sequence[int]
) -> list[Question]:
    """Returns what is asked of an export: every signature, page size and unusual input.

    Up to 32 users and items spread over the catalog, with and without items that are excluded
    or allowed, unseen users, unknown items, empty texts and empty requests. Numbers must agree
    within 1e-5 (relative above 1); where scores tie within that, either order of items is right.
    """
    whole = models.index is None or models.index.repeatable
    users, items = _sample(catalog.num_users), _sample(catalog.num_items)
    default = "recommend" if models.score is not None else "recommend_from_history"
    asked = PageQuestions(catalog, page_sizes, np.unique(items[[1, -1]]), whole, default)
    found = []
    if models.score is not None:
        found += _user_questions(asked, models, models.score, catalog, users, items)
    if models.history is not None:
        found += _history_questions(asked, models, models.history, catalog)
    if models.similarity is not None:
        itself = items[:, None] == np.arange(catalog.num_items)[None, :]
        masked = _masked(_scores(models.similarity, {"item_id": items}, items > 0), itself)
        masked[items == 0] = LOWEST
        inputs = {"item_id": _names(catalog.item_ids, items)}
        rows = Rows(masked, sources_of(items < 0), items == 0)
        found += asked.pages("similar_items", inputs, rows)
    return found + _text_questions(asked, models, catalog, users)


def _user_questions(
    asked: PageQuestions,
    models: ServedModels,
    model: keras.Model,
    catalog: Catalog,
    users: np.ndarray,
    items: np.ndarray,
) -> list[Question]:
    """Users with and without an id that is known, and scores of items for them."""
    near, exact = _answers_of(models, model, {"user_id": users}, users == 0, catalog)
    known = catalog.known[users].toarray() > 0
    user_ids = _names(catalog.user_ids, users)
    near, known_exact = _masked(near, known), _masked(exact, known)
    rows = Rows(near, sources_of(users == 0), users == 0)
    found = asked.pages("recommend", {"user_id": user_ids}, rows)
    found += asked.filtered("recommend", {"user_id": user_ids}, rows, known_exact)
    found += asked.nothing("recommend", "user_id")
    pairs = np.resize(items, len(users))
    of_pairs = np.where(pairs == 0, np.float32(0), exact[np.arange(len(users)), pairs])
    asked_pairs = {"user_id": user_ids, "item_id": _names(catalog.item_ids, pairs)}
    found.append(_scored("score", asked_pairs, of_pairs, sources_of(users == 0), pairs > 0))
    return found


def _history_questions(
    asked: PageQuestions, models: ServedModels, model: keras.Model, catalog: Catalog
) -> list[Question]:
    """Histories of one to several items, with gaps, and one that names nothing known."""
    items = _sample(catalog.num_items)[1:]
    steps = min(4, len(items))
    histories = np.stack([np.roll(items, -row)[:steps] for row in range(len(items))])
    for row, history in enumerate(histories):
        history[: row % steps] = 0  # at least one is left
    histories = np.concatenate([histories, np.zeros((1, steps), histories.dtype)])
    unknown = ~np.any(histories, axis=1)
    near, exact = _answers_of(models, model, {"history": histories}, unknown, catalog)
    for scores in (near, exact):
        if not catalog.allow_seen:
            np.put_along_axis(scores, histories, LOWEST, axis=1)
        scores[:, 0] = LOWEST
    given = np.concatenate([histories, 0 * histories[:, :1]], axis=1)  # what is missing goes last
    names = [_names(catalog.item_ids, row) for row in given]
    rows = Rows(near, sources_of(unknown), unknown)
    return [
        *asked.pages("recommend_from_history", {"item_ids": names}, rows),
        *asked.filtered("recommend_from_history", {"item_ids": names}, rows, exact),
    ]


def _text_questions(
    asked: PageQuestions, models: ServedModels, catalog: Catalog, users: np.ndarray
) -> list[Question]:
    """Titles as queries and as items, and texts without a word."""
    if models.encoder is None:
        return []
    items = _sample(catalog.num_items)
    texts = [str(one) for one in catalog.titles[items]]
    texts[0] = " \n"
    silent = np.array([not text.strip() for text in texts])
    vectors = np.array(models.encoder(tf.constant(texts)), np.float32)
    vectors[silent] = 0
    found = []
    if models.search is not None:
        masked = _scores(models.search, {"text": vectors}, ~silent)
        masked = _masked(masked, np.zeros_like(masked, bool))
        masked[silent] = LOWEST
        rows = Rows(masked, np.full(len(texts), TEXT, object), silent)
        found += asked.pages("search", {"query": texts}, rows)
        found += asked.filtered("search", {"query": texts}, rows, masked)
    if models.item_of_text is not None:
        embedding = np.array(models.item_of_text({"text": vectors})["embedding"], np.float32)
        found.append(_numbers("embed_items", {"text": texts}, "embedding", embedding))
    if models.score_of_text is not None:
        asking = np.resize(users, len(texts))
        inputs = {"user_id": asking, "text": vectors}
        scores = np.array(models.score_of_text(inputs)["score"], np.float32)
        scores[silent] = 0
        pairs = {"user_id": _names(catalog.user_ids, asking), "text": texts}
        source = np.where(asking == 0, NEW_USER, MODEL).astype(object)
        found.append(_scored("score_text", pairs, scores, source, ~silent))
    return found


def _scored(
    name: str, inputs: dict[str, Any], expected: np.ndarray, source: np.ndarray, there: np.ndarray
) -> Question:
    """A question about the scores of pairs, with their sources where there are scores."""
    words = np.where(there, source, NO_ANSWER).tolist()
    numbers = _numbers(name, inputs, "score", expected)

    def check(answer: dict[str, Any]) -> float:
        if answer["source"] != words:
            raise ExportMismatch(f"`{name}` answered other sources than {words}.")
        return numbers.check(answer)

    return Question(name, inputs, check)


def _numbers(name: str, inputs: dict[str, Any], output: str, expected: np.ndarray) -> Question:
    def check(answer: dict[str, Any]) -> float:
        return compare_numbers(np.array(answer[output], np.float32), expected, name)

    return Question(name, inputs, check)


def _sample(size: int) -> np.ndarray:
    """Up to `NUM_SAMPLES` indices spread over the vocabulary, the unseen 0 first."""
    return np.unique(np.linspace(0, size - 1, NUM_SAMPLES).round().astype(np.int32))


def _names(ids: np.ndarray, indices: np.ndarray) -> list[str]:
    """Ids of `indices`; index 0 becomes an id that is in no vocabulary."""
    unknown = unused_id(ids)
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
    catalog: Catalog,
) -> tuple[np.ndarray, np.ndarray]:
    """`(batch, num_items)` twice: scores of what is looked through, and of what may be asked for.

    Both are all scores but with an index that finds the same again: then the first has the lowest
    value where it does not look.
    """
    if models.index is None:
        scores = _scores(model, inputs, ~unknown)
        scores[unknown] = catalog.popularity
        return scores, scores.copy()
    query = np.asarray(model(inputs, training=False)["query"], np.float32)
    query = np.concatenate([query, np.ones_like(query[:, :1])], axis=1)
    exact = np.array(models.index.all_scores(query), np.float32)
    exact[unknown] = catalog.popularity
    if not models.index.repeatable:
        return exact, exact.copy()
    found, near = models.index(query), np.full_like(exact, LOWEST)
    np.put_along_axis(near, np.asarray(found["items"]), np.asarray(found["scores"]), axis=1)
    most = min(models.index.num_found, catalog.num_items - 1)
    popular = 1 + np.argsort(-catalog.popularity[1:], kind="stable")[:most]
    near[unknown] = LOWEST
    near[np.ix_(unknown, popular)] = catalog.popularity[popular]
    return near, exact


def _masked(scores: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    masked = np.where(hidden, np.float32(LOWEST), scores)
    masked[:, 0] = LOWEST
    return masked
