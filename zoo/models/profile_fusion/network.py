"""The fusion of profile, semantics and behavior as a Keras functional model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import HistoryTable, ItemTower
from tfrec_fusion.layers.fused_tower import FusedTower
from tfrec_fusion.layers.history import HistoryEncoder, most_recent
from tfrec_fusion.layers.text_table import TextTable
from tfrec_fusion.saved_classes import formerly
from tfrec_fusion.zoo.models.profile_fusion.config import ProfileFusionConfig
from tfrec_fusion.zoo.models.profile_fusion.evidence import EvidenceLayers
from tfrec_fusion.zoo.scoring.configured_model import ConfiguredModel
from tfrec_fusion.zoo.scoring.tower_model import history_inputs
from tfrec_fusion.zoo.scoring.unknown_user import first_rows


@keras.saving.register_keras_serializable("tfrec_fusion")
@formerly("ProfileSemanticsBehaviour")
class ProfileFusion(ConfiguredModel):
    """Three tasks and their reasoning as one functional model; the package has the formulas.

    Inputs (int32): `user_id (batch,)`, `item_id (batch, candidates)` with the positive in column
    0, and for behavior `history (batch, steps)`, 0-padded on the left. Outputs: `logits` and
    `behavior (batch, candidates, 1)`, `profile` and `semantics (batch, num_words)` logits, the
    last of the positive. `data.batches.candidates` makes the batches.

    Args:
        config: Sizes and choices.
        **kwargs: Arguments of `keras.Model`.

    Attributes: the layers of `EvidenceLayers`, under their names.

    Example: see `profile_fusion`.
    """

    config_class: ClassVar[type[ProfileFusionConfig]] = ProfileFusionConfig
    config: ProfileFusionConfig
    evidence: EvidenceLayers
    texts: TextTable
    candidate_tower: FusedTower
    query_tower: HistoryEncoder | None

    def __init__(self, config: ProfileFusionConfig, **kwargs: Any) -> None:
        # === Layers ===
        layers = EvidenceLayers.from_config(config)

        # === Functional ===
        inputs = {
            "user_id": keras.Input((), dtype="int32", name="user_id"),
            "item_id": keras.Input((None,), dtype="int32", name="item_id"),
        }
        if config.reads_history:
            inputs["history"] = keras.Input((None,), dtype="int32", name="history")
        user = layers.of_users(inputs["user_id"], inputs.get("history"))  # (batch, size)
        item = layers.of_items(inputs["item_id"])  # (batch, candidates, size)
        side = {name: ops.expand_dims(one, 1) for name, one in user.items()}
        found = layers.reason(side, item)  # (batch, candidates)
        outputs = {name: ops.expand_dims(one, -1) for name, one in found.items()}
        if layers.profile is not None:
            outputs["profile"] = layers.profile(user[f"profile_{config.levels}"])
        if layers.semantics is not None:
            outputs["semantics"] = layers.semantics(item[f"content_{config.levels}"][:, 0])
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # === Config ===
        self.config, self.evidence = config, layers
        self.name_sublayers(layers)

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
        self.texts.set_texts(np.concatenate([item_text, profile_text]))

    def set_words(self, item_words: np.ndarray, user_words: np.ndarray) -> None:
        """Sets the targets of items and of users, `(rows, num_words)` of 0 and 1 each.

        They are needed in training only, and not saved.
        """
        self.item_words, self.user_words = (
            np.asarray(one, np.float32) for one in (item_words, user_words)
        )

    def set_known(self, events: Any) -> None:
        """Marks the items with an event: the others are represented by their text alone."""
        self.candidate_tower.set_known(events.item_counts > 0)

    def score_model(self, known: Any = None, frozen: bool = False) -> keras.Model:
        """`{"user_id": (batch,)}` → `{"scores": (batch, num_items)}` through the same weights.

        Args:
            known: The users' interactions (`data.events.Events`), where behavior is read.
            frozen: Whether the items' vectors are computed now; later training does not change
                them then.

        Raises:
            ValueError: When behavior is read and `known` is missing.
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
        layers = self.evidence
        if not users:
            layers = replace(layers, texts=first_rows(self.texts, self.config.num_items + 1))
        user = layers.of_users(user_id, history)
        if frozen:
            item = {
                name: ItemTower.of(rows, name=f"frozen_{name}").all_rows(anchor=user_id)
                for name, rows in self._item_tables().items()
            }
        else:
            item = layers.of_all_items(anchor=user_id)
        return layers.reason(user, item, all_pairs=True)["logits"]

    def _item_tables(self) -> dict[str, np.ndarray]:
        """Evidence of every item, `(num_items, size)` each, as it is now."""
        found = self.evidence.of_all_items()
        return {name: ops.convert_to_numpy(one).astype(np.float32) for name, one in found.items()}

    @property
    def reads_user_id(self) -> bool:
        """Returns whether the user's profile is read."""
        return self.config.reads_user_id

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32: the items' vectors of behavior and of meaning."""
        tables = self._item_tables()
        return np.concatenate([tables[name] for name in tables if name != "bias"], axis=1)


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
