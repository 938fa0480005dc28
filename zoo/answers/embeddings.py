"""Vectors of a model's items and users as tables, and as files for TensorBoard's Projector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.files.whole import write_text
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.answers.questions import folder_path
from tfrec_fusion.zoo.protocols import HasItemVectors, ScoresByVectors

VECTORS, METADATA, CONFIG = "vectors.tsv", "metadata.tsv", "projector_config.pbtxt"
_USERS_AT_ONCE = 1024


def item_vectors(answers: CatalogAnswers) -> pd.DataFrame:
    """Vectors of the items.

    Returns:
        A row for each item, whose id is the index; columns are numbered from 0. Near items have a
        small angle between their vectors.

    Raises:
        InvalidInput: When the model has none.
    """
    model = answers.model
    if not isinstance(model, HasItemVectors):
        raise InvalidInput(
            f"{type(model).__name__} has no vectors of items. Take a model that learns some, such "
            "as two_tower or text_hybrid."
        )
    index = pd.Index(answers.items.ids[1:], name="item_id")
    return pd.DataFrame(np.asarray(model.item_vectors(), np.float32)[1:], index=index)


def user_vectors(answers: CatalogAnswers) -> pd.DataFrame:
    """Vectors of the users, which the model compares with those of items.

    Returns:
        A row for each user, whose id is the index, and the columns of `item_vectors`. The order of
        the products of a user with the items is that of the model's scores but for the items'
        biases.

    Raises:
        InvalidInput: When the model has none.
    """
    model = answers.model
    if not isinstance(model, ScoresByVectors) or model.candidate_vectors() is None:
        raise InvalidInput(
            f"{type(model).__name__} compares no vectors of users with those of items. Take a "
            "model of two towers, such as two_tower or text_hybrid."
        )
    queries, _ = model.query_models(answers.known)
    users = np.arange(1, len(answers.users), dtype=np.int32)
    parts = [
        np.asarray(queries({"user_id": users[start : start + _USERS_AT_ONCE]})["query"])
        for start in range(0, len(users), _USERS_AT_ONCE)
    ]
    index = pd.Index(answers.users.ids[1:], name="user_id")
    return pd.DataFrame(np.concatenate(parts).astype(np.float32), index=index)


def user_events(answers: CatalogAnswers) -> pd.DataFrame:
    """`user_id` and `events`, the number of each user's events."""
    counts = np.bincount(answers.known.user, minlength=len(answers.users))
    return pd.DataFrame({"user_id": answers.users.ids[1:], "events": counts[1:]})


def write_projector(folder: str | Path, vectors: pd.DataFrame, metadata: pd.DataFrame) -> None:
    """Writes the files that `tensorboard --logdir FOLDER` shows in its Projector.

    Args:
        folder: Created when missing; files of an earlier call are replaced.
        vectors: A row for each item or user, whose id is the index.
        metadata: What is known of each, two columns at least; TensorBoard reads no header where
            there is one alone.
    """
    folder = folder_path(folder)
    numbers = vectors.to_csv(sep="\t", header=False, index=False, float_format="%.9g")
    write_text(folder / VECTORS, numbers)
    rows = [list(metadata), *metadata.to_numpy(object).tolist()]
    write_text(folder / METADATA, "".join("\t".join(map(_cell, row)) + "\n" for row in rows))
    write_text(
        folder / CONFIG,
        "embeddings {\n"
        f'  tensor_name: "{vectors.index.name}"\n'
        f'  tensor_path: "{VECTORS}"\n'
        f'  metadata_path: "{METADATA}"\n'
        "}\n",
    )


def _cell(value: object) -> str:
    """A cell in one line, whose end a tab is."""
    return " ".join(str(value).encode("utf-8", "replace").decode().split())
