"""Sizes of GMF, MLP and NeuMF."""

from __future__ import annotations

from dataclasses import dataclass

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.ranges import check_options
from tfrec_fusion.zoo.spec import option


@dataclass(frozen=True)
class NCFConfig:
    """Sizes of an NCF model.

    Attributes:
        num_users: Size of the user vocabulary, the OOV index 0 included.
        num_items: Size of the item vocabulary, the OOV index 0 included.
        gmf_dim: Embedding size of the GMF branch; 0 omits the branch.
        mlp_dim: Embedding size of the MLP branch; 0 omits the branch.
        mlp_units: Hidden sizes of the MLP branch.
        dropout: Rate after each hidden layer and on the GMF branch's user embeddings.
        l2: Weight of the embeddings' mean squared length of a batch in the loss.
    """

    num_users: int
    num_items: int
    gmf_dim: int = option(32, "embedding size of the GMF branch")
    mlp_dim: int = option(32, "embedding size of the MLP branch")
    mlp_units: tuple[int, ...] = option((64, 32, 16), "hidden sizes of the MLP branch")
    dropout: float = option(0.0, "dropout rate", low=0.0, high=0.5)
    l2: float = option(0.02, "weight of the squared length of embeddings", low=0.001, high=0.1)

    def __post_init__(self) -> None:
        check_options(self, sizes=("mlp_units",), rates=("dropout",), weights=("l2",))
        if self.gmf_dim < 0 or self.mlp_dim < 0 or not (self.gmf_dim or self.mlp_dim):
            raise InvalidInput(
                "`gmf_dim` and `mlp_dim` must not be negative, and one must be positive. "
                f"Received: gmf_dim={self.gmf_dim}, mlp_dim={self.mlp_dim}."
            )
        if self.mlp_dim and not self.mlp_units:
            raise InvalidInput("`mlp_units` needs a hidden layer when `mlp_dim` is positive.")
