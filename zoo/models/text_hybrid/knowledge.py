"""The hybrid of text and behaviour, with a knowledge graph as a further source.

    content(i) = [LM(text of i); attention over i's neighbours in the graph]
    item(i)    = fusion(embedding[i], content(i))
    loss       = softmax over the catalogue + triple_weight · loss of the graph's triples

Everything else is as in `zoo.models.text_hybrid.network`; see `layers.knowledge_table` for the
graph. Neighbours are drawn anew in every step, so that its cost grows with the catalogue and not
with the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.graph import SCORES
from tfrec_fusion.zoo.models.text_hybrid.config import GPT2HybridConfig
from tfrec_fusion.zoo.models.text_hybrid.network import GPT2Hybrid


@dataclass(frozen=True)
class KnowledgeHybridConfig(GPT2HybridConfig):
    """Sizes and choices of a hybrid with a graph, beside those of `GPT2HybridConfig`.

    Attributes:
        num_entities: Items and other entities.
        num_relations: Relations, inverse ones included.
        num_edges: Triples whose head is an item; 0 without a graph.
        use_graph: Whether the graph is read; without it the model is `gpt2_hybrid`.
        graph_dim: Size of the entities' vectors.
        num_neighbours: Most neighbours of an item that are read.
        triple_score: `"translation"` (TransE) or `"bilinear"` (DistMult).
        triple_weight: Of the triples' loss.
        graph_dropout: Rate at which what the graph says of an item is left out in training.
    """

    num_entities: int = 0
    num_relations: int = 0
    num_edges: int = 0
    use_graph: bool = field(default=True, metadata={"help": "read the graph"})
    graph_dim: int = field(default=32, metadata={"help": "size of the entities' vectors"})
    num_neighbours: int = field(default=16, metadata={"help": "most neighbours that are read"})
    triple_score: str = field(default="translation", metadata={"help": "|".join(SCORES)})
    triple_weight: float = field(default=1.0, metadata={"help": "of the triples' loss"})
    graph_dropout: float = field(
        default=0.5, metadata={"help": "rate of what the graph says left out in training"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head == "ncf":
            raise InvalidInput('A hybrid with a graph has two towers. Received: head="ncf".')
        if self.triple_score not in SCORES:
            raise InvalidInput(
                f"`triple_score` must be one of {SCORES}. Received: {self.triple_score!r}."
            )

    @property
    def reads_graph(self) -> bool:
        """Whether items have neighbours."""
        return self.use_graph and self.num_edges > 0


@keras.saving.register_keras_serializable("tfrec_fusion")
class KnowledgeHybrid(GPT2Hybrid):
    """Text, graph and behaviour in one functional model; inputs and output as `GPT2Hybrid`'s.

    Args:
        config: Sizes and choices.
        text_tower: The language model, where it is tuned.
        **kwargs: Arguments of `keras.Model`.

    Example: see `knowledge_hybrid`.
    """

    config_class: ClassVar[type[GPT2HybridConfig]] = KnowledgeHybridConfig


def knowledge_hybrid(
    num_users: int,
    num_items: int,
    knowledge: Any = None,
    item_text: np.ndarray | None = None,
    user_text: np.ndarray | None = None,
    text_tower: Any = None,
    item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
    **choices: Any,
) -> KnowledgeHybrid:
    """A hybrid with a graph; see `KnowledgeHybridConfig` for the keywords.

    Args:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
        knowledge: The graph over the items (`data.knowledge.Knowledge`); not needed with
            `use_graph=False`.
        item_text: As of `gpt2_hybrid`, as are the further arguments.
        user_text: `(num_users, user_text_dim)` vectors of users' own words.
        text_tower: The language model to tune.
        item_tokens: Token ids and their numbers, for a tuned language model.
        **choices: Further fields of `KnowledgeHybridConfig`.

    Raises:
        ValueError: For unsound choices, a graph over other items, or none.

    Example:

    >>> from types import SimpleNamespace
    >>> graph = SimpleNamespace(num_items=3, entities=["", "A", "B", "x"], relations=["by"],
    ...     starts=np.array([0, 0, 1, 2, 2]), relation=np.array([0, 0]), tail=np.array([3, 3]))
    >>> model = knowledge_hybrid(2, 3, graph, sources="id", dim=4, graph_dim=4)
    >>> model({"history": np.array([[0, 1, 2]])})["logits"].shape
    TensorShape([1, 3, 3])
    """
    if choices.get("use_graph", True):
        if knowledge is None:
            raise InvalidInput(
                "`knowledge` is needed: this data has no graph. Give one, or `use_graph=False`."
            )
        if knowledge.num_items != num_items:
            raise InvalidInput(
                "`knowledge` must be over the same items. "
                f"Received: {knowledge.num_items} items, num_items={num_items}."
            )
        choices["num_entities"] = len(knowledge.entities)
        choices["num_relations"] = len(knowledge.relations)
        choices["num_edges"] = int(knowledge.starts[num_items])
    model = KnowledgeHybrid.of(
        num_users,
        num_items,
        item_text=item_text,
        user_text=user_text,
        text_tower=text_tower,
        item_tokens=item_tokens,
        name="knowledge_hybrid",
        **choices,
    )
    if model.config.reads_graph:
        edges = slice(choices["num_edges"])
        model.get_layer("graph").set_edges(
            knowledge.starts[: num_items + 1], knowledge.relation[edges], knowledge.tail[edges]
        )
    return model
