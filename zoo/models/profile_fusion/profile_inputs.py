"""Profile texts and word targets that a profile_fusion model is built with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.interests.user_profiles import profile_texts, spoken_words


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
