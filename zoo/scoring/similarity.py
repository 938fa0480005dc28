"""Similar items by the angle between their vectors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from tfrec_fusion.layers.constant_matrix import DenseMatrix
from tfrec_fusion.layers.embedding import ItemTower


@keras.saving.register_keras_serializable("zoo")
class InverseLengths(keras.layers.Layer):
    """Divides products of vectors by the vectors' lengths, which are constants: cosines.

    Args:
        num_items: Vectors.
        **kwargs: Of `keras.layers.Layer`.

    Call arguments:
        products: `(batch, num_items)` float32.
        item_id: `(batch,)` the vectors they are products with.

    Returns:
        `(batch, num_items)`; 0 with a vector of length 0.
    """

    def __init__(self, num_items: int, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=False, **kwargs)
        self.num_items = num_items
        self.inverse = self.add_weight(
            shape=(num_items,), initializer="ones", trainable=False, name="inverse"
        )

    @classmethod
    def of(cls, vectors: np.ndarray, **kwargs: Any) -> InverseLengths:
        """The layer of given vectors, `(num_items, dim)`."""
        length = np.linalg.norm(vectors, axis=1)
        layer = cls(len(vectors), **kwargs)
        layer.inverse.assign(np.where(length > 0, 1 / np.where(length > 0, length, 1), 0))
        return layer

    def build(self, *shapes: Any) -> None:
        """Nothing to make: the lengths have their number from the arguments."""
        self.built = True

    def call(self, products: Any, item_id: Any) -> Any:
        """Computes what the class describes."""
        return products * self.inverse * ops.take(self.inverse, item_id)[:, None]

    def get_config(self) -> dict[str, Any]:
        """The arguments to build it again."""
        config = super().get_config()
        config.pop("trainable", None)
        return {**config, "num_items": self.num_items}


def cosine_model(vectors: np.ndarray) -> keras.Model:
    """`{"item_id": (batch,)}` → `{"scores": (batch, num_items)}`, cosines between item vectors.

    Exported with scores that are products with the same vectors, it needs no copy of them.

    Args:
        vectors: `(num_items, dim)`; a vector of length 0 has cosine 0 with all.

    Example:

    >>> model = cosine_model(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]]))
    >>> [round(float(cosine), 2) for cosine in model({"item_id": np.array([1])})["scores"][0]]
    [0.0, 1.0, 0.71]
    """
    item_id = keras.Input((), dtype="int32", name="item_id")
    tower = ItemTower.of(vectors)
    products = tower(tower(item_id), reverse=True)
    scores = InverseLengths.of(vectors, name="inverse_lengths")(products, item_id)
    return keras.Model({"item_id": item_id}, {"scores": scores}, name="cosines_of_items")


def meaning_model(vectors: np.ndarray) -> keras.Model:
    """`{"text": (batch, text_dim)}` → `{"scores": (batch, num_items)}`, cosines.

    Args:
        vectors: `(num_items, text_dim)` of the catalog's texts, by the language model that reads
            the queries; a vector of length 0 has cosine 0 with all.

    Example:

    >>> model = meaning_model(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 2.0]]))
    >>> scores = model({"text": np.array([[3.0, 0.0]])})["scores"][0]
    >>> [round(float(cosine), 2) for cosine in scores]
    [0.0, 1.0, 0.71]
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    text = keras.Input((unit.shape[1],), name="text")
    query = keras.layers.UnitNormalization(dtype="float32", name="unit_query")(text)
    scores = DenseMatrix.of(np.ascontiguousarray(unit.T), name="unit_texts")(query)
    return keras.Model({"text": text}, {"scores": scores}, name="cosines_of_texts")
