"""A model of one table of ids, and a batch for it."""

import keras
import numpy as np

IDS, TARGETS = np.array([0, 1, 2, 1]), np.array([[1.0], [0.0], [2.0], [0.5]], np.float32)


def model_of_ids():
    keras.utils.set_random_seed(0)
    item = keras.Input((), dtype="int32", name="item")
    vector = keras.layers.Embedding(3, 2, name="items")(item)
    rating = keras.layers.Dense(1, name="rating")(vector)
    return keras.Model({"item": item}, {"rating": rating})
