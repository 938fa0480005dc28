"""A small language model learns from a large one which texts are alike.

It learns to give the teacher's vectors, without what all texts have in common (their mean, which
would make a text that says little resemble every other), turned and shortened to its own size so
that as much as can be of their differences is kept (the principal directions of the training
texts), after Reimers and Gurevych 2020, https://arxiv.org/abs/2004.09813. A text's vector is the
mean of its tokens' vectors, which the folder says in the way of sentence-transformers.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import scipy.stats
import tensorflow as tf

from tfrec_fusion.errors import AlreadyExists, InvalidInput
from tfrec_fusion.files.whole import whole_folder, write_text
from tfrec_fusion.progress import tell_progress
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.store import TextStore
from tfrec_fusion.text.language_models.causal import Schedule
from tfrec_fusion.text.language_models.folders import write_pooling
from tfrec_fusion.text.pretraining.pretrain import TextParts

RESULT_FILE = "distillation.json"
NEAREST = 10  # texts among which the nearest are compared
MEASURED = 2000  # texts at most, each compared with each
_SCHEDULE = Schedule(epochs=4, batch_size=64, learning_rate=2e-3, weight_decay=0.01)


@dataclass(frozen=True)
class Likeness:
    """How far a model sees the likenesses that its teacher sees, on texts of neither's training.

    Attributes:
        correlation: Spearman's, between the cosines of all pairs.
        nearest: Share of the teacher's ten nearest texts that are among the model's.
    """

    correlation: float
    nearest: float


@dataclass(frozen=True)
class Distilled:
    """What a distillation came to.

    Attributes:
        before: Of the student as it came, on the test texts.
        after: Of the student as it is now.
        loss: Of the training texts, one value an epoch.
        val_loss: Of the validation texts.
        seconds: Wall time of the training.
    """

    before: Likeness
    after: Likeness
    loss: list[float]
    val_loss: list[float]
    seconds: float


class _Lines(keras.callbacks.Callback):
    """Tells each epoch's losses."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        measured = "".join(f", {name}={value:.4f}" for name, value in (logs or {}).items())
        tell_progress(f"epoch {epoch + 1}/{self.params['epochs']}{measured}")


def distil(
    student: str,
    parts: TextParts,
    folder: str | Path,
    *,
    teacher: str = "minilm",
    max_length: int = 32,
    schedule: Schedule = _SCHEDULE,
    seed: int = 0,
    store: TextStore | None = None,
    progress: bool = True,
) -> Distilled:
    """Trains a language model to find those texts alike that another one does.

    Args:
        student: The preset to start from, such as a folder of `pretrain`.
        parts: The texts, such as `split_texts` gives.
        folder: The trained preset's, which must not exist. It appears whole or not at all.
        teacher: The preset to learn from.
        max_length: Most tokens of a text that either reads.
        schedule: How it is trained; a batch is of texts.
        seed: Seeds Python, NumPy and TensorFlow.
        store: Where the teacher's vectors are kept; the default store's folder by default.
        progress: Writes a line on stderr an epoch.

    Raises:
        FileExistsError: When `folder` exists.
        ValueError: When there are fewer texts than a batch holds.

    Example:
    >>> distil("models/reviews", split_texts(reviews), "models/alike").after  # doctest: +SKIP
    """
    target = Path(folder)
    if target.exists():
        raise AlreadyExists(f"{target} exists. Name a folder that does not, or remove it.")
    for name in ("train", "validation"):
        if len(getattr(parts, name)) < schedule.batch_size:
            raise InvalidInput(
                f"`parts.{name}` must fill a batch of {schedule.batch_size} texts. "
                f"Received: {len(getattr(parts, name))}."
            )
    keras.utils.set_random_seed(seed)
    encoder = TextEncoder(student, max_length=max_length, mode="full", pooling="mean")
    master, store = TextEncoder(teacher, max_length=max_length), store or TextStore()
    wanted = [np.array(store.encode(master, texts)) for texts in (parts.train, parts.validation)]
    middle = wanted[0].mean(axis=0)
    turn = _projection(wanted[0] - middle, encoder.dim)
    train, validation = (
        _batches(encoder, texts, (vectors - middle) @ turn, schedule.batch_size)
        for texts, vectors in zip((parts.train, parts.validation), wanted, strict=True)
    )
    test = parts.test[:MEASURED]
    aims = np.array(store.encode(master, test))
    before = likeness(aims, encoder.encode(test))
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    num_tokens = keras.Input((), dtype="int32", name="num_tokens")
    model = keras.Model([token_ids, num_tokens], encoder.tower(token_ids, num_tokens))
    model.compile(
        optimizer=schedule.optimizer(int(train.cardinality())),
        loss=keras.losses.CosineSimilarity(),
        jit_compile=False,
    )
    began = time.monotonic()
    shuffled = train.unbatch().shuffle(len(parts.train), seed=seed)
    history = model.fit(
        shuffled.batch(schedule.batch_size, drop_remainder=True).prefetch(2),
        epochs=schedule.epochs,
        validation_data=validation,
        shuffle=False,
        verbose=0,
        callbacks=[_Lines()] if progress else [],
    ).history
    seconds = round(time.monotonic() - began, 1)
    result = Distilled(
        before,
        likeness(aims, encoder.encode(test)),
        [float(one) for one in history["loss"]],
        [float(one) for one in history["val_loss"]],
        seconds,
    )
    with whole_folder(target) as whole:
        encoder.language_model.backbone.save_to_preset(str(whole))
        encoder.language_model.tokenizer.save_to_preset(str(whole))
        write_pooling(whole, "mean", encoder.dim)
        said = {"teacher": teacher, "seed": seed, **dataclasses.asdict(schedule)}
        write_text(whole / RESULT_FILE, json.dumps(dataclasses.asdict(result) | said, indent=1))
    return result


def likeness(aims: np.ndarray, found: np.ndarray) -> Likeness:
    """Compares the cosines in two spaces of the same texts.

    Args:
        aims: `(num_texts, target_dim)`, the teacher's.
        found: `(num_texts, dim)`.
    """
    cosines = [one @ one.T for one in map(_unit, (aims, found))]
    pairs = np.triu_indices(len(aims), 1)
    correlation = scipy.stats.spearmanr(*(one[pairs] for one in cosines)).statistic
    for one in cosines:
        np.fill_diagonal(one, -np.inf)
    number = min(NEAREST, len(aims) - 1)
    near = [np.argpartition(-one, number - 1, axis=1)[:, :number] for one in cosines]
    shared = [len(np.intersect1d(*rows)) / number for rows in zip(*near, strict=True)]
    return Likeness(float(correlation), float(np.mean(shared)))


def _projection(vectors: np.ndarray, dim: int) -> np.ndarray:
    """`(target_dim, dim)`: the principal directions; columns too many are empty."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)  # the largest come last
    chosen = directions[:, ::-1][:, :dim]
    return np.pad(chosen, ((0, 0), (0, dim - chosen.shape[1])))


def _batches(
    encoder: TextEncoder, texts: Sequence[str], aims: np.ndarray, batch_size: int
) -> tf.data.Dataset:
    ids, numbers, _ = encoder.tokenize(texts)
    rows = tf.data.Dataset.from_tensor_slices(((ids, numbers), aims.astype(np.float32)))
    return rows.batch(batch_size, drop_remainder=True)


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1)
