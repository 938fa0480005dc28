"""Texts to vectors with any language model, as one Keras model and as a fast loop."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import keras
import numpy as np
import tensorflow as tf

from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.files.whole import whole_folder
from tfrec_fusion.text.encoding.batching import batches_by_length
from tfrec_fusion.text.encoding.tokens import TextTokens, byte_pair_twin, twin_tokens, unknown_ids
from tfrec_fusion.text.language_models.adaptation import Mode
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.text.language_models.tower import Pooling, TextTower

logger = logging.getLogger(__name__)

# Part of every fingerprint: to be raised when the same model would give other vectors.
VERSION = 1
TEXTS_AT_ONCE = 4096
TOKENS_AT_ONCE = 1024
MOST_UNKNOWN = 0.2  # of the tokens; beyond, vectors say little of the texts
TEXTS_LOOKED_AT = 256


class TextEncoder:
    """Texts to vectors: tokenizer, language model, pooling.

    Args:
        preset: Which language model, see
            `tfrec_fusion.text.language_models.presets.load_language_model`.
        pooling: `mean`, `last`, `first`, or `auto`: what the model's folder says, as
            sentence-transformers write it; else `last` for a causal model such as GPT-2, whose last
            token alone has seen the whole text, and `mean` for others, which the log says.
        max_length: The most tokens of a text, start and end tokens included; what is longer is
            truncated, counted, and said in the log. By default `default_length`, or as many as
            the language model has positions for where these are fewer.
        default_length: See `max_length`.
        mode: What is trained: `frozen`, `lora` or `full`.
        lora_rank: Rank of the low-rank factors.
        lora_layers: How many of the last transformer blocks get them; None: all.
        dtype: The language model's data type or policy: `float32`, `bfloat16`, `mixed_bfloat16`.
            The vectors are float32 in any case.
        cache_dir: Where downloads are kept.

    Attributes:
        language_model: What `preset` stands for.
        pooling: `mean`, `last` or `first`.
        max_length: The most tokens of a text.
        tokens: The `TextTokens` layer: strings to token ids.
        tower: The `TextTower` layer: token ids to vectors. Train it inside any model.
        model: Keras model, strings `(batch,)` to vectors `(batch, dim)` float32, made of the two;
            it saves as `.keras`.

    Raises:
        ValueError: When an argument is out of its range.
        PresetUnavailable: When the language model cannot be downloaded.

    Example:
    >>> encoder = TextEncoder("minilm")  # doctest: +SKIP
    >>> encoder.encode(["A quiet film about a robot.", ""]).shape  # doctest: +SKIP
    (2, 384)
    """

    def __init__(
        self,
        preset: str = "minilm",
        *,
        pooling: Pooling | Literal["auto"] = "auto",
        max_length: int | None = None,
        default_length: int = 128,
        mode: Mode = "frozen",
        lora_rank: int = 8,
        lora_layers: int | None = None,
        dtype: str = "float32",
        cache_dir: str | Path | None = None,
    ) -> None:
        language_model = load_language_model(preset, dtype=dtype, cache_dir=cache_dir)
        if max_length is None:
            max_length = min(default_length, language_model.max_length)
        if max_length > language_model.max_length:
            raise InvalidInput(
                f"`max_length` must be at most {language_model.max_length}, for so many tokens "
                f"{preset} has positions. Received: max_length={max_length}."
            )
        if pooling == "auto":
            usual = "last" if language_model.causal else "mean"
            if language_model.pooling is None:
                logger.warning(
                    "%s does not say how a text's vector is made of its tokens': pooling=%r.",
                    *(preset, usual),
                )
            pooling = cast(Pooling, language_model.pooling or usual)
        self.language_model = language_model
        self.pooling = pooling
        self.max_length = max_length
        self.tokens = TextTokens(
            language_model.tokenizer, max_length, not language_model.causal, name="tokens"
        )
        self.tower = TextTower(
            language_model.backbone,
            pooling,
            mode=mode,
            lora_rank=lora_rank,
            lora_layers=lora_layers,
            dtype="float32",
            name="tower",
        )
        text = keras.Input((), dtype="string", name="text")
        found = self.tokens(text)
        vectors = self.tower(found["token_ids"], found["num_tokens"])
        self.model = keras.Model(text, vectors, name="text_encoder")
        self._settings = f"{VERSION} {pooling} {max_length} {dtype}"
        self._twin = byte_pair_twin(language_model.tokenizer)
        self._unknown, self._warned = unknown_ids(language_model.tokenizer), False
        strings, counts = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None,), tf.int32)
        rows = tf.TensorSpec((None, None), tf.int32)
        self._tokenize = tf.function(self.tokens, input_signature=[strings])
        self._vectors = tf.function(
            lambda ids, num: self.tower(ids, num, training=False), input_signature=[rows, counts]
        )

    @property
    def dim(self) -> int:
        """Size of a vector."""
        return self.tower.dim

    @property
    def fingerprint(self) -> str:
        """sha256, hexadecimal, of all that decides a text's vector: other models, other keys.

        That includes the trainable weights as they are now: training changes it.
        """
        digest = hashlib.sha256(f"{self.language_model.fingerprint} {self._settings}".encode())
        digest.update(str(self.tower.adaptation).encode())
        for weight in self.tower.trainable_weights:
            digest.update(keras.ops.convert_to_numpy(weight).tobytes())
        return digest.hexdigest()

    def tokenize(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray, int]:
        """Token ids of texts.

        Args:
            texts: Strings; white space of any length counts as one space.

        Returns:
            `token_ids` `(num_texts, max_length)` int32, padded on the right with 0; `num_tokens`
            `(num_texts,)` int32, 0 for a text that is empty or white; and how many texts were
            longer than `max_length` and lost their ends, which a warning also says.

        Raises:
            TypeError: When `texts` is not a list of strings; the position is named.
            ValueError: When a string is not valid Unicode; the position is named.

        Example:
        >>> TextEncoder("minilm", max_length=4).tokenize(["a robot in love"])  # doctest: +SKIP
        (array([[ 101, 1037, 8957,  102]], dtype=int32), array([4], dtype=int32), 1)
        """
        checked = checked_texts(texts)
        token_ids = np.zeros((len(checked), self.max_length), np.int32)
        num_tokens = np.zeros(len(checked), np.int32)
        num_truncated = 0
        for start in range(0, len(checked), TEXTS_AT_ONCE):
            some = slice(start, start + TEXTS_AT_ONCE)
            ids, num_tokens[some], is_truncated = self._tokens_of(checked[some])
            token_ids[some, : ids.shape[1]] = ids
            num_truncated += int(np.sum(is_truncated))
        if num_truncated:
            logger.warning(
                "%s of %s texts are longer than %s tokens; the rest of them is not read.",
                f"{num_truncated:,}",
                f"{len(checked):,}",
                self.max_length,
            )
        return token_ids, num_tokens, num_truncated

    def encode(self, texts: Iterable[str]) -> np.ndarray:
        """Vectors of texts, fast: texts of one length run together, nothing is padded far.

        Args:
            texts: Strings.

        Returns:
            `(num_texts, dim)` float32, not normalized; the tower's `empty` for an empty text.

        Raises:
            TypeError: When `texts` is not a list of strings; the position is named.
            ValueError: When a string is not valid Unicode; the position is named.

        Example:
        >>> TextEncoder("minilm").encode(["a robot in love"]).shape  # doctest: +SKIP
        (1, 384)
        """
        token_ids, num_tokens, _ = self.tokenize(texts)
        self._note_unknown(token_ids, num_tokens)
        vectors = np.empty((len(token_ids), self.dim), np.float32)
        for rows, length in batches_by_length(num_tokens, TOKENS_AT_ONCE):
            vectors[rows] = self._vectors(token_ids[rows, :length], num_tokens[rows])
        return vectors

    def warn_of_unknown(self, texts: Sequence[str]) -> None:
        """Warns when the tokenizer does not know the language of texts, as `encode` does.

        For texts whose vectors are kept and not computed again. Some of many are looked at, and
        one warning is given.

        Args:
            texts: Strings.
        """
        there = [text for text in texts if text.strip()]
        some = there[:: max(1, len(there) // TEXTS_LOOKED_AT)]
        if some and not self._warned:
            token_ids, num_tokens, _ = self._tokens_of(some)
            self._note_unknown(token_ids, num_tokens)

    def _note_unknown(self, token_ids: np.ndarray, num_tokens: np.ndarray) -> None:
        special = 2 if self.tokens.add_special_tokens else 0
        total = int(np.maximum(num_tokens - special, 0).sum())
        inside = np.arange(token_ids.shape[1]) < num_tokens[:, None]
        unknown = int((np.isin(token_ids, self._unknown) & inside).sum())
        if self._warned or unknown <= MOST_UNKNOWN * total:
            return
        self._warned = True
        logger.warning(
            "%.0f%% of the tokens of %s texts are unknown to %s: its vectors say little of them. "
            "Choose a language model of their language, or a multilingual preset such as "
            "xlm_roberta_base_multi.",
            *(100 * unknown / total, f"{len(num_tokens):,}", self.language_model.name),
        )

    def export(self, folder: str | Path) -> None:
        """Writes a SavedModel with the tokenizer inside, for TensorFlow with TensorFlow Text.

        Its signature `serve`, also the default one, takes `text`, `(batch,)` strings, and gives
        `embedding`, `(batch, dim)` float32.

        Args:
            folder: Where to; a SavedModel that is there is replaced.

        Raises:
            AlreadyExists: When something else is there.

        Example:
        >>> TextEncoder("minilm").export("minilm/1")  # doctest: +SKIP
        """

        def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"embedding": self.model(text, training=False)}

        archive = keras.export.ExportArchive()
        archive.track(self.model)
        archive.add_endpoint("serve", serve, [tf.TensorSpec((None,), tf.string, name="text")])
        is_model = (Path(folder) / "saved_model.pb").is_file()
        with whole_folder(folder, replace=is_model) as whole:
            archive.write_out(str(whole), verbose=False)

    def _tokens_of(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._twin is not None and not self.tokens.add_special_tokens:
            return twin_tokens(self._twin, texts, self.max_length)
        found = self._tokenize(tf.constant(texts, tf.string))
        return tuple(found[name].numpy() for name in ("token_ids", "num_tokens", "is_truncated"))


def checked_texts(texts: Iterable[Any]) -> list[str]:
    """The texts as a list, when each is a string of valid Unicode.

    Args:
        texts: A list, array or column of strings.

    Raises:
        TypeError: When `texts` is one string, or something in it is not a string.
        ValueError: When a string holds a surrogate on its own, which no encoding can write.

    Example:

    >>> checked_texts(("a film", ""))
    ['a film', '']
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise WrongType(
            f"`texts` must be a list of strings. Received: {type(texts).__name__}. "
            "Put a single text into a list."
        )
    checked = list(texts)
    for position, text in enumerate(checked):
        if not isinstance(text, str):
            raise WrongType(
                f"`texts` must hold strings only. Received: {type(text).__name__} ({text!r:.40}) "
                f"at position {position}. Replace what is missing by an empty string."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"`texts` must be valid Unicode. Received: the surrogate {text[error.start]!r} at "
                f"character {error.start} of the text at position {position}. Read the file as "
                "the encoding it has, or with errors='replace'."
            ) from None
    return checked
