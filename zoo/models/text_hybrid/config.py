"""Sizes and choices of the hybrid of text and behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.fusion import FUSIONS
from tfrec_fusion.zoo.models.ranges import check_ranges

_CHOICES = {
    "head": ("two_tower", "ncf"),
    "sources": ("id+text", "id", "text"),
    "query": ("history", "user", "user+history"),
    "fusion": tuple(FUSIONS),
    "negatives": ("catalogue", "in_batch"),
    "text_mode": ("frozen", "lora", "full"),
}
_RATES = ("dropout", "id_dropout", "text_dropout")


@dataclass(frozen=True)
class GPT2HybridConfig:
    """Sizes and choices of a hybrid.

    Attributes:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
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
        query: Two towers only: `"history"`, `"user"` or `"user+history"`.
        dim: Size of the learned vectors.
        text_components: Principal components of the text vectors that are read.
        id_dropout: Rate at which an item's id is left out in training.
        text_dropout: Dropout on the text that is fused.
        history_length: Items of the history that are read.
        num_layers: Depth of the history encoder.
        num_heads: Attention heads.
        dropout: Rate in the history encoder, on the user's vector and in the NCF head.
        negatives: `"catalogue"`: softmax over all items; `"in_batch"`: over the batch's.
        temperature: Divides the dot products.
        mlp_units: Hidden sizes of the NCF head.
    """

    num_users: int
    num_items: int
    text_dim: int
    user_text_dim: int = 0
    text_length: int = 0
    head: str = field(default="two_tower", metadata={"help": "|".join(_CHOICES["head"])})
    text_mode: str = field(default="frozen", metadata={"help": "|".join(_CHOICES["text_mode"])})
    lora_rank: int = field(default=8, metadata={"help": "rank of the low-rank factors"})
    lora_layers: int | None = field(default=None, metadata={"help": "last blocks with factors"})
    sources: str = field(default="id+text", metadata={"help": "|".join(_CHOICES["sources"])})
    fusion: str = field(default="concat", metadata={"help": "|".join(_CHOICES["fusion"])})
    query: str = field(default="history", metadata={"help": "|".join(_CHOICES["query"])})
    dim: int = field(default=64, metadata={"help": "size of query and candidate vectors"})
    text_components: int = field(
        default=64, metadata={"help": "principal components of the text vectors"}
    )
    id_dropout: float = field(default=0.3, metadata={"help": "rate of ids left out in training"})
    text_dropout: float = field(default=0.2, metadata={"help": "dropout on the text vectors"})
    history_length: int = field(default=100, metadata={"help": "recent items the query reads"})
    num_layers: int = field(default=1, metadata={"help": "depth of the history encoder"})
    num_heads: int = field(default=1, metadata={"help": "attention heads"})
    dropout: float = field(default=0.25, metadata={"help": "dropout rate"})
    negatives: str = field(default="catalogue", metadata={"help": "|".join(_CHOICES["negatives"])})
    temperature: float = field(default=1.0, metadata={"help": "divides the dot products"})
    mlp_units: tuple[int, ...] = field(
        default=(64, 32, 16), metadata={"help": "hidden sizes of the NCF head"}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "mlp_units", tuple(self.mlp_units))
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InvalidInput(
                    f"`{name}` must be one of {choices}. Received: {getattr(self, name)!r}."
                )
        if self.num_users < 2 or self.num_items < 2:
            raise InvalidInput(
                "`num_users` and `num_items` must be at least 2 (index 0 is the unseen id). "
                f"Received: num_users={self.num_users}, num_items={self.num_items}."
            )
        check_ranges(self, sizes=("dim", "history_length", "mlp_units"), rates=_RATES)
        if self.text_dim < 1 and self.sources != "id":
            raise InvalidInput(
                f"`text_dim` must be positive when `sources` is {self.sources!r}. Give item "
                f'texts, or `sources="id"`. Received: text_dim={self.text_dim}.'
            )

        pairs = self.head == "ncf" or (self.negatives == "in_batch" and self.reads_history)
        if self.tunes_text and pairs:
            raise InvalidInput(
                "A language model inside the model cannot read the item of every pair and of every "
                'history: take head="two_tower" and negatives="catalogue", which reads each item '
                f"once a step. Received: text_mode={self.text_mode!r}, head={self.head!r}, "
                f"negatives={self.negatives!r}."
            )

    @property
    def tunes_text(self) -> bool:
        """Whether the language model is inside the model."""
        return self.reads_text and self.text_mode != "frozen"

    @property
    def reads_text(self) -> bool:
        """Whether items have texts."""
        return self.sources != "id"

    @property
    def reads_graph(self) -> bool:
        """Whether items have neighbours in a graph; see `zoo.models.text_hybrid.knowledge`."""
        return False

    @property
    def reads_history(self) -> bool:
        """Whether the query has a history."""
        return self.head == "two_tower" and "history" in self.query

    @property
    def reads_user_id(self) -> bool:
        """Whether the user's row is read: the id, and the words where there are some."""
        return self.head == "ncf" or "user" in self.query
