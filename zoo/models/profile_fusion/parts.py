"""The layers of profile, semantics and behaviour, and how their evidence is compared."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
from tfrec_fusion.layers.embedding import ItemTower
from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.text_table import TextTable
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileFusionConfig

_SOURCES = {"profile": "profile", "behavior": "record"}  # texts of users that items' are held to


def task_layers(config: ProfileFusionConfig) -> dict[str, Any]:
    """Layers by name."""
    rows, tasks = config.num_items + config.num_users, config.tasks
    size = min(config.text_components, config.text_dim)
    layers: dict[str, Any] = {
        # Items first, then users: one table, so that both are read in one space.
        "texts": TextTable(rows, config.text_dim, size, name="texts"),
        "drop": keras.layers.Dropout(config.dropout, name="drop"),
        "items": FusedTower(
            config.num_items,
            config.dim,
            use_text="semantics" in tasks,
            id_dropout=config.id_dropout if "semantics" in tasks else 0.0,
            text_dropout=config.dropout,
            name="items",
        ),
        "item_bias": ItemTower(
            config.num_items, 1, embeddings_initializer="zeros", dtype="float32", name="item_bias"
        ),
        "reasoning": PairDense(config.reasoning_units, activation="relu", name="reasoning"),
        "reasoned": keras.layers.Dense(1, dtype="float32", name="reasoned"),
    }
    if "semantics" not in tasks:  # the content of an item is then what its id has learned
        layers["content_of_id"] = keras.layers.Dense(size, name="content_of_id")
    for level in range(1, config.levels + 1):
        layers[f"extractor_{level}"] = keras.layers.Dense(
            config.dim, activation="relu", name=f"extractor_{level}"
        )
    for source in [_SOURCES[task] for task in tasks if task in _SOURCES]:
        for level in range(config.levels + 1):
            name = f"{source}_similarity_{level}"
            layers[name] = WeightedDot(name=name)
    if "behavior" in tasks:
        layers["encoder"] = HistoryEncoder(
            config.dim,
            num_layers=1,
            max_distance=config.history_length,
            dropout=config.dropout,
            name="encoder",
        )
        layers["behavior"] = WeightedDot(name="behavior")
    for task in ("profile", "semantics"):
        if task in tasks:
            layers[task] = keras.layers.Dense(config.num_words, dtype="float32", name=task)
    return layers


def _extracted(
    layers: dict[str, Any], config: ProfileFusionConfig, name: str, text: Any
) -> dict[str, Any]:
    """`name_0 … name_L`: a text's vector on every level of the shared extractor."""
    found = {f"{name}_0": text}
    for level in range(1, config.levels + 1):
        text = layers[f"extractor_{level}"](layers["drop"](text))
        found[f"{name}_{level}"] = text
    return found


def user_evidence(
    layers: dict[str, Any], config: ProfileFusionConfig, user_id: Any, history: Any
) -> dict[str, Any]:
    """What is known of users, `(batch, size)` each."""
    found: dict[str, Any] = {}
    if "profile" in config.tasks:
        text = layers["texts"](user_id + config.num_items)
        found |= _extracted(layers, config, "profile", text)
    if "behavior" in config.tasks:
        read = item_evidence(layers, config, history)
        valid = history > 0
        # In float32: bfloat16 holds whole numbers up to 256, a history may be longer.
        there = ops.expand_dims(ops.cast(valid, "float32"), -1)
        number = ops.maximum(ops.sum(there, axis=1), 1)
        mean = ops.sum(ops.cast(read["content_0"], "float32") * there, axis=1) / number
        found |= _extracted(layers, config, "record", mean)
        found["state"] = layers["encoder"](read["item"], valid)[:, -1]
    return found


def item_evidence(
    layers: dict[str, Any],
    config: ProfileFusionConfig,
    item_id: Any,
    catalogue: bool = False,
) -> dict[str, Any]:
    """What is known of items, `item_id.shape + (size,)` each, or `(num_items, size)`."""
    if "semantics" in config.tasks:
        text = layers["texts"](item_id, catalogue=catalogue)
        if catalogue:  # the users' profiles stand behind
            text = ops.slice(text, (0, 0), (config.num_items, text.shape[-1]))
        item = layers["items"](item_id, text, catalogue=catalogue)
    else:
        item = layers["items"](item_id, catalogue=catalogue)
        text = layers["content_of_id"](item)
    bias = layers["item_bias"](item_id, catalogue=catalogue)
    return {"bias": bias, "item": item, **_extracted(layers, config, "content", text)}


def reasoning(
    layers: dict[str, Any],
    config: ProfileFusionConfig,
    user: dict[str, Any],
    item: dict[str, Any],
    all_pairs: bool = False,
) -> dict[str, Any]:
    """`logits`, and `behaviour` where it is a task: `(batch, candidates)` or `(batch, items)`."""
    bias = ops.squeeze(item["bias"], -1)
    found, total = {}, bias
    if "behavior" in config.tasks:
        dots = layers["behavior"](user["state"], item["item"], all_pairs=all_pairs)
        found["behavior"] = total = dots + bias
    for level in range(config.levels + 1):
        for source in _SOURCES.values():
            if f"{source}_{level}" in user:
                similar = layers[f"{source}_similarity_{level}"]
                vectors = (user[f"{source}_{level}"], item[f"content_{level}"])
                total = total + similar(*vectors, all_pairs=all_pairs)
    last = config.levels
    names = (f"profile_{last}", f"record_{last}", "state")
    evidence = ops.concatenate([user[name] for name in names if name in user], axis=-1)
    content = ops.concatenate([item[f"content_{last}"], item["item"]], axis=-1)
    hidden = layers["drop"](layers["reasoning"](evidence, content, all_pairs=all_pairs))
    total = total + ops.squeeze(layers["reasoned"](hidden), -1)
    return {"logits": total, **found}
