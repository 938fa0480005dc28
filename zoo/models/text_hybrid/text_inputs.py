"""Text vectors and tokens that a model reading item texts is built with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.item_vectors import item_encoder, text_vectors
from tfrec_fusion.text.interests.user_words import user_words


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
        preset: The language model, see `tfrec_fusion.text.language_models.presets`.
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
