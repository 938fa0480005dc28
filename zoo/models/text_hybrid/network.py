"""The hybrid of text, ids and a knowledge graph as a Keras functional model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.history import most_recent
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.layers.retrieval import CatalogueLogits, InBatchLogits
from tfrec_fusion.saved_classes import formerly
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig, current_names
from tfrec_fusion.zoo.models.text_hybrid.new_items import offer_new_items
from tfrec_fusion.zoo.models.text_hybrid.pair_scores import scores_of_texts, scores_without
from tfrec_fusion.zoo.models.text_hybrid.parts import (
    history_inputs,
    item_layers,
    item_rows,
    model_inputs,
    ncf_layers,
    ncf_logits,
    query_rows,
    tower_layers,
    user_layers,
    weighed,
    without_users,
)
from tfrec_fusion.zoo.models.text_hybrid.text_queries import item_of_text_model, score_of_text_model
from tfrec_fusion.zoo.scoring.candidate_vectors import candidate_vectors
from tfrec_fusion.zoo.scoring.similarity import cosine_model


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("GPT2Hybrid", "KnowledgeHybrid")
class TextHybrid(keras.Model):
    """Text and behaviour in one functional model; see the module for the formulas.

    Inputs (int32): two towers `history (batch, steps)`, 0-padded on the left, and/or
    `user_id (batch,)`; with in-batch negatives also `item_id (batch,)` and float32
    `candidate_sampling_probability (batch,)`; NCF `user_id` and `item_id (batch,)`.
    Output `logits`: as `zoo.models.two_tower.network.TwoTower`'s, or `(batch,)` for NCF.

    Args:
        config: Sizes and choices.
        text_tower: The language model, where it is tuned (`text.tower.TextTower`).
        further_layers: Layers of models that build on this one, by name.
        **kwargs: Arguments of `keras.Model`.

    Example:

    >>> texts = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    >>> config = TextHybridConfig(num_users=4, num_items=6, text_dim=8, dim=4)
    >>> model = text_hybrid(config, item_text=texts)
    >>> model({"history": np.array([[0, 5, 2]])})["logits"].shape
    TensorShape([1, 3, 6])
    """

    config_class: ClassVar[type[TextHybridConfig]] = TextHybridConfig

    def __init__(
        self,
        config: TextHybridConfig,
        text_tower: Any = None,
        further_layers: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # === Layers ===
        layers: dict[str, Any] = item_layers(config, text_tower) | user_layers(config)
        layers |= further_layers or {}
        if config.head == "two_tower":
            layers |= tower_layers(config)
        else:
            layers |= ncf_layers(config)

        # === Functional ===
        inputs, further = model_inputs(config), {}
        if config.head == "ncf":
            logits = ncf_logits(layers, config, inputs["user_id"], inputs["item_id"])
        elif config.negatives == "in_batch":
            history = inputs.get("history")
            rows = None if history is None else item_rows(layers, config, history)
            logits = layers["logits"](
                query_rows(layers, config, inputs, rows, last=True),
                item_rows(layers, config, inputs["item_id"]),
                inputs["item_id"],
                inputs["candidate_sampling_probability"],
            )
        else:
            catalogue = item_rows(layers, config, next(iter(inputs.values())), catalogue=True)
            # The catalogue's vectors are there already: taking rows is cheaper than fusing again.
            history = inputs.get("history")
            rows = None if history is None else ops.take(catalogue, history, axis=0)
            query = query_rows(layers, config, inputs, rows)
            logits = layers["logits"](weighed(layers, query), catalogue)
            further = self.further_outputs(layers, config, inputs, query, catalogue)
        super().__init__(inputs=inputs, outputs={"logits": logits, **further}, **kwargs)

        # === Config ===
        self.config = config

    @staticmethod
    def further_outputs(
        layers: dict[str, Any], config: Any, inputs: dict[str, Any], query: Any, catalogue: Any
    ) -> dict[str, Any]:
        """Outputs beside `logits` of models that build on this one, which add their inputs."""
        return {}

    def set_known(self, events: Any) -> None:
        """Says whose ids are trained: users and items with an event.

        Call it with the events to be trained on, before `fit`. The others keep out of the
        training softmax and are represented by their text, at serving time too.

        Args:
            events: What users did in training (`data.events.Events`).
        """
        with_events = events.item_counts > 0
        if self.config.sources != "text":
            self.get_layer("items").set_known(with_events)
        if self.config.reads_user_id:
            users = np.bincount(events.user, minlength=self.config.num_users) > 0
            self.get_layer("users").set_known(users)
        if self.config.head == "two_tower" and self.config.negatives == "catalog":
            self.get_layer("logits").set_candidates(with_events)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: What users did (`data.events.Events`); each user's last `history_length` items
                are kept as a constant of the returned model. Needed when the query reads them.
            frozen: Whether items and users are vectors computed now, so that an answer costs what
                it costs a model without text; later training does not change them then.

        Raises:
            ValueError: When the query reads histories and `known` is missing.
        """
        layers = self._layers_by_name(frozen)
        user_id = keras.Input((), dtype="int32", name="user_id")
        if self.config.head == "ncf":
            scores = ncf_logits(layers, self.config, user_id, None)
            return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")
        inputs = self._asking(user_id, known)
        scores = self._catalogue_scores(layers, inputs, user_id)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, for unknown users.

        Of longer histories the last `history_length` items are read. Where the query also reads
        the user it is the OOV one, and the graph holds no other; with `asks_user` it is a second
        input, `{"user_id": (batch,)}`. None where it reads no history.
        """
        if not self.config.reads_history:
            return None
        given = history_inputs(asks_user)
        inputs = self._by_history(**given)
        layers = self._layers_by_name(True)
        layers = layers if asks_user else without_users(layers)
        scores = self._catalogue_scores(layers, inputs, given["history"])
        return keras.Model(given, {"scores": scores}, name="scores_of_histories")

    def query_models(self, known: Any = None) -> tuple[keras.Model, keras.Model | None]:
        """Queries that `candidate_vectors` are compared with; for a model of two towers.

        Args:
            known: As of `score_model`.

        Returns:
            `{"user_id": (batch,)}` → `{"query": (batch, size)}`, and `{"history": (batch, steps)}`
            → the same, None where the query reads no history.
        """
        layers = self._layers_by_name(frozen=True)
        user_id = keras.Input((), dtype="int32", name="user_id")
        query = self._query(layers, self._asking(user_id, known))
        of_users = keras.Model({"user_id": user_id}, {"query": query}, name="queries")
        if not self.config.reads_history:
            return of_users, None
        given = history_inputs()
        query = self._query(without_users(layers), self._by_history(**given))
        return of_users, keras.Model(given, {"query": query}, name="of_histories")

    def candidate_vectors(self) -> np.ndarray | None:
        """`(num_items, size + 1)`: the score is the product with the query and a 1.

        None for the NCF head, whose scores are no products.
        """
        return None if self.config.head == "ncf" else candidate_vectors(self)

    def _asking(self, user_id: Any, known: Any) -> dict[str, Any]:
        """What the query reads of who asks."""
        inputs = {"user_id": user_id} if self.config.reads_user_id else {}
        if self.config.reads_history:
            table = HistoryTable.of_known(known, self.config.history_length, name="histories")
            inputs["history"] = table(user_id)
        return inputs

    def _by_history(self, history: Any, user_id: Any = None) -> dict[str, Any]:
        history = most_recent(history, self.config.history_length)
        if not self.config.reads_user_id:
            return {"history": history}
        return {"history": history, "user_id": 0 * history[:, 0] if user_id is None else user_id}

    def _layers_by_name(self, frozen: bool) -> dict[str, Any]:
        layers = {layer.name: layer for layer in self.layers}
        if frozen:
            layers["frozen_items"] = ItemTower.of(self.item_vectors())
        return layers

    def _query(self, layers: dict[str, Any], inputs: dict[str, Any]) -> Any:
        """`(batch, size)`, its terms weighed."""
        history = inputs.get("history")
        rows = None if history is None else item_rows(layers, self.config, history)
        query = query_rows(layers, self.config, inputs, rows, last=True)
        return ops.cast(weighed(layers, query), "float32")

    def _catalogue_scores(self, layers: dict[str, Any], inputs: dict[str, Any], index: Any) -> Any:
        """`(batch, num_items)` scores of the two towers' query."""
        catalogue = item_rows(layers, self.config, index, catalogue=True)
        history = inputs.get("history")
        rows = None if history is None else ops.take(catalogue, history, axis=0)
        query = weighed(layers, query_rows(layers, self.config, inputs, rows, last=True))
        head = layers["logits"]
        if isinstance(head, InBatchLogits):
            head = CatalogueLogits(self.config.num_items, self.config.temperature, use_bias=False)
        return head(query, catalogue)

    def start_from(self, frozen: TextHybrid) -> None:
        """Takes over everything but the language model from a trained hybrid.

        Args:
            frozen: A hybrid of the same sizes, such as this one's with `text_mode="frozen"`.

        Raises:
            ValueError: When a layer's weights differ in shape.
        """
        for layer in self.layers:
            if layer.weights and layer.name != "item_text":
                layer.set_weights(frozen.get_layer(layer.name).get_weights())

    @property
    def reads_user_id(self) -> bool:
        """Whether the query reads the user."""
        return self.config.reads_user_id

    @property
    def reads_text(self) -> bool:
        """Whether items have texts."""
        return self.config.reads_text

    @property
    def reads_graph(self) -> bool:
        """Whether items have neighbors in a knowledge graph."""
        return self.config.reads_graph

    @property
    def tuned_tower(self) -> Any | None:
        """The language model inside the model, where it is tuned."""
        return self.get_layer("item_text").tower if self.config.tunes_text else None

    def growth_obstacle(self) -> str | None:
        """Returns why no users and items can be added, or None."""
        if self.config.tunes_text or self.config.user_text_dim:
            return (
                "It holds a tuned language model or users' own words, which a run does not keep. "
                "Start from one with a frozen language model that reads no users' words."
            )
        if self.config.use_graph:
            return "Its entities are numbered after its items. Train it again on the whole graph."
        return None

    def place_texts(self, vectors: np.ndarray) -> None:
        """Sets the texts of a grown catalog, in the space of those it was trained with."""
        if self.config.reads_text:
            self.get_layer("item_text").place_texts(vectors)

    def offer_new_items(self, known: Any) -> float:
        """Places and lifts items without a training event, see `new_items`."""
        return offer_new_items(self, known)

    def text_item_model(self) -> keras.Model | None:
        """`{"text": (batch, text_dim)}` → `{"embedding": (batch, size)}` of unknown items."""
        return item_of_text_model(self)

    def text_score_model(self, known: Any) -> keras.Model | None:
        """`{"user_id", "text"}` → `{"score": (batch,)}` of unknown items, by two towers."""
        return score_of_text_model(self, known)

    def text_scores(self, history: np.ndarray, user: int, item: int) -> Callable[[Any], Any]:
        """Returns a differentiable function from vectors of an item's text to its scores."""
        return scores_of_texts(self, history, user, item)

    def graph_evidence(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Attention, relation and entity of the neighbors read, `(items, num_neighbors)` each."""
        found = self.get_layer("graph")(np.asarray(items), return_evidence=True)
        weights, relation, tail = map(np.asarray, found[1:])
        return weights, relation, tail

    def scores_without(
        self, history: np.ndarray, user: int, item: int, entities: np.ndarray
    ) -> np.ndarray:
        """Scores of an item with entities of the graph masked, see `pair_scores`."""
        return scores_without(self, history, user, item, entities)

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32: what the query is compared with."""
        layers = self._layers_by_name(False)
        rows = item_rows(layers, self.config, np.zeros(1, np.int32), catalogue=True)
        return ops.convert_to_numpy(rows).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        config["dtype"] = self.dtype_policy.name
        if self.config.tunes_text:
            tower = self.get_layer("item_text").tower
            config["text_tower"] = keras.saving.serialize_keras_object(tower)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> TextHybrid:
        """Builds the model of a config."""
        tower = config.get("text_tower")
        tower = tower and keras.saving.deserialize_keras_object(tower)
        parts = cls.parts_of_config(config)
        with dtype_policy_scope(config.get("dtype", "float32")):
            saved = cls.config_class(**current_names(config["config"]))
            return cls(saved, tower, **parts, name=config["name"])

    @classmethod
    def parts_of_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """What the constructor of a model that builds on this one takes beside."""
        return {}

    def set_constants(
        self,
        item_text: np.ndarray | None = None,
        user_text: np.ndarray | None = None,
        item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
        knowledge: Any = None,
    ) -> None:
        """Sets the texts, tokens and edges that the model reads; arguments as of `text_hybrid`."""
        config = self.config
        if item_text is not None and config.reads_text:
            self.get_layer("item_text").set_texts(item_text)
        if item_tokens is not None and config.tunes_text:
            self.get_layer("item_text").set_tokens(*item_tokens)
        if user_text is not None and config.reads_user_id:
            self.get_layer("user_text").set_texts(user_text)
        if config.reads_graph:
            edges = slice(config.num_edges)
            self.get_layer("graph").set_edges(
                knowledge.starts[: config.num_items + 1],
                knowledge.relation[edges],
                knowledge.tail[edges],
            )


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
