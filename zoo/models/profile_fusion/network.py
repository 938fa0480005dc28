"""The fusion of profile, semantics and behavior as a Keras functional model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.history import most_recent
from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.saved_classes import formerly
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileFusionConfig
from tfrec_fusion.zoo.models.profile_fusion.parts import (
    item_evidence,
    reasoning,
    task_layers,
    user_evidence,
)
from tfrec_fusion.zoo.models.text_hybrid.parts import history_inputs
from tfrec_fusion.zoo.scoring.similarity import cosine_model
from tfrec_fusion.zoo.scoring.unknown_user import first_rows


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("ProfileSemanticsBehaviour")
class ProfileFusion(keras.Model):
    """Three tasks and their reasoning as one functional model; see the module for the formulas.

    Inputs (int32): `user_id (batch,)`, `item_id (batch, candidates)` with the positive in column
    0, and for behaviour `history (batch, steps)`, 0-padded on the left. Outputs: `logits` and
    `behaviour (batch, candidates, 1)`, `profile` and `semantics (batch, num_words)` logits, the
    last of the positive. `data.candidates` makes the batches.

    Args:
        config: Sizes and choices.
        **kwargs: Arguments of `keras.Model`.

    Example: see `profile_semantics_behaviour`.
    """

    def __init__(self, config: ProfileFusionConfig, **kwargs: Any) -> None:
        # === Layers ===
        layers = task_layers(config)

        # === Functional ===
        inputs = {
            "user_id": keras.Input((), dtype="int32", name="user_id"),
            "item_id": keras.Input((None,), dtype="int32", name="item_id"),
        }
        if config.reads_history:
            inputs["history"] = keras.Input((None,), dtype="int32", name="history")
        user = user_evidence(layers, config, inputs["user_id"], inputs.get("history"))
        item = item_evidence(layers, config, inputs["item_id"])
        side = {name: ops.expand_dims(one, 1) for name, one in user.items()}
        found = reasoning(layers, config, side, item)
        outputs = {name: ops.expand_dims(one, -1) for name, one in found.items()}
        if "profile" in config.tasks:
            outputs["profile"] = layers["profile"](user[f"profile_{config.levels}"])
        if "semantics" in config.tasks:
            outputs["semantics"] = layers["semantics"](item[f"content_{config.levels}"][:, 0])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.config = config

    def set_texts(self, item_text: np.ndarray, profile_text: np.ndarray) -> None:
        """Sets the language model's vectors, both of the same model.

        Args:
            item_text: `(num_items, text_dim)`; a row of zeros is no text.
            profile_text: `(num_users, text_dim)`.

        Raises:
            ValueError: When a shape differs.
        """
        config = self.config
        for name, rows, number in (
            ("item_text", item_text, config.num_items),
            ("profile_text", profile_text, config.num_users),
        ):
            if np.shape(rows) != (number, config.text_dim):
                raise InvalidInput(
                    f"`{name}` must have the shape {(number, config.text_dim)}. "
                    f"Received: {np.shape(rows)}."
                )
        self.get_layer("texts").set_texts(np.concatenate([item_text, profile_text]))

    def set_words(self, item_words: np.ndarray, user_words: np.ndarray) -> None:
        """Sets what is to be learned of items and users, `(rows, num_words)` of 0 and 1 each.

        They are needed in training only, and not saved.
        """
        self.item_words, self.user_words = (
            np.asarray(one, np.float32) for one in (item_words, user_words)
        )

    def set_known(self, events: Any) -> None:
        """Says which items have an event: the others are represented by their text alone."""
        self.get_layer("items").set_known(events.item_counts > 0)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: What users did (`data.events.Events`), where behaviour is read.
            frozen: Whether the items' vectors are computed now; later training does not change
                them then.

        Raises:
            ValueError: When behaviour is read and `known` is missing.
        """
        user_id = keras.Input((), dtype="int32", name="user_id")
        history = None
        if self.config.reads_history:
            table = HistoryTable.of_known(known, self.config.history_length, name="histories")
            history = table(user_id)
        scores = self._scores(user_id, history, frozen)
        return keras.Model({"user_id": user_id}, {"scores": scores}, name="scores")

    def history_model(self, asks_user: bool = False) -> keras.Model | None:
        """`{"history": (batch, steps)}` → `{"scores": (batch, num_items)}`, for unknown users.

        Of longer histories the last `history_length` items are read. The profile is the default
        one, and the graph holds no other; with `asks_user` that of a second input,
        `{"user_id": (batch,)}`. None where behavior is not read.
        """
        if not self.config.reads_history:
            return None
        given = history_inputs(asks_user)
        user_id = given.get("user_id", 0 * given["history"][:, 0])
        history = most_recent(given["history"], self.config.history_length)
        scores = self._scores(user_id, history, frozen=True, users=asks_user)
        return keras.Model(given, {"scores": scores}, name="scores_of_histories")

    def _scores(self, user_id: Any, history: Any, frozen: bool, users: bool = True) -> Any:
        """`(batch, num_items)`; without `users` no profile but the default one is in the graph."""
        layers = {layer.name: layer for layer in self.layers}
        if not users:
            layers["texts"] = first_rows(layers["texts"], self.config.num_items + 1)
        user = user_evidence(layers, self.config, user_id, history)
        item = item_evidence(layers, self.config, user_id, catalogue=True)
        if frozen:
            tables = self._item_tables()
            item = {
                name: ItemTower.of(rows, name=f"frozen_{name}")(user_id, catalogue=True)
                for name, rows in tables.items()
            }
        return reasoning(layers, self.config, user, item, all_pairs=True)["logits"]

    def _item_tables(self) -> dict[str, np.ndarray]:
        """What is known of every item, `(num_items, size)` each, as it is now."""
        layers = {layer.name: layer for layer in self.layers}
        found = item_evidence(layers, self.config, np.zeros(1, np.int32), catalogue=True)
        return {name: ops.convert_to_numpy(one).astype(np.float32) for name, one in found.items()}

    @property
    def reads_user_id(self) -> bool:
        """Whether the user's profile is read."""
        return self.config.reads_user_id

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32: the items' vectors of behaviour and of meaning."""
        tables = self._item_tables()
        return np.concatenate([tables[name] for name in tables if name != "bias"], axis=1)

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        return {**config, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ProfileFusion:
        """Builds the model of a config."""
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(ProfileFusionConfig(**config["config"]), name=config["name"])


def profile_fusion(
    config: ProfileFusionConfig,
    item_text: np.ndarray,
    profile_text: np.ndarray,
    item_words: np.ndarray,
    user_words: np.ndarray,
    *,
    name: str = "profile_fusion",
) -> ProfileFusion:
    """Builds three tasks under one extractor.

    Args:
        config: Sizes and choices; `sizes_of` gives those that follow from the other arguments.
        item_text: `(num_items, text_dim)` text vectors; a row of zeros is no text.
        profile_text: `(num_users, text_dim)` vectors of the profiles, see
            `text.interests.user_profiles`.
        item_words: `(num_items, num_words)` of 0 and 1, the targets of semantics.
        user_words: `(num_users, num_words)` of 0 and 1, the targets of profiles.
        name: Of the model.

    Raises:
        ValueError: For unsound shapes.

    Example:

    >>> texts, words = np.random.default_rng(0).normal(size=(9, 8)), np.eye(9, 5)
    >>> config = ProfileFusionConfig(4, 5, text_dim=8, num_words=5, dim=4)
    >>> model = profile_fusion(config, texts[:5], texts[5:], words[:5], words[5:])
    >>> x = {"user_id": np.array([1]), "item_id": np.array([[2, 3, 4]])}
    >>> x["history"] = np.array([[0, 1]])
    >>> {name: tuple(one.shape) for name, one in model(x).items()}
    {'logits': (1, 3, 1), 'behavior': (1, 3, 1), 'profile': (1, 5), 'semantics': (1, 5)}
    """
    model = ProfileFusion(config, name=name)
    model.set_texts(item_text, profile_text)
    model.set_words(item_words, user_words)
    return model
