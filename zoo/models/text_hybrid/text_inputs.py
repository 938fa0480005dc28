"""Arrays that a model reading item texts is built with: text vectors, tokens, the graph."""

from __future__ import annotations

from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.item_vectors import item_encoder, text_vectors
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.spec import BuildContext


def text_arrays(context: BuildContext) -> dict[str, Any]:
    """Makes the arrays that come from texts.

    Args:
        context: The training data; `choices` are the config's keywords, `options` those of
            `training_options.LanguageModel`.

    Returns:
        `item_text`; `user_text` where the query reads the user and users wrote something; the
        tower and the items' tokens where the language model is tuned.

    Raises:
        ValueError: When no item has a text.
    """
    choices, texts = context.choices, [str(text) for text in context.texts]
    if choices.get("sources", "id+text") != "id" and not any(text.strip() for text in texts):
        raise InvalidInput(
            "No item has a text to read. Give the items a `title` or a `text`, name columns with "
            "`text_columns` (--text-columns), or take a model that reads none, such as two_tower."
        )
    language = (context.options["text_preset"], context.options["text_length"])
    arrays: dict[str, Any] = {"item_text": text_vectors(texts, *language)}
    mode = choices.get("text_mode", "frozen")
    if mode != "frozen":
        tuning = {name: choices[name] for name in ("lora_rank", "lora_layers")}
        encoder = item_encoder(*language, mode=mode, **tuning)
        ids, numbers, _ = encoder.tokenize(texts)
        width = max(1, int(numbers.max()))  # shorter rows cost less in every step
        arrays |= {"text_tower": encoder.tower, "item_tokens": (ids[:, :width], numbers)}
    reads_user = choices.get("head") == "ncf" or "user" in choices.get("query", "history")
    events = context.events
    if reads_user and events.text is not None and any(events.text):
        words = user_words(events, texts).texts()
        arrays["user_text"] = text_vectors(words, *language)
    return arrays


def graph_array(context: BuildContext) -> dict[str, Any]:
    """Takes the knowledge graph, where one is to be read and the data has one."""
    if not context.choices.get("use_graph") or context.knowledge is None:
        return {}
    context.say(f"graph: {context.knowledge.description}")
    return {"knowledge": context.knowledge}
