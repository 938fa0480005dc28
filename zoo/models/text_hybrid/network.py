"""A language model's reading of the items, fused with what users did.

    t_i          = LM(text of i), centred, half-whitened, of length 1
    item(i)      = fusion(embedding[i], t_i)                   ids left out at random in training
    user(u)      = fusion(embedding[u], LM(own words of u))    where the query reads them

    two towers   query(u, n) = encoder(item(i_1) … item(i_n)) + user(u)
                 logit(u, i) = (query · item(i) + strength · mean(t_1 … t_n) · t_i) / temperature
    NCF          logit(u, i) = h · (user(u) * item(i)) + w · relu(… [user(u); item(i)] …)

The language model is GPT-2 (Radford et al. 2019) or any other preset of `text.presets`; its
vectors are constants of the model, made once by `text.store`. An item without a training event is
scored by its text: ids are dropped in training (DropoutNet: Volkovs et al. 2017), and such items
are left out of the training softmax, where they could only learn to be last. The second term of
the two towers, a content filter, serves new items from the start (see `zoo.models.new_items`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.history import most_recent
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.layers.retrieval import CatalogueLogits, InBatchLogits
from tfrec_fusion.zoo.models.similarity import cosine_model
from tfrec_fusion.zoo.models.text_hybrid.config import GPT2HybridConfig
from tfrec_fusion.zoo.models.text_hybrid.parts import (
    history_inputs,
    item_layers,
    item_rows,
    model_inputs,
    ncf_layers,
    ncf_logits,
    query_rows,
    tower_layers,
    user_layers,
    weighed,
    without_users,
)


@keras.saving.register_keras_serializable("tfrec_fusion")
class GPT2Hybrid(keras.Model):
    """Text and behaviour in one functional model; see the module for the formulas.

    Inputs (int32): two towers `history (batch, steps)`, 0-padded on the left, and/or
    `user_id (batch,)`; with in-batch negatives also `item_id (batch,)` and float32
    `candidate_sampling_probability (batch,)`; NCF `user_id` and `item_id (batch,)`.
    Output `logits`: as `zoo.models.two_tower.TwoTower`'s, or `(batch,)` for NCF.

    Args:
        config: Sizes and choices.
        text_tower: The language model, where it is tuned (`text.tower.TextTower`).
        further_layers: Layers of models that build on this one, by name.
        **kwargs: Arguments of `keras.Model`.

    Example:

    >>> texts = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    >>> model = gpt2_hybrid(num_users=4, num_items=6, item_text=texts, dim=4)
    >>> model({"history": np.array([[0, 5, 2]])})["logits"].shape
    TensorShape([1, 3, 6])
    """

    config_class: ClassVar[type[GPT2HybridConfig]] = GPT2HybridConfig

    def __init__(
        self,
        config: GPT2HybridConfig,
        text_tower: Any = None,
        further_layers: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # === Layers ===
        layers: dict[str, Any] = item_layers(config, text_tower) | user_layers(config)
        layers |= further_layers or {}
        if config.head == "two_tower":
            layers |= tower_layers(config)
        else:
            layers |= ncf_layers(config)

        # === Functional ===
        inputs, further = model_inputs(config), {}
        if config.head == "ncf":
            logits = ncf_logits(layers, config, inputs["user_id"], inputs["item_id"])
        elif config.negatives == "in_batch":
            history = inputs.get("history")
            rows = None if history is None else item_rows(layers, config, history)
            logits = layers["logits"](
                query_rows(layers, config, inputs, rows, last=True),
                item_rows(layers, config, inputs["item_id"]),
                inputs["item_id"],
                inputs["candidate_sampling_probability"],
            )
        else:
            catalogue = item_rows(layers, config, next(iter(inputs.values())), catalogue=True)
            # The catalogue's vectors are there already: taking rows is cheaper than fusing again.
            history = inputs.get("history")
            rows = None if history is None else ops.take(catalogue, history, axis=0)
            query = query_rows(layers, config, inputs, rows)
            logits = layers["logits"](weighed(layers, query), catalogue)
            further = self.further_outputs(layers, config, inputs, query, catalogue)
        super().__init__(inputs=inputs, outputs={"logits": logits, **further}, **kwargs)

        # === Config ===
        self.config = config

    @staticmethod
    def further_outputs(
        layers: dict[str, Any], config: Any, inputs: dict[str, Any], query: Any, catalogue: Any
    ) -> dict[str, Any]:
        """Outputs beside `logits` of models that build on this one, which add their inputs."""
        return {}

    def set_known(self, events: Any) -> None:
        """Says whose ids are trained: users and items with an event.

        Call it with the events to be trained on, before `fit`. The others keep out of the
        training softmax and are represented by their text, at serving time too.

        Args:
            events: What users did in training (`data.events.Events`).
        """
        with_events = events.item_counts > 0
        if self.config.sources != "text":
            self.get_layer("items").set_known(with_events)
        if self.config.reads_user_id:
            users = np.bincount(events.user, minlength=self.config.num_users) > 0
            self.get_layer("users").set_known(users)
        if self.config.head == "two_tower" and self.config.negatives == "catalogue":
            self.get_layer("logits").set_candidates(with_events)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: What users did (`data.events.Events`); each user's last `history_length` items
                are kept as a constant of the returned model. Needed when the query reads them.
            frozen: Whether items and users are vectors computed now, so that an answer costs what
                it costs a model without text; later training does not change them then.

        Raises:
            ValueError: When the query reads histories and `known` is missing.
        """
        layers = self._layers_by_name(frozen)
        user_id = keras.Input((), dtype="int32", name="user_id")
        if self.config.head == "ncf":
            scores = ncf_logits(layers, self.config, user_id, None)
            return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")
        inputs = self._asking(user_id, known)
        scores = self._catalogue_scores(layers, inputs, user_id)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, for unknown users.

        Of longer histories the last `history_length` items are read. Where the query also reads
        the user it is the OOV one, and the graph holds no other; with `asks_user` it is a second
        input, `{"user_id": (batch,)}`. None where it reads no history.
        """
        if not self.config.reads_history:
            return None
        given = history_inputs(asks_user)
        inputs = self._by_history(**given)
        layers = self._layers_by_name(True)
        layers = layers if asks_user else without_users(layers)
        scores = self._catalogue_scores(layers, inputs, given["history"])
        return keras.Model(given, {"scores": scores}, name="scores_of_histories")

    def query_models(self, known: Any = None) -> tuple[keras.Model, keras.Model | None]:
        """Queries that `candidate_vectors` are compared with; for a model of two towers.

        Args:
            known: As of `score_model`.

        Returns:
            `{"user_id": (batch,)}` → `{"query": (batch, size)}`, and `{"history": (batch, steps)}`
            → the same, None where the query reads no history.
        """
        layers = self._layers_by_name(frozen=True)
        user_id = keras.Input((), dtype="int32", name="user_id")
        query = self._query(layers, self._asking(user_id, known))
        of_users = keras.Model({"user_id": user_id}, {"query": query}, name="queries")
        if not self.config.reads_history:
            return of_users, None
        given = history_inputs()
        query = self._query(without_users(layers), self._by_history(**given))
        return of_users, keras.Model(given, {"query": query}, name="of_histories")

    def _asking(self, user_id: Any, known: Any) -> dict[str, Any]:
        """What the query reads of who asks."""
        inputs = {"user_id": user_id} if self.config.reads_user_id else {}
        if self.config.reads_history:
            table = HistoryTable.of_known(known, self.config.history_length, name="histories")
            inputs["history"] = table(user_id)
        return inputs

    def _by_history(self, history: Any, user_id: Any = None) -> dict[str, Any]:
        history = most_recent(history, self.config.history_length)
        if not self.config.reads_user_id:
            return {"history": history}
        return {"history": history, "user_id": 0 * history[:, 0] if user_id is None else user_id}

    def _layers_by_name(self, frozen: bool) -> dict[str, Any]:
        layers = {layer.name: layer for layer in self.layers}
        if frozen:
            layers["frozen_items"] = ItemTower.of(self.item_vectors())
        return layers

    def _query(self, layers: dict[str, Any], inputs: dict[str, Any]) -> Any:
        """`(batch, size)`, its terms weighed."""
        history = inputs.get("history")
        rows = None if history is None else item_rows(layers, self.config, history)
        query = query_rows(layers, self.config, inputs, rows, last=True)
        return ops.cast(weighed(layers, query), "float32")

    def _catalogue_scores(self, layers: dict[str, Any], inputs: dict[str, Any], index: Any) -> Any:
        """`(batch, num_items)` scores of the two towers' query."""
        catalogue = item_rows(layers, self.config, index, catalogue=True)
        history = inputs.get("history")
        rows = None if history is None else ops.take(catalogue, history, axis=0)
        query = weighed(layers, query_rows(layers, self.config, inputs, rows, last=True))
        head = layers["logits"]
        if isinstance(head, InBatchLogits):
            head = CatalogueLogits(self.config.num_items, self.config.temperature, use_bias=False)
        return head(query, catalogue)

    def start_from(self, frozen: GPT2Hybrid) -> None:
        """Takes over everything but the language model from a trained hybrid.

        Args:
            frozen: A hybrid of the same sizes, such as this one's with `text_mode="frozen"`.

        Raises:
            ValueError: When a layer's weights differ in shape.
        """
        for layer in self.layers:
            if layer.weights and layer.name != "item_text":
                layer.set_weights(frozen.get_layer(layer.name).get_weights())

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32: what the query is compared with."""
        layers = self._layers_by_name(False)
        rows = item_rows(layers, self.config, np.zeros(1, np.int32), catalogue=True)
        return ops.convert_to_numpy(rows).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        config["dtype"] = self.dtype_policy.name
        if self.config.tunes_text:
            tower = self.get_layer("item_text").tower
            config["text_tower"] = keras.saving.serialize_keras_object(tower)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> GPT2Hybrid:
        """Builds the model of a config."""
        tower = config.get("text_tower")
        tower = tower and keras.saving.deserialize_keras_object(tower)
        parts = cls.parts_of_config(config)
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(cls.config_class(**config["config"]), tower, **parts, name=config["name"])

    @classmethod
    def parts_of_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """What the constructor of a model that builds on this one takes beside."""
        return {}

    @classmethod
    def of(
        cls,
        num_users: int,
        num_items: int,
        *,
        item_text: np.ndarray | None,
        user_text: np.ndarray | None,
        text_tower: Any,
        item_tokens: tuple[np.ndarray, np.ndarray] | None,
        name: str,
        parts: Mapping[str, Any] | None = None,
        **choices: Any,
    ) -> Self:
        """A model with its constants set; arguments as of `gpt2_hybrid`."""
        choices["text_dim"] = 0 if item_text is None else item_text.shape[1]
        choices["user_text_dim"] = 0 if user_text is None else user_text.shape[1]
        if item_tokens is not None:
            choices["text_length"] = item_tokens[0].shape[1]
        config = cls.config_class(num_users, num_items, **choices)
        if config.tunes_text and (text_tower is None or item_tokens is None):
            raise InvalidInput(
                f"text_mode={config.text_mode!r} needs `text_tower` and `item_tokens`: the "
                "language model to tune and what it reads."
            )
        model = cls(config, text_tower, **(parts or {}), name=name)
        if item_text is not None and config.reads_text:
            model.get_layer("item_text").set_texts(item_text)
        if item_tokens is not None and config.tunes_text:
            model.get_layer("item_text").set_tokens(*item_tokens)
        if user_text is not None and config.reads_user_id:
            model.get_layer("user_text").set_texts(user_text)
        return model


def gpt2_hybrid(
    num_users: int,
    num_items: int,
    item_text: np.ndarray | None = None,
    user_text: np.ndarray | None = None,
    text_tower: Any = None,
    item_tokens: tuple[np.ndarray, np.ndarray] | None = None,
    **choices: Any,
) -> GPT2Hybrid:
    """A hybrid of text and behaviour; see `GPT2HybridConfig` for the keywords.

    Args:
        num_users: Size of the user vocabulary, the unseen index 0 included.
        num_items: Size of the item vocabulary, the unseen index 0 included.
        item_text: `(num_items, text_dim)` text vectors; a row of zeros is no text.
        user_text: `(num_users, user_text_dim)` vectors of users' own words.
        text_tower: With `text_mode="lora"` or `"full"`: the language model to tune.
        item_tokens: With `text_mode="lora"` or `"full"`: token ids `(num_items, length)` and
            their numbers `(num_items,)`, as `TextEncoder.tokenize` gives them.
        **choices: Further fields of `GPT2HybridConfig`.

    Raises:
        ValueError: For unsound choices, or a tuned language model without tower or tokens.
    """
    return GPT2Hybrid.of(
        num_users,
        num_items,
        item_text=item_text,
        user_text=user_text,
        text_tower=text_tower,
        item_tokens=item_tokens,
        name="gpt2_hybrid",
        **choices,
    )
