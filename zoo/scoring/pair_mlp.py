"""The MLP of neural collaborative filtering: a logit of a user's and an item's vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import keras
from keras import ops

from tfrec_fusion.layers.collaborative import PairDense


@dataclass(frozen=True, eq=False)
class PairMLP:
    """`w · relu(… relu(W [user; item] + b))`.

    Attributes:
        first: The layer over both vectors.
        hidden: The layers after it.
        logit: The last one.
    """

    first: PairDense
    hidden: tuple[keras.layers.Dense, ...]
    logit: keras.layers.Dense

    @classmethod
    def from_units(cls, units: Sequence[int]) -> Self:
        """Makes the layers of hidden sizes, named `mlp_0`, `mlp_1` … and `mlp_logit`."""
        first, *rest = units
        return cls(
            PairDense(first, activation="relu", name="mlp_0"),
            tuple(
                keras.layers.Dense(size, activation="relu", name=f"mlp_{number}")
                for number, size in enumerate(rest, 1)
            ),
            keras.layers.Dense(1, dtype="float32", name="mlp_logit"),
        )

    def __call__(self, user: Any, item: Any, drop: Any, all_pairs: bool = False) -> Any:
        """`(batch,)` for pairs; `(batch, num_items)` with `all_pairs`; `drop` after each layer."""
        hidden = drop(self.first(user, item, all_pairs=all_pairs))
        for layer in self.hidden:
            hidden = drop(layer(hidden))
        return ops.squeeze(self.logit(hidden), axis=-1)
