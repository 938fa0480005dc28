"""A functional Keras model of two towers that the zoo can train, ask, explain and export.

A model of one's own is a graph from `history` to `logits`, built with this class instead of
`keras.Model`; its scores, similar items and vectors for an index follow from its layers.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import HistoryTable
from tfrec_fusion.layers.history import most_recent
from tfrec_fusion.zoo.registry import specs
from tfrec_fusion.zoo.scoring.similarity import cosine_model

CANDIDATES, QUERIES = "candidate_tower", "query_tower"


@keras.saving.register_keras_serializable("tfrec_fusion")
class RetrievalModel(keras.Model):
    """Histories to the logits of the next item at each position.

    Inputs: `history (batch, steps)` int32, 0-padded on the left, and optionally `user_id (batch,)`.
    Output: `logits (batch, steps, num_items)`. A layer named `candidate_tower` holds the items'
    vectors: called with indices it gives vectors, with `reverse=True` the products with all of
    them. With a layer `query_tower` whose output goes through `candidate_tower` alone, scores are
    computed for the last position only, and an export can have an index.

    Args:
        inputs: Named inputs.
        outputs: Named outputs.
        name: The model's name, that of its spec.

    Raises:
        InvalidInput: When the model is asked and an input, output or layer has another name.

    Example:

    >>> from tfrec_fusion.layers.embedding import ItemTower
    >>> items = ItemTower(5, 4, name="candidate_tower")
    >>> history = keras.Input((None,), dtype="int32", name="history")
    >>> hidden = keras.layers.GRU(4, return_sequences=True, name="query_tower")(items(history))
    >>> logits = keras.layers.Dense(5)(hidden)
    >>> model = RetrievalModel({"history": history}, {"logits": logits}, name="gru")
    >>> model.history_model()({"history": np.array([[0, 1, 2]])})["scores"].shape
    TensorShape([1, 5])
    """

    config: Any = None  # set by `zoo.build`, and kept with the model

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` float32.

        Args:
            known: What users did (`data.events.Events`); each user's last `history_length` items
                are kept as a constant of the returned model.
            frozen: No difference.

        Raises:
            ValueError: When `known` is missing.
        """
        self._check()
        user_id = keras.Input((), dtype="int32", name="user_id")
        scores = self._scores(self._read(self._history_of_users(known, user_id), user_id))
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}` float32.

        Of longer histories the last `history_length` items are read. None where the model reads
        the user, unless it is asked for with `asks_user`, a second input `{"user_id": (batch,)}`.
        """
        self._check()
        if self.reads_user_id and not asks_user:
            return None
        given = {"history": keras.Input((None,), dtype="int32", name="history")}
        if asks_user:
            given["user_id"] = keras.Input((), dtype="int32", name="user_id")
        history = self._read_recent(given["history"])
        scores = self._scores(self._read(history, given.get("user_id")))
        return keras.Model(given, {"scores": scores}, name="scores_of_histories")

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, dim)` float32: the candidate tower's vectors."""
        self._check()
        items = np.arange(self.output["logits"].shape[-1], dtype=np.int32)
        return ops.convert_to_numpy(self.get_layer(CANDIDATES)(items)).astype(np.float32)

    def query_models(self, known: Any = None) -> tuple[keras.Model, keras.Model | None]:
        """Models of the queries that `candidate_vectors` are compared with.

        Returns:
            `{"user_id": (batch,)}` → `{"query": (batch, dim)}` float32, and `{"history": (batch,
            steps)}` → the same, None where the model reads the user.
        """
        user_id = keras.Input((), dtype="int32", name="user_id")
        query = self._last_query(self._read(self._history_of_users(known, user_id), user_id))
        of_users = keras.Model({"user_id": user_id}, {"query": query}, name="queries")
        if self.reads_user_id:
            return of_users, None
        history = keras.Input((None,), dtype="int32", name="history")
        query = self._last_query(self._read(self._read_recent(history), None))
        return of_users, keras.Model({"history": history}, {"query": query}, name="of_histories")

    def candidate_vectors(self) -> np.ndarray | None:
        """`(num_items, dim + 1)`: the score is the product with the query and a 1.

        None where scores are no such products.
        """
        if not self._scores_by_product():
            return None
        vectors = self.item_vectors()
        return np.concatenate([vectors, np.zeros((len(vectors), 1), np.float32)], axis=1)

    @property
    def reads_user_id(self) -> bool:
        """Whether the user is an input."""
        return "user_id" in self.input

    def _read(self, history: Any, user_id: Any) -> dict[str, Any]:
        return {"history": history, **({"user_id": user_id} if self.reads_user_id else {})}

    def _scores(self, inputs: dict[str, Any]) -> Any:
        if not self._scores_by_product():
            return ops.cast(self(inputs)["logits"][:, -1], "float32")
        query = self._hidden(inputs)[:, -1]
        return ops.cast(self.get_layer(CANDIDATES)(query, reverse=True), "float32")

    def _last_query(self, inputs: dict[str, Any]) -> Any:
        return ops.cast(self._hidden(inputs)[:, -1], "float32")

    def _hidden(self, inputs: dict[str, Any]) -> Any:
        """`(batch, steps, dim)`: the query tower's output."""
        tower = keras.Model(self.input, self.get_layer(QUERIES).output, name="query_model")
        return tower(inputs)

    def _scores_by_product(self) -> bool:
        """Whether the logits are the query tower's output times the candidate tower's table."""
        made_by = self.output["logits"]._keras_history
        names = {layer.name for layer in self.layers}
        if QUERIES not in names or made_by.operation is not self.get_layer(CANDIDATES):
            return False
        node = made_by.operation._inbound_nodes[made_by.node_index]
        return node.input_tensors[0] is self.get_layer(QUERIES).output

    @property
    def _most_recent(self) -> int | None:
        """Items of a history that are read; None: all."""
        return None if self.config is None else vars(self.config).get("history_length")

    def _history_of_users(self, known: Any, user_id: Any) -> Any:
        """`(batch, steps)`: each user's known items, a constant of the model."""
        length = self._most_recent
        if length is None and known is not None:
            length = int(np.bincount(known.user).max(initial=1))
        return HistoryTable.of_known(known, length or 1, name="histories")(user_id)

    def _read_recent(self, history: Any) -> Any:
        length = self._most_recent
        return history if length is None else most_recent(history, length)

    def _check(self) -> None:
        """Refuses a model whose parts have other names than those that are looked for."""
        for what, wanted, found in (
            ("an input", "history", set(self.input)),
            ("an output", "logits", set(self.output)),
            ("a layer", CANDIDATES, {layer.name for layer in self.layers}),
        ):
            if wanted not in found:
                raise InvalidInput(
                    f"{self.name} must have {what} named `{wanted}`. "
                    f"Received: {', '.join(sorted(found))}."
                )

    def get_config(self) -> dict[str, Any]:
        """The graph, and the config that it was built from."""
        config, own = super().get_config(), self.config
        if own is not None:
            config["config"] = dict(vars(own))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RetrievalModel:
        """Builds the graph again."""
        graph = {key: value for key, value in config.items() if key != "config"}
        model = super().from_config(graph, custom_objects=custom_objects)
        if "config" in config:
            known = specs().get(model.name)
            kind = SimpleNamespace if known is None else known.config
            model.config = kind(**config["config"])
        return model
