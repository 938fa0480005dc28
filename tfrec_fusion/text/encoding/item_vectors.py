"""Texts of a data set as vectors of a language model, made once and kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.text.encoding.store import TextStore

ITEM_LENGTH = 64  # tokens of an item's text, where the language model has so many positions


def item_encoder(preset: str = "minilm", max_length: int | None = None, **how: Any) -> TextEncoder:
    """The language model that reads items' texts.

    Args:
        preset: The language model, see `tfrec_fusion.text.language_models.presets`.
        max_length: Most tokens of a text; by default 64, or fewer where it has fewer positions.
        **how: Further keywords of `TextEncoder`.
    """
    return TextEncoder(preset, max_length=max_length, default_length=ITEM_LENGTH, **how)


def text_vectors(
    texts: Iterable[str], preset: str = "minilm", max_length: int | None = None
) -> np.ndarray:
    """Vectors of texts; those encoded before come from the store, also in another process.

    Args:
        texts: One text a row; an empty one, such as the unseen item's, says nothing.
        preset: The language model, see `tfrec_fusion.text.language_models.presets`.
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
