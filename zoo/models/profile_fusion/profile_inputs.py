"""Arrays that a profile_fusion model is built with: texts, profiles and word targets."""

from __future__ import annotations

from typing import Any

from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.interests.user_profiles import profile_texts, spoken_words
from tfrec_fusion.zoo.models.text_hybrid.text_inputs import text_arrays
from tfrec_fusion.zoo.spec import BuildContext


def profile_arrays(context: BuildContext) -> dict[str, Any]:
    """Makes the arrays that come from texts and from the users' table.

    Args:
        context: The training data; profiles and words come from its training events alone.

    Returns:
        `item_text`, `profile_text`, `item_words` and `user_words`.

    Raises:
        ValueError: When no item has a text, or no word occurs twice.
    """
    texts, events = [str(text) for text in context.texts], context.events
    profiles = profile_texts(events, texts, context.data.user_table)
    item_words, user_words, _ = spoken_words(events, texts)
    language = (context.options["text_preset"], context.options["text_length"])
    return {
        "item_text": text_arrays(context)["item_text"],
        "profile_text": text_vectors(profiles, *language),
        "item_words": item_words,
        "user_words": user_words,
    }
