"""The layers of the hybrid and how they are put together: items, users, query, NCF head."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tfrec_fusion.layers.collaborative import PairDense, WeightedDot
from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.knowledge_table import KnowledgeTable
from tfrec_fusion.layers.retrieval import CatalogueLogits, InBatchLogits
from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.scoring.unknown_user import first_rows


def item_layers(config: Any, text_tower: Any = None) -> dict[str, Any]:
    """The text of the items, and their tower."""
    layers: dict[str, Any] = {}
    if config.reads_text:
        sizes = (config.num_items, config.text_dim, min(config.text_components, config.text_dim))
        if config.tunes_text:
            length = config.text_length
            table = EncodedTable(*sizes, tower=text_tower, length=length, name="item_text")
        else:
            table = TextTable(*sizes, name="item_text")
        layers["item_text"] = table
    if config.reads_graph:
        layers["graph"] = KnowledgeTable(
            config.num_items,
            config.num_entities,
            config.num_relations,
            config.num_edges,
            config.graph_dim,
            num_neighbours=config.num_neighbors,
            score=config.triple_score,
            triple_weight=config.triple_weight,
            dropout=config.graph_dropout,
            name="graph",
        )
    if config.reads_text:
        layers["join"] = keras.layers.Concatenate(name="join")
    layers["items"] = FusedTower(
        config.num_items,
        config.dim,
        use_id=config.sources != "text",
        use_text=config.reads_text or config.reads_graph,
        fusion=config.fusion,
        id_dropout=config.id_dropout if config.reads_text or config.reads_graph else 0.0,
        text_dropout=config.text_dropout,
        name="items",
    )
    return layers


def user_layers(config: TextHybridConfig) -> dict[str, Any]:
    """The users' own words, and their tower; nothing where the query reads neither."""
    if not config.reads_user_id:
        return {}
    layers: dict[str, Any] = {}
    if config.user_text_dim:
        size = min(config.text_components, config.user_text_dim)
        layers["user_text"] = TextTable(
            config.num_users, config.user_text_dim, size, name="user_text"
        )
    layers["users"] = FusedTower(
        config.num_users,
        config.dim,
        use_text=bool(config.user_text_dim),
        fusion=config.fusion,
        id_dropout=config.id_dropout if config.user_text_dim else 0.0,
        text_dropout=config.text_dropout,
        name="users",
    )
    layers["user_dropout"] = keras.layers.Dropout(config.dropout, name="user_dropout")
    return layers


def tower_layers(config: TextHybridConfig) -> dict[str, Any]:
    """Query and logits of the two towers."""
    layers: dict[str, Any] = {}
    if config.reads_history:
        layers["encoder"] = HistoryEncoder(
            config.dim,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            max_distance=config.history_length,
            dropout=config.dropout,
            name="encoder",
        )
        if config.reads_text:
            layers["profile"] = TextProfile(name="profile")
    if config.negatives == "in_batch":
        layers["logits"] = InBatchLogits(config.temperature, name="logits")
    else:
        layers["logits"] = CatalogueLogits(
            config.num_items, config.temperature, use_bias=False, partial=True, name="logits"
        )
    return layers


def ncf_layers(config: TextHybridConfig) -> dict[str, Any]:
    """GMF and MLP over the two vectors."""
    layers: dict[str, Any] = {"gmf": WeightedDot(name="gmf")}
    first, *rest = config.mlp_units
    layers["mlp_0"] = PairDense(first, activation="relu", name="mlp_0")
    for number, units in enumerate(rest, 1):
        layers[f"mlp_{number}"] = keras.layers.Dense(units, "relu", name=f"mlp_{number}")
    layers["mlp_logit"] = keras.layers.Dense(1, dtype="float32", name="mlp_logit")
    return layers


def model_inputs(config: TextHybridConfig) -> dict[str, Any]:
    """The functional inputs that a config asks for."""
    pairs = config.head == "ncf"
    in_batch = not pairs and config.negatives == "in_batch"
    wanted = {
        "user_id": ((), "int32", config.reads_user_id),
        "history": ((None,), "int32", config.reads_history),
        "item_id": ((), "int32", pairs or in_batch),
        "candidate_sampling_probability": ((), "float32", in_batch),
    }
    return {
        name: keras.Input(shape, dtype=dtype, name=name)
        for name, (shape, dtype, reads) in wanted.items()
        if reads
    }


def history_inputs(asks_user: bool = False) -> dict[str, Any]:
    """`{"history": (batch, steps)}`, with `asks_user` also `{"user_id": (batch,)}`."""
    user_id = {"user_id": keras.Input((), dtype="int32", name="user_id")} if asks_user else {}
    return {"history": keras.Input((None,), dtype="int32", name="history"), **user_id}


def without_users(layers: dict[str, Any]) -> dict[str, Any]:
    """The layers with nothing about users but the OOV one, at index 0."""
    of_users = ("users", "user_text")
    return layers | {name: first_rows(layers[name], 1) for name in of_users if name in layers}


def item_rows(
    layers: dict[str, Any], config: TextHybridConfig, index: Any, catalogue: bool = False
) -> Any:
    """`index.shape + (size,)`: the learned vector and, for a query with a profile, the text."""
    if "frozen_items" in layers:
        return layers["frozen_items"](index, catalogue=catalogue)
    text = layers["item_text"](index, catalogue=catalogue) if config.reads_text else None
    graph = layers["graph"](index, catalogue=catalogue) if config.reads_graph else None
    content = content_of(layers, config, text, graph)
    vectors = layers["items"](index, content, catalogue=catalogue)
    return layers["join"]([vectors, text]) if "profile" in layers else vectors


def content_of(layers: dict[str, Any], config: TextHybridConfig, text: Any, graph: Any) -> Any:
    """What is known of items beside their ids; of a text from nowhere the graph says nothing."""
    if not config.reads_graph:
        return text
    if graph is None:
        graph = ops.repeat(ops.zeros_like(text[..., :1]), layers["graph"].dim, axis=-1)
    return graph if text is None else ops.concatenate([text, graph], axis=-1)


def query_rows(
    layers: dict[str, Any],
    config: TextHybridConfig,
    inputs: dict[str, Any],
    rows: Any,
    last: bool = False,
) -> Any:
    """`(batch, steps, size)` for a history of item `rows`; `(batch, size)` else, or the `last`."""
    query = None
    if config.reads_history:
        valid = inputs["history"] > 0
        query = layers["encoder"](rows[..., : config.dim], valid)
        query = query[:, -1] if last else query
    if config.reads_user_id:
        index = inputs["user_id"]
        text = layers["user_text"](index) if config.user_text_dim else None
        user = layers["user_dropout"](layers["users"](index, text))
        steps = config.reads_history and not last
        user = ops.expand_dims(user, 1) if steps else user
        query = user if query is None else query + user
    if "profile" in layers:
        profile = layers["profile"](rows[..., config.dim :], valid, last=last)
        query = layers["join"]([query, profile])
    return query


def weighed(layers: dict[str, Any], query: Any) -> Any:
    """The query with its terms weighed, where the model can weigh them."""
    return layers["score_weights"](query) if "score_weights" in layers else query


def ncf_logits(
    layers: dict[str, Any], config: TextHybridConfig, user_id: Any, item_id: Any | None
) -> Any:
    """`(batch,)` for pairs; `(batch, num_items)`, every item, when `item_id` is None."""
    all_pairs = item_id is None
    drop = layers["user_dropout"]
    words = layers["user_text"](user_id) if config.user_text_dim else None
    user = drop(layers["users"](user_id, words))
    item = item_rows(layers, config, user_id if all_pairs else item_id, catalogue=all_pairs)
    hidden = drop(layers["mlp_0"](user, item, all_pairs=all_pairs))
    for number in range(1, len(config.mlp_units)):
        hidden = drop(layers[f"mlp_{number}"](hidden))
    mlp = ops.squeeze(layers["mlp_logit"](hidden), axis=-1)
    return layers["gmf"](user, item, all_pairs=all_pairs) + mlp
