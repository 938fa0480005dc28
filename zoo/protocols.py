"""What code asks of a model, as typed protocols; a model has those whose methods it has.

A method that depends on a model's choices returns None, or a property False, where it does not
apply: a hybrid built without texts has `text_item_model`, which then returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import keras
    import numpy as np

    from tfrec_fusion.data.events import Events


@runtime_checkable
class Model(Protocol):
    """Every model of the zoo: what can be recommended, compared and exported."""

    def score_model(self, known: Events | None = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}`, given the known events.

        With `frozen`, what does not depend on the user is computed once, now.
        """
        ...

    def history_model(self) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, or None.

        For users who are in no vocabulary: item indices, oldest first, 0 for padding.
        """
        ...

    def similarity_model(self) -> keras.Model | None:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, or None."""
        ...


@runtime_checkable
class Network(Protocol):
    """A model that is trained by gradients: a functional Keras model with its config."""

    config: Any
    name: str
    input: dict[str, Any]
    output: dict[str, Any]
    layers: list[Any]


@runtime_checkable
class ScoresByVectors(Protocol):
    """Scores that are products of a query and item vectors, which an index can search."""

    def query_models(self, known: Events | None = None) -> tuple[keras.Model, keras.Model | None]:
        """`{"user_id"}` → `{"query": (batch, dim)}`, and `{"history"}` → the same, or None."""
        ...

    def candidate_vectors(self) -> np.ndarray | None:
        """`(num_items, dim + 1)`: the score is the product with the query and a 1, or None."""
        ...


@runtime_checkable
class HasItemVectors(Protocol):
    """A model that has a vector of each item, compared by its angle to others."""

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32."""
        ...


@runtime_checkable
class PairModel(Protocol):
    """A model with tasks on pairs of a user and an item, such as ratings."""

    config: Any
    output: dict[str, Any]

    def pair_model(self, known: Events, tasks: Iterable[str] | None = None) -> keras.Model:
        """`{"user_id", "item_id", review inputs}` → an output by task."""
        ...

    def read_reviews(self, texts: Iterable[str]) -> dict[str, np.ndarray]:
        """The review inputs of some texts."""
        ...


@runtime_checkable
class KnowsEvents(Protocol):
    """A model that must be told which users and items have training events."""

    def set_known(self, events: Events) -> None:
        """Marks the users and items of the events to be trained on, before `fit`."""
        ...


@runtime_checkable
class StartsFromParts(Protocol):
    """A model that takes over weights of parts trained before it."""

    def start_from(self, *parts: Any) -> None:
        """Takes over the weights of the parts of its spec, in their order."""
        ...


@runtime_checkable
class PlacesNewItems(Protocol):
    """A model that can place items without a training event."""

    def offer_new_items(self, known: Events) -> float:
        """Places such items by their texts and lifts them; returns the constant they get."""
        ...


@runtime_checkable
class WeightsScores(Protocol):
    """A model whose score has terms that can be weighted after training."""

    def set_score_weights(self, behavior: float = 1.0, language: float = 1.0) -> None:
        """Weights the terms."""
        ...


@runtime_checkable
class ReadsUser(Protocol):
    """A model that reads the user next to the history, where `reads_user_id` says so."""

    @property
    def reads_user_id(self) -> bool:
        """Whether the query reads the user."""
        ...

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """As of `Model`; with `asks_user` `{"user_id": (batch,)}` is a second input."""
        ...


@runtime_checkable
class ReadsText(Protocol):
    """A model that reads items' texts through a language model, where `reads_text` says so."""

    @property
    def reads_text(self) -> bool:
        """Whether it was built with texts."""
        ...

    @property
    def tuned_tower(self) -> Any | None:
        """The language model inside the model, or None where it is frozen outside."""
        ...

    def place_texts(self, vectors: np.ndarray) -> None:
        """Sets `(num_items, text_dim)` texts of a grown catalog, in the space of training."""
        ...

    def text_item_model(self) -> keras.Model | None:
        """`{"text": (batch, text_dim)}` → `{"embedding": (batch, size)}` of unknown items."""
        ...

    def text_score_model(self, known: Events) -> keras.Model | None:
        """`{"user_id", "text"}` → `{"score": (batch,)}` of unknown items."""
        ...

    def text_scores(self, history: np.ndarray, user: int, item: int) -> Callable[[Any], Any]:
        """A differentiable function from vectors of an item's text to its scores."""
        ...


@runtime_checkable
class ReadsGraph(Protocol):
    """A model that reads a knowledge graph of the items, where `reads_graph` says so."""

    config: Any

    @property
    def reads_graph(self) -> bool:
        """Whether it was built with a graph."""
        ...

    def graph_evidence(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Attention, relation and entity of the neighbors read, `(items, num_neighbors)` each."""
        ...

    def scores_without(
        self, history: np.ndarray, user: int, item: int, entities: np.ndarray
    ) -> np.ndarray:
        """Scores of an item with entities masked, `(number,)` for `(number, most)` entities."""
        ...


@runtime_checkable
class Grows(Protocol):
    """A model that says why more users and items cannot be added to it."""

    def growth_obstacle(self) -> str | None:
        """The reason as a sentence, or None."""
        ...


def reads_text(model: object) -> bool:
    """Returns whether a model reads texts through a language model."""
    return isinstance(model, ReadsText) and model.reads_text


def reads_graph(model: object) -> bool:
    """Returns whether a model reads a knowledge graph."""
    return isinstance(model, ReadsGraph) and model.reads_graph
