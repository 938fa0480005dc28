"""Sizes and choices of a two-tower model."""

from __future__ import annotations

from dataclasses import dataclass

from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option

LARGEST_SOFTMAX = 20_000  # items; beyond, the logits of one batch would take gigabytes


@dataclass(frozen=True)
class TwoTowerConfig:
    """Sizes and choices of a two-tower model.

    Attributes:
        num_users: Size of the user vocabulary, the OOV index 0 included.
        num_items: Size of the item vocabulary, the OOV index 0 included.
        dim: Size of query and candidate vectors.
        query: Inputs of the query tower: `"history"`, `"user_id"` or `"user_id+history"`.
        history_length: Items of the history that are read.
        encoder: `"attention"` or `"gru"`.
        num_layers: Depth of the history encoder.
        num_heads: Attention heads.
        dropout: Rate in the history encoder, and on the user vector.
        feature_dim: Number of item features; 0 for ids alone.
        negatives: `"catalog"`, `"in_batch"`, or `"auto"`: the catalog up to 20,000 items.
        temperature: Divides the dot products.
        correct_sampling: In-batch: whether to apply the logQ correction.
        remove_accidental_hits: In-batch: whether a row ignores copies of its positive.
        num_hard_negatives: In-batch: keeps only the highest-scored negatives of a row.
    """

    num_users: int
    num_items: int
    dim: int = option(64, "size of query and candidate vectors")
    query: str = option(
        "history", "inputs of the query tower", choices=("history", "user_id", "user_id+history")
    )
    history_length: int = option(100, "most recent items that the query reads")
    encoder: str = option("attention", "history encoder", choices=("attention", "gru"))
    num_layers: int = option(1, "depth of the history encoder")
    num_heads: int = option(1, "attention heads")
    dropout: float = option(0.25, "dropout rate", low=0.0, high=0.6)
    feature_dim: int = 0
    negatives: str = option(
        "auto", "negatives of the softmax", choices=("auto", "catalog", "in_batch")
    )
    temperature: float = option(1.0, "divides the dot products")
    correct_sampling: bool = option(True, "logQ correction (in-batch)")
    remove_accidental_hits: bool = option(True, "ignore copies of the positive (in-batch)")
    num_hard_negatives: int | None = option(None, "keep only the hardest negatives (in-batch)")

    def __post_init__(self) -> None:
        check_options(
            self,
            sizes=("dim", "history_length"),
            rates=("dropout",),
            former={"catalogue": "catalog"},
        )
        if self.negatives == "auto":
            small = self.num_items <= LARGEST_SOFTMAX
            object.__setattr__(self, "negatives", "catalog" if small else "in_batch")

    @property
    def reads_history(self) -> bool:
        """Returns whether the query tower has a history."""
        return "history" in self.query

    @property
    def reads_user_id(self) -> bool:
        """Returns whether the query tower has a user embedding."""
        return "user_id" in self.query
