"""Sizes and choices of the hybrid of text, ids and a knowledge graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

_RATES = ("dropout", "id_dropout", "text_dropout", "graph_dropout")
# Values of earlier versions.
FORMER = {"catalogue": "catalog", "user": "user_id", "user+history": "user_id+history"}
FORMER_FIELDS = {"num_neighbours": "num_neighbors"}


@dataclass(frozen=True)
class TextHybridConfig:
    """Sizes and choices of a hybrid.

    Attributes:
        num_users: Size of the user vocabulary, the OOV index 0 included.
        num_items: Size of the item vocabulary, the OOV index 0 included.
        text_dim: Size of the items' text vectors.
        user_text_dim: Size of the users' text vectors; 0 where users wrote nothing.
        text_length: Tokens of an item's text, where the language model is inside the model.
        head: `"two_tower"` for retrieval or `"ncf"` for scores of pairs.
        text_mode: Whether the language model is `"frozen"` (its vectors are constants), adapted by
            `"lora"`, or trained in `"full"`, inside the model.
        lora_rank: Rank of the low-rank factors.
        lora_layers: How many of the last blocks get them; None: all.
        sources: What an item's vector is made of: `"id+text"`, `"id"` or `"text"`.
        fusion: How sources are fused: `"concat"`, `"gated"`, `"attention"` or `"residual"`.
        query: Two towers only: `"history"`, `"user_id"` or `"user_id+history"`; with the user's id
            go the user's own words, where there are some.
        dim: Size of the learned vectors.
        text_components: Principal components of the text vectors that are read.
        id_dropout: Rate at which an item's id is masked in training.
        text_dropout: Dropout on the text that is fused.
        history_length: Items of the history that are read.
        num_layers: Depth of the history encoder.
        num_heads: Attention heads.
        dropout: Rate in the history encoder, on the user's vector and in the NCF head.
        negatives: `"catalog"`: softmax over all items; `"in_batch"`: over the batch's.
        temperature: Divides the dot products.
        mlp_units: Hidden sizes of the NCF head.
        use_graph: Whether the neighbors of an item in a knowledge graph are a further source.
        num_entities: Items and other entities of the graph.
        num_relations: Relations, inverse ones included.
        num_edges: Triples whose head is an item; 0 without a graph.
        graph_dim: Size of the entities' vectors.
        num_neighbors: Most neighbors of an item that are read.
        triple_score: `"translation"` (TransE) or `"bilinear"` (DistMult).
        triple_weight: Of the triples' loss.
        graph_dropout: Rate at which an item's neighbors are masked in training.
    """

    num_users: int
    num_items: int
    text_dim: int = 0
    user_text_dim: int = 0
    text_length: int = 0
    head: str = option(
        "two_tower", "retrieval with two towers, or NCF", choices=("two_tower", "ncf")
    )
    text_mode: str = option(
        "frozen", "training of the language model", choices=("frozen", "lora", "full")
    )
    lora_rank: int = option(8, "rank of the low-rank factors")
    lora_layers: int | None = option(None, "last blocks that get factors; all by default")
    sources: str = option(
        "id+text", "sources of an item's vector", choices=("id+text", "id", "text")
    )
    fusion: str = option(
        "concat", "fusion of the sources", choices=("concat", "gated", "attention", "residual")
    )
    query: str = option(
        "history", "inputs of the query tower", choices=("history", "user_id", "user_id+history")
    )
    dim: int = option(64, "size of query and candidate vectors")
    text_components: int = option(64, "principal components of the text vectors")
    id_dropout: float = option(0.3, "rate of ids masked in training", low=0.0, high=0.6)
    text_dropout: float = option(0.2, "dropout on the text vectors", low=0.0, high=0.6)
    history_length: int = option(100, "most recent items that the query reads")
    num_layers: int = option(1, "depth of the history encoder")
    num_heads: int = option(1, "attention heads")
    dropout: float = option(0.25, "dropout rate", low=0.0, high=0.6)
    negatives: str = option("catalog", "negatives of the softmax", choices=("catalog", "in_batch"))
    temperature: float = option(1.0, "divides the dot products")
    mlp_units: tuple[int, ...] = option((64, 32, 16), "hidden sizes of the NCF head")

    use_graph: bool = option(False, "read a knowledge graph of the items")
    num_entities: int = 0
    num_relations: int = 0
    num_edges: int = 0
    graph_dim: int = option(32, "size of the entities' vectors")
    num_neighbors: int = option(16, "most neighbors of an item that are read")
    triple_score: str = option(
        "translation", "score of a triple", choices=("translation", "bilinear")
    )
    triple_weight: float = option(1.0, "weight of the triples' loss")
    graph_dropout: float = option(0.5, "rate of neighbors masked in training")

    def __post_init__(self) -> None:
        check_options(
            self,
            sizes=("dim", "history_length", "mlp_units"),
            rates=_RATES,
            former=FORMER,
        )
        if self.use_graph and self.head == "ncf":
            raise InvalidInput('A hybrid with a graph has two towers. Received: head="ncf".')
        if self.text_dim < 1 and self.sources != "id":
            raise InvalidInput(
                f"`text_dim` must be positive when `sources` is {self.sources!r}. Give item "
                f'texts, or `sources="id"`. Received: text_dim={self.text_dim}.'
            )

        pairs = self.head == "ncf" or (self.negatives == "in_batch" and self.reads_history)
        if self.tunes_text and pairs:
            raise InvalidInput(
                "A language model inside the model cannot read the item of every pair and of every "
                'history: take head="two_tower" and negatives="catalog", which reads each item '
                f"once a step. Received: text_mode={self.text_mode!r}, head={self.head!r}, "
                f"negatives={self.negatives!r}."
            )

    @property
    def tunes_text(self) -> bool:
        """Returns whether the language model is inside the model."""
        return self.reads_text and self.text_mode != "frozen"

    @property
    def reads_text(self) -> bool:
        """Returns whether items have texts."""
        return self.sources != "id"

    @property
    def reads_graph(self) -> bool:
        """Returns whether items have neighbors in a graph."""
        return self.use_graph and self.num_edges > 0

    @property
    def reads_history(self) -> bool:
        """Returns whether the query has a history."""
        return self.head == "two_tower" and "history" in self.query

    @property
    def reads_user_id(self) -> bool:
        """Returns whether the user's row is read: the id, and the words where there are some."""
        return self.head == "ncf" or "user_id" in self.query


def current_names(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Renames the fields of a config that an earlier version saved."""
    return {FORMER_FIELDS.get(name, name): value for name, value in saved.items()}
