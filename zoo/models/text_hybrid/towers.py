"""The towers of the hybrid: items and users of ids, texts and a graph, and the query over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import keras
from keras import ops

from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder
from tfrec_fusion.layers.knowledge_table import KnowledgeTable
from tfrec_fusion.layers.score_weights import ScoreWeights
from tfrec_fusion.layers.text_table import EncodedTable, TextProfile, TextTable
from tfrec_fusion.zoo.models.text_hybrid.config import TextHybridConfig
from tfrec_fusion.zoo.scoring.towers import Towers
from tfrec_fusion.zoo.scoring.unknown_user import first_rows


@dataclass(frozen=True, eq=False)
class HybridTowers(Towers):
    """The layers of a hybrid's towers; each is None where the config does not need it.

    An item's row is the candidate tower's vector and, for a query with a text profile, its text.

    Attributes:
        item_text: Texts of the items.
        knowledge_graph: Vectors of the items' neighbors in a graph.
        user_text: The users' own words.
        text_profile: Mean text of a history, the query's second part.
        join: Puts the parts of a row, or of a query, next to each other.
        score_weights: Weights the two parts of a query.
    """

    candidate_tower: FusedTower
    user_tower: FusedTower | None = None
    item_text: TextTable | None = None
    knowledge_graph: KnowledgeTable | None = None
    user_text: TextTable | None = None
    text_profile: TextProfile | None = None
    join: keras.layers.Concatenate | None = None
    score_weights: ScoreWeights | None = None

    def item_rows(self, index: Any) -> Any:
        """As of `Towers`."""
        if self.frozen_items is not None:
            return self.frozen_items(index)
        text = None if self.item_text is None else self.item_text(index)
        graph = None if self.knowledge_graph is None else self.knowledge_graph(index)
        return self.fused_rows(index, text, graph)

    def catalog(self, anchor: Any = None) -> Any:
        """As of `Towers`."""
        if self.frozen_items is not None:
            return self.frozen_items.all_rows(anchor=anchor)
        tables = (self.item_text, self.knowledge_graph)
        text, graph = (None if one is None else one.all_rows(anchor=anchor) for one in tables)
        vectors = self.candidate_tower.all_rows(self._content(text, graph), anchor=anchor)
        return self._joined(vectors, text)

    def fused_rows(self, index: Any, text: Any, graph: Any = None) -> Any:
        """`index.shape + (size,)` rows of items with given texts and vectors of the graph.

        Args:
            index: Item indices; 0 for items in no vocabulary.
            text: `index.shape + (components,)`; None in a model without texts.
            graph: `index.shape + (graph_dim,)`; None where nothing is known.
        """
        return self._joined(self.candidate_tower(index, self._content(text, graph)), text)

    def query(self, inputs: dict[str, Any], rows: Any, last: bool = False) -> Any:
        """As of `Towers`; of rows with texts the query has a part for each."""
        if self.text_profile is None:
            return super().query(inputs, rows, last)
        dim = self.candidate_tower.dim
        query = super().query(inputs, rows[..., :dim], last)
        profile = self.text_profile(rows[..., dim:], inputs["history"] > 0, last=last)
        return self._joined(query, profile)

    def user_vectors(self, user_id: Any) -> Any:
        """As of `Towers`, fused with the users' own words."""
        assert self.user_tower is not None
        text = None if self.user_text is None else self.user_text(user_id)
        return self.user_tower(user_id, text)

    def weighted(self, query: Any) -> Any:
        """As of `Towers`."""
        return query if self.score_weights is None else self.score_weights(query)

    def without_users(self) -> Self:
        """As of `Towers`."""
        tower, text = self.user_tower, self.user_text
        return replace(
            self,
            user_tower=None if tower is None else first_rows(tower, 1),
            user_text=None if text is None else first_rows(text, 1),
        )

    def _content(self, text: Any, graph: Any) -> Any:
        """Texts and graph as the candidate tower reads them; zeros without a graph's vectors."""
        if self.knowledge_graph is None:
            return text
        if graph is None:
            graph = ops.repeat(ops.zeros_like(text[..., :1]), self.knowledge_graph.dim, axis=-1)
        return graph if text is None else ops.concatenate([text, graph], axis=-1)

    def _joined(self, vectors: Any, text: Any) -> Any:
        if self.text_profile is None or self.join is None:
            return vectors
        return self.join([vectors, text])


def make_towers(
    config: TextHybridConfig, text_tower: Any = None, score_weights: ScoreWeights | None = None
) -> HybridTowers:
    """Makes the layers of a config.

    Args:
        config: Sizes and choices.
        text_tower: The language model, where it is tuned.
        score_weights: Weights the parts of the query.
    """
    layers: dict[str, Any] = _item_layers(config, text_tower)
    if config.reads_user_id:
        layers |= _user_layers(config)
    if config.reads_history:
        layers["query_tower"] = HistoryEncoder(
            config.dim,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            max_distance=config.history_length,
            dropout=config.dropout,
            name="encoder",
        )
        if config.reads_text:
            layers["text_profile"] = TextProfile(name="profile")
            layers["join"] = keras.layers.Concatenate(name="join")
    return HybridTowers(**layers, score_weights=score_weights)


def _item_layers(config: TextHybridConfig, text_tower: Any) -> dict[str, Any]:
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
        layers["knowledge_graph"] = KnowledgeTable(
            config.num_items,
            config.num_entities,
            config.num_relations,
            config.num_edges,
            config.graph_dim,
            num_neighbors=config.num_neighbors,
            score=config.triple_score,
            triple_weight=config.triple_weight,
            dropout=config.graph_dropout,
            name="graph",
        )
    layers["candidate_tower"] = FusedTower(
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


def _user_layers(config: TextHybridConfig) -> dict[str, Any]:
    """The users' own words, and their tower."""
    layers: dict[str, Any] = {}
    if config.user_text_dim:
        size = min(config.text_components, config.user_text_dim)
        layers["user_text"] = TextTable(
            config.num_users, config.user_text_dim, size, name="user_text"
        )
    layers["user_tower"] = FusedTower(
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
