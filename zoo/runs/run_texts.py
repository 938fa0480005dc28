"""What a run makes of texts: the language model that it was trained with, and its vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.encoder import TextEncoder, checked_texts
from tfrec_fusion.text.encoding.item_vectors import item_encoder
from tfrec_fusion.zoo.answers.query_reader import READER, READER_LENGTH
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch
from tfrec_fusion.zoo.protocols import ReadsText, reads_text
from tfrec_fusion.zoo.runs.language_models import check_language_models
from tfrec_fusion.zoo.runs.run import Run

_TEXTS_AT_ONCE = 1024


def run_encoder(run: Run) -> TextEncoder:
    """The language model that a run's model reads texts with, before any tuning.

    Args:
        run: A run whose model reads texts.

    Raises:
        PresetUnavailable: When it cannot be had, or is another one than it was trained with.
    """
    check_language_models(run.info, run.folder)
    options = run.info["options"]
    return item_encoder(options["text_preset"], options["text_length"])


def run_search(run: Run) -> SemanticSearch:
    """Search in a run's catalog: by its own language model, or else by the package's.

    The vectors of the catalog are made once and kept, see `text.encoding.store`.
    """
    if reads_text(run.model):
        encoder = run_encoder(run)
    else:
        encoder = TextEncoder(READER, max_length=READER_LENGTH)
    return SemanticSearch.over(run.items.ids, run.titles, run.texts, encoder)


def text_embeddings(run: Run, texts: Iterable[str]) -> pd.DataFrame:
    """Vectors of items that are in no catalog, by their texts.

    Args:
        run: A run whose model reads texts.
        texts: A list of texts.

    Returns:
        A row for each text, which is the index, and the columns of `answers.item_vectors`.

    Raises:
        InvalidInput: When the model reads no texts.
        WrongType: When `texts` is no list of strings.
    """
    model, given = run.model, checked_texts(texts)
    graph = model.text_item_model() if isinstance(model, ReadsText) and model.reads_text else None
    if graph is None or not isinstance(model, ReadsText):
        raise InvalidInput(
            f"{type(model).__name__} reads no texts. Take a model that does, such as text_hybrid."
        )
    encoder, tower = run_encoder(run), model.tuned_tower
    parts = [np.zeros((0, graph.output["embedding"].shape[-1]), np.float32)]
    for start in range(0, len(given), _TEXTS_AT_ONCE):
        some = given[start : start + _TEXTS_AT_ONCE]
        if tower is None:
            vectors = encoder.encode(some)
        else:
            ids, numbers, _ = encoder.tokenize(some)
            vectors = np.array(tower(ids, numbers, training=False))
        vectors[[not text.strip() for text in some]] = 0  # as in training
        parts.append(np.asarray(graph({"text": vectors})["embedding"]))
    return pd.DataFrame(np.concatenate(parts), index=pd.Index(given, name="text", dtype=object))
