"""A small GPT-2 of one's own: tokenizer and network learned from texts, beside n-gram models.

The result is a preset folder like any other, for `load_language_model`.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrec_fusion.errors import AlreadyExists, InvalidInput, WrongType
from tfrec_fusion.files.whole import whole_folder, write_text
from tfrec_fusion.text.encoding.byte_pairs import keras_tokenizer, token_sequences, train_tokenizer
from tfrec_fusion.text.encoding.ngrams import Bigram, Unigram, perplexity
from tfrec_fusion.text.language_models.causal import (
    GPT2Size,
    Schedule,
    TokenNats,
    Training,
    train_gpt2,
)

logger = logging.getLogger(__name__)

MIN_TEXTS = 10
RESULT_FILE = "pretraining.json"


@dataclass(frozen=True)
class TextParts:
    """Texts to learn from, to choose by, and to measure on.

    Attributes:
        train: What tokenizer and models learn from.
        validation: Says when to stop, and how much to smooth the n-gram models.
        test: What perplexities are measured on.
    """

    train: list[str]
    validation: list[str]
    test: list[str]


def split_texts(
    texts: Sequence[str], *, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> TextParts:
    """Draws validation and test texts among the different ones; what comes twice counts once.

    Args:
        texts: At least 10 different ones, none of them blank.
        validation: Share of the texts, more than 0.
        test: Share of the texts, more than 0; below 1 together with `validation`.
        seed: Seed of the draw.

    Raises:
        TypeError: When a text is not a string.
        ValueError: When a text is blank, there are too few, or the shares leave no part.

    Example:
    >>> parts = split_texts([f"text {number}" for number in range(20)])
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (16, 2, 2)
    """
    _check_texts(texts, "texts")
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise InvalidInput(
            "`validation` and `test` must be more than 0 and together less than 1. "
            f"Received: validation={validation}, test={test}."
        )
    if not 0 <= seed < 2**32:  # what NumPy takes
        raise InvalidInput(f"`seed` must be from 0 to {2**32 - 1}. Received: {seed}.")
    different = list(dict.fromkeys(texts))
    if repeated := len(texts) - len(different):
        logger.warning("%d of %d texts repeat another and are left out.", repeated, len(texts))
    if len(different) < MIN_TEXTS:
        raise InvalidInput(
            f"`texts` must hold at least {MIN_TEXTS} different texts. Received: {len(different)}."
        )
    order = np.random.default_rng(seed).permutation(len(different))
    sizes = [max(1, round(share * len(different))) for share in (validation, test)]
    held_out, measured, rest = np.split(order, np.cumsum(sizes))
    if not len(rest):
        raise InvalidInput(
            f"`validation` and `test` leave no text to train on. Received: "
            f"validation={validation}, test={test}, {len(different)} different texts."
        )
    return TextParts(*([different[i] for i in part] for part in (rest, held_out, measured)))


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining came to.

    Attributes:
        perplexity: Of the test texts' tokens, their ends included.
        unigram: The unigram model's perplexity on the same tokens.
        bigram: The bigram model's perplexity on the same tokens.
        num_tokens: How many tokens that are.
        parameters: Trained values of the network.
        epochs: Epochs trained.
        best_epoch: The one whose weights were kept, counted from 1.
        seconds: Wall time of the network's training.
        history: `loss` and `val_loss`, nats a token, one value an epoch.
    """

    perplexity: float
    unigram: float
    bigram: float
    num_tokens: int
    parameters: int
    epochs: int
    best_epoch: int
    seconds: float
    history: dict[str, list[float]]


def pretrain(
    parts: TextParts,
    folder: str | Path,
    *,
    size: GPT2Size | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Pretrained:
    """Trains a tokenizer and a GPT-2, measures them on the test texts, writes them as a preset.

    The tokenizer and all models learn from the training texts alone; validation stops the network
    and tunes the n-gram models; the test texts are looked at once.

    Args:
        parts: The texts, such as `split_texts` gives.
        folder: The preset's, which must not exist. It appears whole or not at all, in KerasHub's
            layout, with what is returned in `pretraining.json`.
        size: How large the model is, `GPT2Size()` by default.
        schedule: How it is trained, `Schedule()` by default.
        seed: Seeds Python, NumPy and TensorFlow.
        progress: Shows a bar in a terminal or notebook, and elsewhere a line on stderr an epoch.

    Raises:
        FileExistsError: When `folder` exists.
        TypeError: When a text is not a string.
        ValueError: When a text is blank, a part is empty, there is too little text for the size,
            or the loss diverges.

    Example:
    >>> pretrain(split_texts(reviews), "models/reviews").perplexity  # doctest: +SKIP
    """
    size, schedule, target = size or GPT2Size(), schedule or Schedule(), Path(folder)
    _check_absent(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in ("train", "validation", "test"):
        _check_texts(getattr(parts, name), f"parts.{name}")
    tokenizer = train_tokenizer(parts.train, size.vocabulary_size)
    train, validation, test = (
        token_sequences(tokenizer, texts) for texts in (parts.train, parts.validation, parts.test)
    )
    training = train_gpt2(train, validation, size, schedule, seed=seed, progress=progress)
    result = _measured(training, size, train, validation, test)
    with whole_folder(target) as whole:
        training.network.backbone.save_to_preset(str(whole))
        keras_tokenizer(tokenizer).save_to_preset(str(whole))
        written = {**dataclasses.asdict(size), **dataclasses.asdict(schedule), "seed": seed}
        written |= {"texts": [len(texts) for texts in dataclasses.astuple(parts)]}
        write_text(whole / RESULT_FILE, json.dumps(dataclasses.asdict(result) | written, indent=1))
    return result


def _measured(
    training: Training,
    size: GPT2Size,
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    test: Sequence[np.ndarray],
) -> Pretrained:
    nats = TokenNats(training.network, size.max_length)(test)
    unigram = Unigram.fit(train, validation, size.vocabulary_size)
    bigram = Bigram.fit(train, validation, size.vocabulary_size)
    return Pretrained(
        perplexity=perplexity(nats),
        unigram=perplexity(unigram.nats(test)),
        bigram=perplexity(bigram.nats(test)),
        num_tokens=len(nats),
        parameters=training.network.count_params(),
        epochs=len(training.history["loss"]),
        best_epoch=training.best_epoch,
        seconds=training.seconds,
        history=training.history,
    )


def _check_absent(folder: Path) -> None:
    if folder.exists():
        raise AlreadyExists(f"{folder} exists. Name a folder that does not, or remove it.")


def _check_texts(texts: Sequence[str], name: str) -> None:
    if isinstance(texts, str):
        raise WrongType(f"`{name}` must be a list of strings. Received: one string.")
    if not len(texts):
        raise InvalidInput(f"`{name}` is empty. Received: 0 texts.")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise WrongType(
                f"`{name}` must be strings. Received: {type(text).__name__} at position "
                f"{position} (counted from 0)."
            )
        if not text.strip():
            raise InvalidInput(
                f"`{name}` must not be blank. Received: {text!r} at position {position} "
                "(counted from 0). Leave such texts out."
            )
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"`{name}` must be Unicode that UTF-8 can write. Received: the lone surrogate "
                f"{text[error.start]!r} at position {position} (counted from 0). Read the text "
                "again with its right encoding."
            ) from error
