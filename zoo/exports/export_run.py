"""A run becomes a SavedModel: which of its models answer which signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

from tfrec_fusion.argument_types import check_instance
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.serving.export.bundle import versions_of
from tfrec_fusion.serving.export.export import ExportReport, export
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.index.kinds import Kind, Precision
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.item_vectors import item_encoder, text_vectors
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.compiled_scores import compiled_scores
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain
from tfrec_fusion.zoo.exports.half_tables import with_half_tables
from tfrec_fusion.zoo.exports.item_index import ItemIndex, item_index, ndcg_beside_exact
from tfrec_fusion.zoo.protocols import ReadsText, reads_text
from tfrec_fusion.zoo.runs.ensemble import Ensemble
from tfrec_fusion.zoo.runs.full_ranking import ranking_of
from tfrec_fusion.zoo.runs.language_models import check_language_models
from tfrec_fusion.zoo.runs.run import RUN_REMEDY, Run
from tfrec_fusion.zoo.scoring.similarity import meaning_model

_TEXTS_AT_ONCE = 64


def export_run(
    run: Run,
    directory: str | Path,
    *,
    page_sizes: Sequence[int] = (10,),
    version: int | None = None,
    with_texts: bool | None = None,
    index: Precision | Kind | None = None,
    recall_floor: float = 0.95,
    half: bool = False,
    without_users: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ExportReport:
    """Exports a run with every signature its model can answer.

    Args:
        run: A trained run.
        directory: Folder of the model, which holds one folder a version.
        page_sizes: How many items are answered, a signature each.
        version: A positive number; by default one more than the latest.
        with_texts: Whether the language model goes along, for `search`, `score_text` and
            `embed_items`; by default where the model reads texts. A model that reads none can
            still have `search`, by the language model `minilm`.
        index: Looks through some of the items instead of all, see `zoo.exports.item_index`: an
            inverted file that keeps their vectors as `float32`, `bfloat16` or `int8`, or `scann`
            or `brute_force` of TensorFlow Recommenders; by default all are looked through.
        recall_floor: The least share of the ten best items that an index must find.
        half: Whether item tables are kept in 16 bits, for a smaller export; see
            `zoo.exports.half_tables`.
        without_users: Whether no file may hold a user's id, history, words or vector: users are
            answered by the history in a request. What was counted or learned from all of them
            together stays, such as popularity and the items' vectors.
        say: Called with a line on what an index, or `half`, costs, and on what is omitted.

    Returns:
        What was written.

    Raises:
        ValueError: As of `serving.export.export` and `zoo.exports.item_index.item_index`; when
            users are to be omitted and the model answers no histories.
        ExportMismatch: When the SavedModel answers other than the models; nothing is left.
    """
    check_instance(run, Run, "run", RUN_REMEDY)
    if without_users:
        check_history(run.model)
    found = None
    if index is not None:
        found = item_index(run.model, run.recommender.known, index, recall_floor)
        cost = ""
        if run.heldout is not None:
            ndcg, exact = ndcg_beside_exact(run.model, found, run.known_at_test, run.heldout)
            cost = f", NDCG@10 {ndcg:.4f} on the test part instead of {exact:.4f}"
        say(
            f"index: {found.index.num_probes} of {found.index.num_lists} lists are looked through; "
            f"recall@10 {found.recall:.4f} of the exact search{cost}"
        )
    if half and run.heldout is not None:
        before, after = (_ndcg(run, in_half) for in_half in (False, True))
        say(f"item tables in 16 bits: NDCG@10 {after:.4f} on the test part instead of {before:.4f}")
    if (half or index is not None) and run.is_production:
        say("The model was trained on all events, the test part included: NDCG@10 is not measured.")
    options = run.info.get("options", {})
    language_model = None
    if reads_text(run.model) if with_texts is None else with_texts:
        language_model = (options.get("text_preset", "minilm"), options.get("text_length"))
        check_language_models(run.info, run.folder)
    report = export_recommender(
        run.recommender,
        directory,
        page_sizes=page_sizes,
        version=version,
        language_model=language_model,
        index=found,
        half=half,
        without_users=without_users,
        say=say,
    )
    older = [one for one in versions_of(directory) if one != report.version]
    if without_users and older:
        say(
            f"{directory} also holds version {', '.join(map(str, older))}, which may hold users: "
            "remove what is not to be handed on, or export to another folder."
        )
    return report


def check_history(model: Any) -> None:
    """Refuses a model that answers no histories.

    Raises:
        InvalidInput: With the models that do.
    """
    if model.history_model() is None:
        raise InvalidInput(
            f"{type(model).__name__} answers users by their ids alone, so that its export "
            "cannot leave them out. Take a model that reads histories, such as ease, item_knn, "
            "two_tower or text_hybrid, or export this one with its users."
        )


def export_recommender(
    recommender: CatalogAnswers,
    directory: str | Path,
    *,
    page_sizes: Sequence[int] = (10,),
    version: int | None = None,
    language_model: tuple[str, int | None] | None = None,
    index: ItemIndex | None = None,
    half: bool = False,
    without_users: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> ExportReport:
    """Exports a trained model and what it answers about.

    Args:
        recommender: The model with its ids, titles and events.
        directory: As of `export_run`, as are the two arguments after it.
        page_sizes: How many items are answered, a signature each.
        version: A positive number; by default one more than the latest.
        language_model: A preset (`text.language_models.presets`) and the most tokens of a text; for
            a model that reads texts those it was trained with. None omits texts.
        index: Finds items for users and histories, instead of scores of all.
        half: As of `export_run`.
        without_users: As of `export_run`.
        say: Called with a line on what is omitted.

    Raises:
        InvalidInput: When users are to be omitted and the model answers no histories.
    """
    model: Any = recommender.model
    if without_users:
        check_history(model)
    texts = {} if language_model is None else _text_models(recommender, *language_model)
    ranking = {"score": None, "history": None, "similarity": model.similarity_model()}
    if index is None:
        ranking["score"] = model.score_model(recommender.known, frozen=True)
        ranking["history"] = model.history_model()
    else:
        ranking |= {"score": index.of_users, "history": index.of_histories}
    if without_users:
        ranking["score"] = None
        texts.pop("score_of_text", None)
        if holds := _similarity_of_users(model):
            ranking["similarity"] = None
            say(f"similar_items is left out: {holds} finds it by who has which item.")
    if half:
        ranking = with_half_tables(ranking)
    return export(
        ServedModels(**ranking, index=None if index is None else index.index, **texts),
        directory,
        user_ids=None if without_users else recommender.users.ids,
        item_ids=recommender.items.ids,
        titles=recommender.titles,
        known=None if without_users else recommender.known.matrix(),
        popularity=recommender.popularity,
        allow_seen=recommender.allow_seen,
        page_sizes=page_sizes,
        version=version,
    )


def _similarity_of_users(model: Any) -> str:
    """The member, or the model, whose similar items are computed from users' rows; else ""."""
    members = model.counted if isinstance(model, Ensemble) else {type(model).__name__: model}
    found = (
        name
        for name, one in members.items()
        if isinstance(one, MatrixChain) and one.similar_holds_users
    )
    return next(found, "")


def _ndcg(run: Run, half: bool) -> float:
    """NDCG@10 on the test part, as an export answers."""
    model: Any = run.model
    scores = {"score": model.score_model(run.known_at_test, frozen=True)}
    found: Any = with_half_tables(scores) if half else scores
    answering = SimpleNamespace(score=compiled_scores(found["score"]))
    measure = ranking_of(answering, run.known_at_test, run.parts["test"], num_bootstrap=0)
    return measure().metrics["ndcg@10"]


def _text_models(recommender: CatalogAnswers, preset: str, length: int | None) -> dict[str, Any]:
    """The language model, and what reads its vectors."""
    model: Any = recommender.model
    own = isinstance(model, ReadsText) and model.reads_text
    texts = recommender.read_texts
    encoder = item_encoder(preset, length)
    if own and model.tuned_tower is not None:
        language_model = _tuned(encoder, model.tuned_tower)
        vectors = _read_all(language_model, texts)
    else:
        language_model, vectors = encoder.model, text_vectors(texts, preset, length)
    found: dict[str, Any] = {"encoder": language_model, "search": meaning_model(vectors)}
    if own:
        found["item_of_text"] = model.text_item_model()
        found["score_of_text"] = model.text_score_model(recommender.known)
    return found


def _tuned(encoder: TextEncoder, tower: Any) -> keras.Model:
    """The tokens of the language model, and its weights as they are after training."""
    text = keras.Input((), dtype="string", name="text")
    found = encoder.tokens(text)
    return keras.Model(text, tower(found["token_ids"], found["num_tokens"]), name="text_encoder")


def _read_all(language_model: keras.Model, texts: Iterable[str]) -> np.ndarray:
    """`(num_texts, dim)`; zeros where there is no word."""
    given = [str(text) for text in texts]
    vectors = language_model.predict(np.array(given, object), batch_size=_TEXTS_AT_ONCE, verbose=0)
    vectors[[not text.strip() for text in given]] = 0
    return vectors
