"""Models whose item tables are kept in 16 bits: for exports that must be small."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.layers.embedding import ItemTower

HALF = "float16"


def with_half_tables(models: Mapping[str, keras.Model | None]) -> dict[str, keras.Model | None]:
    """The same models over item tables of 16 bits; towers they share stay shared.

    Numbers are computed with in 32 bits as before. The models given are left as they are.

    Args:
        models: Functional models by name, such as a model's scores of users and of histories.

    Raises:
        ValueError: When a number of a table is beyond what 16 bits hold.

    Example:

    >>> from tfrec_fusion import zoo
    >>> scores = zoo.build("neumf", num_users=3, num_items=9).score_model()
    >>> half = with_half_tables({"score": scores})["score"]
    >>> {tower.embeddings.dtype for tower in half.layers if isinstance(tower, ItemTower)}
    {'float16'}
    """
    halves: dict[int, ItemTower] = {}

    def of_half(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, ItemTower) or not layer.use_id:
            return layer
        if id(layer) not in halves:
            halves[id(layer)] = _in_half(layer)
        return halves[id(layer)]

    return {
        name: model
        if model is None
        else keras.models.clone_model(model, clone_function=of_half, recursive=True)
        for name, model in models.items()
    }


def _in_half(tower: ItemTower) -> ItemTower:
    half = ItemTower.from_config({**tower.get_config(), "embeddings_dtype": HALF})
    half(np.zeros(1, np.int32))  # makes the weights
    largest = float(np.abs(keras.ops.convert_to_numpy(tower.embeddings)).max())
    if not largest <= float(np.finfo(HALF).max):
        raise InvalidInput(
            f"The item table of {tower.name} holds {largest:g}, which 16 bits do not; the largest "
            f"number they hold is {np.finfo(HALF).max:g}. Export it without `half`."
        )
    half.set_weights(tower.get_weights())
    return half
