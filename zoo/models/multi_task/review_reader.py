"""Arrays that a multi-task model reads reviews with: a tokenizer and a GPT-2, or vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras_hub
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.text.encoding.byte_pairs import train_tokenizer
from tfrec_fusion.text.encoding.item_vectors import text_vectors
from tfrec_fusion.text.encoding.tokens import byte_pair_twin
from tfrec_fusion.text.language_models.presets import load_language_model
from tfrec_fusion.zoo.spec import BuildContext


def review_arrays(context: BuildContext) -> dict[str, Any]:
    """Makes the arrays that come from the reviews of the training events.

    Args:
        context: The training data; `language_model` among its options is a preset of a GPT-2 to
            continue with, see `text.language_models.presets`; None trains a tokenizer on the
            reviews and starts with random weights.

    Returns:
        `tokenizer` and perhaps `backbone`; `review_preset` and `review_dim` for a frozen reader;
        nothing where no task reads reviews.

    Raises:
        ValueError: When a task reads reviews and there are none, or the preset is no GPT-2.
    """
    choices = context.choices
    if not {"sentiment", "next_token"} & set(choices["tasks"]):
        return {}
    texts = [] if context.events.text is None else [str(text) for text in context.events.text]
    written = [text for text in texts if text.strip()]
    if not written:
        raise InvalidInput(
            f"The tasks {', '.join(choices['tasks'])} read reviews, and this data has none: "
            f"{len(context.events)} events, "
            f"{'all with an empty text' if texts else 'no column `text`'}. "
            "Give a `text` column with words, or take tasks=rating."
        )
    for gap in review_gaps(context.events, choices["tasks"], choices["good_rating"]):
        context.say(gap)
    if choices["review_reader"] == "frozen":
        preset = context.options["text_preset"]
        return {"review_preset": preset, "review_dim": text_vectors(written[:1], preset).shape[1]}
    language_model = context.options["language_model"]
    if language_model is None:
        return {"tokenizer": train_tokenizer(written, choices["vocabulary_size"])}
    found = load_language_model(language_model)
    twin = byte_pair_twin(found.tokenizer)
    if not isinstance(found.backbone, keras_hub.models.GPT2Backbone) or twin is None:
        raise InvalidInput(
            "`language_model` must be a GPT-2, which predicts words. Received: "
            f"{language_model!r}, a {type(found.backbone).__name__}."
        )
    return {"tokenizer": twin, "backbone": found.backbone}


def review_gaps(events: Any, tasks: Sequence[str], good_rating: float) -> list[str]:
    """Describes what the reviews of the training events lack, a line each.

    Args:
        events: The events to be trained on (`data.events.Events`).
        tasks: The model's.
        good_rating: From which rating on a review counts as positive.
    """
    gaps = []
    if empty := sum(not str(text).strip() for text in events.text):
        gaps.append(
            f"{empty:,} of {len(events):,} events have no review: these teach ratings alone"
        )
    if "sentiment" in tasks:
        good = np.mean(events.rating >= good_rating)
        if good in (0, 1):
            gaps.append(
                f"{'all' if good else 'no'} reviews are positive (rated {good_rating:g} or "
                "more): sentiment has nothing to tell apart"
            )
    return gaps
