"""Builds a hybrid and gives it its texts, tokens and graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.models.text_hybrid.network import TextHybrid


def text_hybrid(
    config: TextHybridConfig,
    item_text: np.ndarray | None = None,
    user_text: np.ndarray | None = None,
    text_tower: Any = None,
    item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
    knowledge: Any = None,
    *,
    name: str = "text_hybrid",
) -> TextHybrid:
    """Builds a hybrid of text, ids and, with `use_graph`, a knowledge graph.

    Args:
        config: Sizes and choices; `sizes_of` gives those that follow from the other arguments.
        item_text: `(num_items, text_dim)` text vectors; a row of zeros is no text.
        user_text: `(num_users, user_text_dim)` vectors of users' own words.
        text_tower: With `text_mode="lora"` or `"full"`: the language model to tune.
        item_tokens: With `text_mode="lora"` or `"full"`: token ids `(num_items, length)` and
            their numbers `(num_items,)`, as `TextEncoder.tokenize` gives them.
        knowledge: The graph over the items (`data.graph.Knowledge`), with `use_graph`.
        name: Of the model.

    Raises:
        ValueError: For a tuned language model without tower or tokens, a graph over other items,
            or none where one is to be read.

    Example:

    >>> from types import SimpleNamespace
    >>> graph = SimpleNamespace(num_items=3, entities=["", "A", "B", "x"], relations=["by"],
    ...     starts=np.array([0, 0, 1, 2, 2]), relation=np.array([0, 0]), tail=np.array([3, 3]))
    >>> config = TextHybridConfig(
    ...     2, 3, sources="id", dim=4, use_graph=True, graph_dim=4, **sizes_of(knowledge=graph)
    ... )
    >>> model = text_hybrid(config, knowledge=graph)
    >>> model({"history": np.array([[0, 1, 2]])})["logits"].shape
    TensorShape([1, 3, 3])
    """
    if config.tunes_text and (text_tower is None or item_tokens is None):
        raise InvalidInput(
            f"text_mode={config.text_mode!r} needs `text_tower` and `item_tokens`: the language "
            "model to tune and what it reads."
        )
    check_graph(config, knowledge)
    model = TextHybrid(config, text_tower, name=name)
    model.set_constants(item_text, user_text, item_tokens, knowledge)
    return model


def check_graph(config: TextHybridConfig, knowledge: Any) -> None:
    """Refuses a config that reads a graph without one over the same items."""
    if not config.use_graph:
        return
    if knowledge is None:
        raise InvalidInput(
            "`knowledge` is needed: this data has no graph. Give one, or `use_graph=False`."
        )
    if knowledge.num_items != config.num_items:
        raise InvalidInput(
            "`knowledge` must be over the same items. "
            f"Received: {knowledge.num_items} items, num_items={config.num_items}."
        )


def sizes_of(
    item_text: np.ndarray | None = None,
    user_text: np.ndarray | None = None,
    item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
    knowledge: Any = None,
    **others: Any,
) -> dict[str, int]:
    """Fields of the config that follow from arrays; arguments as of `text_hybrid`."""
    sizes = {}
    if item_text is not None:
        sizes["text_dim"] = item_text.shape[1]
    if user_text is not None:
        sizes["user_text_dim"] = user_text.shape[1]
    if item_tokens is not None:
        sizes["text_length"] = item_tokens[0].shape[1]
    if knowledge is not None:
        sizes["num_entities"] = len(knowledge.entities)
        sizes["num_relations"] = len(knowledge.relations)
        sizes["num_edges"] = int(knowledge.starts[knowledge.num_items])
    return sizes
