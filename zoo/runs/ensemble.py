"""Several models of the zoo that answer as one.

    score(u, i) = Σ_m w_m · scaled_m(u, i)

`scaled` are standard scores or reciprocal ranks, see `layers.ensemble`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.ensemble import CombinedScores

ENSEMBLE = "ensemble"  # the `model` of a run's record and of a card, instead of a spec's name


@dataclass(frozen=True)
class Ensemble:
    """Models over the same users and items, and how much each one counts.

    Attributes:
        members: Trained models by name.
        weights: How much each member's scaled scores count, by name; at least 0.
        scale: `"scores"` or `"ranks"`.

    Raises:
        ValueError: When there are fewer than two members, or weights do not match them.

    Example: see `zoo.runs.ensembling.train_ensemble`, which chooses the weights on validation data.
    """

    members: Mapping[str, Any]
    weights: Mapping[str, float]
    scale: str = "scores"

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise InvalidInput(
                f"An ensemble needs two members. Received: {', '.join(self.members) or 'none'}."
            )
        if list(self.members) != list(self.weights):
            raise InvalidInput(
                f"`weights` must name the members {', '.join(self.members)}, in this order. "
                f"Received: {', '.join(self.weights)}."
            )
        CombinedScores(list(self.weights.values()), self.scale)  # checks the rest

    @property
    def counted(self) -> dict[str, Any]:
        """The members whose weight is not 0."""
        return {name: one for name, one in self.members.items() if self.weights[name]}

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}`.

        Args:
            known: The interactions (`data.events.Events`), which members read.
            frozen: As of the members.
        """
        graph = self._combined(
            "user_id", lambda member: member.score_model(known, frozen=frozen), "scores"
        )
        if graph is None:
            raise RuntimeError("A member has no score model.")
        return graph

    def history_model(self) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, of those who have one.

        For people who are in no vocabulary; None where no member reads histories.
        """
        return self._combined("history", lambda member: member.history_model(), "of_histories")

    def similarity_model(self) -> keras.Model | None:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, of those who have one."""
        return self._combined("item_id", lambda member: member.similarity_model(), "of_items")

    def _combined(
        self, name: str, graph_of: Callable[[Any], keras.Model | None], title: str
    ) -> keras.Model | None:
        graphs = {}
        for number, (key, member) in enumerate(self.counted.items()):
            if (graph := graph_of(member)) is not None:
                # Baselines give their graphs one name, and within a model names are unique.
                graphs[key] = keras.Model(graph.input, graph.output, name=f"member_{number}")
        if not graphs:
            return None
        first = next(iter(graphs.values())).input[name]
        asked = keras.Input(first.shape[1:], dtype="int32", name=name)
        scores = ops.stack([graph({name: asked})["scores"] for graph in graphs.values()])
        weights = [self.weights[key] for key in graphs]
        combined = CombinedScores(weights, self.scale)(scores)
        return keras.Model({name: asked}, {"scores": combined}, name=f"combined_{title}")
