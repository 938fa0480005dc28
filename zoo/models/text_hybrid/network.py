"""The hybrid of text, ids and a knowledge graph as a Keras functional model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
from keras import ops

from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.knowledge_table import KnowledgeTable
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.layers.retrieval import CatalogLogits, InBatchLogits
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.layers.text_table import EncodedTable, TextTable
from tfrec_fusion.saved_classes import formerly
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig, current_names
from tfrec_fusion.zoo.models.text_hybrid.ncf_head import NCFHead
from tfrec_fusion.zoo.models.text_hybrid.new_items import offer_new_items
from tfrec_fusion.zoo.models.text_hybrid.pair_scores import scores_of_texts, scores_without
from tfrec_fusion.zoo.models.text_hybrid.text_queries import item_of_text_model, score_of_text_model
from tfrec_fusion.zoo.models.text_hybrid.towers import HybridTowers, make_towers
from tfrec_fusion.zoo.scoring.tower_model import TowerModel


class FurtherOutputs(Protocol):
    """Outputs next to `logits`, of a model that builds on the hybrid."""

    @property
    def score_weights(self) -> ScoreWeights | None:
        """Weights the terms of the score, where the model has them weighted."""
        ...

    def outputs_of(self, inputs: dict[str, Any], query: Any, catalog: Any) -> dict[str, Any]:
        """Makes the outputs, and adds what they read to `inputs`."""
        ...


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("GPT2Hybrid", "KnowledgeHybrid")
class TextHybrid(TowerModel):
    """Texts and interactions in one functional model; the package has the formulas.

    Inputs (int32): two towers `history (batch, steps)`, 0-padded on the left, and/or
    `user_id (batch,)`; with in-batch negatives also `item_id (batch,)` and float32
    `candidate_sampling_probability (batch,)`; NCF `user_id` and `item_id (batch,)`.
    Output `logits`: as `zoo.models.two_tower.network.TwoTower`'s, or `(batch,)` for NCF.

    Args:
        config: Sizes and choices.
        text_tower: The language model, where it is tuned (`text.language_models.tower.TextTower`).
        further: Outputs of a model that builds on this one.
        **kwargs: Arguments of `keras.Model`.

    Attributes: the layers of `towers`, under the names of `HybridTowers`, and
        retrieval_head: Makes logits of queries and candidates; None for NCF.
        ncf_head: Makes logits of pairs; None for two towers.

    Example:

    >>> from tfrec_fusion.zoo.models.text_hybrid.builder import text_hybrid
    >>> texts = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    >>> config = TextHybridConfig(num_users=4, num_items=6, text_dim=8, dim=4)
    >>> model = text_hybrid(config, item_text=texts)
    >>> model({"history": np.array([[0, 5, 2]])})["logits"].shape
    TensorShape([1, 3, 6])
    """

    config_class: ClassVar[type[TextHybridConfig]] = TextHybridConfig
    config: TextHybridConfig
    towers: HybridTowers
    candidate_tower: FusedTower
    query_tower: HistoryEncoder | None
    user_tower: FusedTower | None
    item_text: TextTable | None
    user_text: TextTable | None
    knowledge_graph: KnowledgeTable | None
    ncf_head: NCFHead | None

    def __init__(
        self,
        config: TextHybridConfig,
        text_tower: Any = None,
        further: FurtherOutputs | None = None,
        **kwargs: Any,
    ) -> None:
        # === Layers ===
        weights = None if further is None else further.score_weights
        towers = make_towers(config, text_tower, weights)
        head: Any = None
        if config.head == "ncf":
            head = NCFHead.from_config(config)
        elif config.negatives == "in_batch":
            head = InBatchLogits(config.temperature, name="logits")
        else:
            head = CatalogLogits(
                config.num_items, config.temperature, use_bias=False, partial=True, name="logits"
            )

        # === Functional ===
        inputs = _inputs(config)
        outputs: dict[str, Any] = {}
        history = inputs.get("history")
        if config.head == "ncf":
            outputs["logits"] = head.logits(towers, inputs["user_id"], inputs["item_id"])
        elif config.negatives == "in_batch":
            rows = None if history is None else towers.item_rows(history)
            outputs["logits"] = head(
                towers.query(inputs, rows, last=True),
                towers.item_rows(inputs["item_id"]),
                inputs["item_id"],
                inputs["candidate_sampling_probability"],
            )
        else:
            catalog = towers.catalog(anchor=next(iter(inputs.values())))  # (num_items, size)
            # The rows of all items are there already: taking some is cheaper than fusing again.
            rows = None if history is None else ops.take(catalog, history, axis=0)
            query = towers.query(inputs, rows)  # (batch, [steps,] size)
            outputs["logits"] = head(towers.weighted(query), catalog)
            if further is not None:
                outputs |= further.outputs_of(inputs, query, catalog)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.config, self.towers = config, towers
        self.ncf_head = head if config.head == "ncf" else None
        self.retrieval_head = head if config.head == "two_tower" else None
        self.name_sublayers(towers)

    def set_known(self, events: Any) -> None:
        """Marks the users and items with an event, whose ids are trained.

        Call it with the events to be trained on, before `fit`. The others keep out of the
        training softmax and are represented by their text, at serving time too.

        Args:
            events: The interactions to be trained on (`data.events.Events`).
        """
        with_events = events.item_counts > 0
        if self.config.sources != "text":
            self.candidate_tower.set_known(with_events)
        if self.user_tower is not None:
            users = np.bincount(events.user, minlength=self.config.num_users) > 0
            self.user_tower.set_known(users)
        if isinstance(self.retrieval_head, CatalogLogits):
            self.retrieval_head.set_candidates(with_events)

    def set_constants(
        self,
        item_text: np.ndarray | None = None,
        user_text: np.ndarray | None = None,
        item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
        knowledge: Any = None,
    ) -> None:
        """Sets the texts, tokens and edges that the model reads; arguments as of `text_hybrid`."""
        config = self.config
        if item_text is not None and self.item_text is not None:
            self.item_text.set_texts(item_text)
        if item_tokens is not None and isinstance(self.item_text, EncodedTable):
            self.item_text.set_tokens(*item_tokens)
        if user_text is not None and self.user_text is not None:
            self.user_text.set_texts(user_text)
        if self.knowledge_graph is not None:
            edges = slice(config.num_edges)
            self.knowledge_graph.set_edges(
                knowledge.starts[: config.num_items + 1],
                knowledge.relation[edges],
                knowledge.tail[edges],
            )

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

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """As of `TowerModel`; the NCF head reads no interactions."""
        if self.ncf_head is None:
            return super().score_model(known, frozen)
        user_id = keras.Input((), dtype="int32", name="user_id")
        scores = self.ncf_head.logits(self.towers_now(frozen), user_id)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def candidate_vectors(self) -> np.ndarray | None:
        """As of `TowerModel`; None for the NCF head, whose scores are no products."""
        return super().candidate_vectors() if self.ncf_head is None else None

    @property
    def reads_user_id(self) -> bool:
        """Returns whether the query reads the user."""
        return self.config.reads_user_id

    @property
    def reads_text(self) -> bool:
        """Returns whether items have texts."""
        return self.config.reads_text

    @property
    def reads_graph(self) -> bool:
        """Returns whether items have neighbors in a knowledge graph."""
        return self.config.reads_graph

    @property
    def tuned_tower(self) -> Any | None:
        """The language model inside the model, where it is tuned."""
        return self.item_text.tower if isinstance(self.item_text, EncodedTable) else None

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
        if self.item_text is not None:
            self.item_text.place_texts(vectors)

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
        assert self.knowledge_graph is not None
        found = self.knowledge_graph(np.asarray(items), return_evidence=True)
        weights, relation, tail = map(np.asarray, found[1:])
        return weights, relation, tail

    def scores_without(
        self, history: np.ndarray, user: int, item: int, entities: np.ndarray
    ) -> np.ndarray:
        """Scores of an item with entities of the graph masked, see `pair_scores`."""
        return scores_without(self, history, user, item, entities)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = super().get_config()
        if self.tuned_tower is not None:
            config["text_tower"] = keras.saving.serialize_keras_object(self.tuned_tower)
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
        """The further arguments of the constructor of a model that builds on this one."""
        return {}


def _inputs(config: TextHybridConfig) -> dict[str, Any]:
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
