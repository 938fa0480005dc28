"""Functional models that are built from a config, and saved as that config and their weights."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, ClassVar

import keras
import numpy as np

from tfrec_fusion.layers.precision import dtype_policy_scope
from tfrec_fusion.zoo.scoring.similarity import cosine_model


class ConfiguredModel(keras.Model):
    """A functional model of a frozen config, whose items have vectors.

    A subclass registers itself with Keras, names its `config_class`, takes the config as its first
    argument, and sets `config` after the functional graph is built.
    """

    config_class: ClassVar[type[Any]]
    config: Any

    def item_vectors(self) -> np.ndarray:
        """`(num_items, size)` float32 vectors of the items."""
        raise NotImplementedError

    def similarity_model(self) -> keras.Model:
        """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines of `item_vectors`."""
        return cosine_model(self.item_vectors())

    def name_sublayers(self, parts: Any) -> None:
        """Makes the layers of a dataclass attributes of the model, under its fields' names.

        Call it after the functional graph is built, so that weights keep the order of the graph.
        """
        for one in fields(parts):
            if one.name != "config":
                setattr(self, one.name, getattr(parts, one.name))

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = {"config": asdict(self.config), "name": self.name, "trainable": self.trainable}
        return {**config, "dtype": self.dtype_policy.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Builds the model of a config."""
        with dtype_policy_scope(config.get("dtype", "float32")):
            return cls(cls.config_class(**config["config"]), name=config["name"])
