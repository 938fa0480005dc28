"""Texts of a data set as vectors of a language model, made once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoder import TextEncoder
from tfrec_fusion.text.store import TextStore
from zoo.user_profiles import profile_texts, spoken_words
from zoo.user_words import user_words

ITEM_LENGTH = 64  # tokens of an item's text, where the language model has so many positions


def item_encoder(preset: str = "minilm", max_length: int | None = None, **how: Any) -> TextEncoder:
    """The language model that reads items' texts.

    Args:
        preset: The language model, see `tfrec_fusion.text.presets`.
        max_length: Most tokens of a text; by default 64, or fewer where it has fewer positions.
        **how: Further keywords of `TextEncoder`.
    """
    return TextEncoder(preset, max_length=max_length, default_length=ITEM_LENGTH, **how)


def text_arguments(
    item_texts: Iterable[str],
    events: Any,
    choices: Mapping[str, Any],
    preset: str = "minilm",
    max_length: int | None = None,
) -> dict[str, Any]:
    """What `gpt2_hybrid` needs of the texts.

    Args:
        item_texts: One text an item index.
        events: The events to be trained on; users' own words come from them.
        choices: The model's keywords.
        preset: The language model, see `tfrec_fusion.text.presets`.
        max_length: Most tokens of a text that are read, see `item_encoder`.

    Returns:
        `item_text`; `user_text` where the query reads the user and users wrote something; the
        tower and the items' tokens where the language model is tuned.

    Raises:
        ValueError: When no item has a text.
    """
    texts = [str(text) for text in item_texts]
    if choices.get("sources") != "id" and not any(text.strip() for text in texts):
        raise InvalidInput(
            "No item has a text to read. Give the items a `title` or a `text`, name columns with "
            "`text_columns` (--text-columns), or take a model that reads none, such as two_tower."
        )
    arguments: dict[str, Any] = {"item_text": text_vectors(texts, preset, max_length)}
    mode = choices.get("text_mode", "frozen")
    if mode != "frozen":
        tuning = {name: choices[name] for name in ("lora_rank", "lora_layers") if name in choices}
        encoder = item_encoder(preset, max_length, mode=mode, **tuning)
        ids, numbers, _ = encoder.tokenize(texts)
        width = max(1, int(numbers.max()))  # shorter rows cost less in every step
        arguments |= {"text_tower": encoder.tower, "item_tokens": (ids[:, :width], numbers)}
    reads_user = choices.get("head") == "ncf" or "user" in choices.get("query", "history")
    if reads_user and events.text is not None and any(events.text):
        words = user_words(events, texts).texts()
        arguments["user_text"] = text_vectors(words, preset, max_length)
    return arguments


def profile_arguments(
    data: Any,
    item_texts: Iterable[str],
    events: Any,
    preset: str = "minilm",
    max_length: int | None = None,
) -> dict[str, Any]:
    """What `profile_semantics_behaviour` needs beside the items' texts.

    Args:
        data: Users and their attributes (`data.indexed.IndexedData`).
        item_texts: One text an item index.
        events: The events to be trained on; profiles and words come from them.
        preset: The language model.
        max_length: Most tokens of a text that are read, see `item_encoder`.

    Returns:
        `profile_text`, `item_words` and `user_words`.
    """
    texts = [str(text) for text in item_texts]
    profiles = profile_texts(events, texts, data.user_table)
    item_words, user_words, _ = spoken_words(events, texts)
    vectors = text_vectors(profiles, preset, max_length)
    return {"profile_text": vectors, "item_words": item_words, "user_words": user_words}


def text_vectors(
    texts: Iterable[str], preset: str = "minilm", max_length: int | None = None
) -> np.ndarray:
    """Vectors of texts; those encoded before come from the store, also in another process.

    Args:
        texts: One text a row; an empty one, such as the unseen item's, says nothing.
        preset: The language model, see `tfrec_fusion.text.presets`.
        max_length: Most tokens of a text that are read, see `item_encoder`.

    Returns:
        `(num_texts, text_dim)` float32; a row of zeros for an empty text.

    Raises:
        PresetUnavailable: When the language model cannot be had.
    """
    encoder = item_encoder(preset, max_length)
    given = [str(text) for text in texts]
    encoder.warn_of_unknown(given)
    vectors = np.array(TextStore().encode(encoder, given), np.float32)
    vectors[[not text.strip() for text in given]] = 0
    return vectors
