"""What a multi-task model needs to read reviews: a tokenizer and a GPT-2, or vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras_hub
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.byte_pairs import train_tokenizer
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.encoding.tokens import byte_pair_twin
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.zoo.models.multi_task.config import MultiTaskConfig


def review_arguments(
    events: Any,
    choices: Mapping[str, Any],
    language_model: str | None = None,
    text_preset: str = "minilm",
) -> dict[str, Any]:
    """Arguments of `multi_task` that come from the reviews.

    Args:
        events: The events to be trained on (`data.events.Events`).
        choices: The model's keywords.
        language_model: A preset of a GPT-2 to go on with, see `text.presets`; None trains a
            tokenizer on the reviews and starts with a GPT-2 that knows nothing.
        text_preset: The frozen reader.

    Returns:
        `tokenizer` and perhaps `backbone`; `review_preset` and `review_dim` for a frozen reader;
        nothing where no task reads reviews.

    Raises:
        ValueError: When a task reads reviews and there are none, or the preset is no GPT-2.
    """

    def chosen(name: str) -> Any:
        return choices.get(name, getattr(MultiTaskConfig, name))

    if not {"sentiment", "next_token"} & set(chosen("tasks")):
        return {}
    texts = [] if events.text is None else [str(text) for text in events.text]
    written = [text for text in texts if text.strip()]
    if not written:
        raise InvalidInput(
            f"The tasks {', '.join(chosen('tasks'))} read reviews, and this data has none: "
            f"{len(events)} events, {'all with an empty text' if texts else 'no column `text`'}. "
            "Give a `text` column with words, or take tasks=rating."
        )
    if chosen("review_reader") == "frozen":
        dim = text_vectors(written[:1], text_preset).shape[1]
        return {"review_preset": text_preset, "review_dim": dim}
    if language_model is None:
        return {"tokenizer": train_tokenizer(written, chosen("vocabulary_size"))}
    found = load_language_model(language_model)
    twin = byte_pair_twin(found.tokenizer)
    if not isinstance(found.backbone, keras_hub.models.GPT2Backbone) or twin is None:
        raise InvalidInput(
            "`language_model` must be a GPT-2, which predicts words. Received: "
            f"{language_model!r}, a {type(found.backbone).__name__}."
        )
    return {"tokenizer": twin, "backbone": found.backbone}


def review_gaps(events: Any, config: MultiTaskConfig) -> list[str]:
    """What the reviews of the events to be trained on lack, a line each, to be told to people.

    Args:
        events: The events to be trained on (`data.events.Events`).
        config: The model's.
    """
    if not config.reads_reviews:
        return []
    gaps = []
    if empty := sum(not str(text).strip() for text in events.text):
        gaps.append(
            f"{empty:,} of {len(events):,} events have no review: these teach ratings alone"
        )
    if "sentiment" in config.tasks:
        good = np.mean(events.rating >= config.good_rating)
        if good in (0, 1):
            gaps.append(
                f"{'all' if good else 'no'} reviews are positive (rated {config.good_rating:g} or "
                "more): sentiment has nothing to tell apart"
            )
    return gaps
