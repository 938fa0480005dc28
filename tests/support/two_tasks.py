"""A model of two tasks whose losses are known."""

import keras
import numpy as np
import tensorflow as tf

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = {
    "rating": (X @ RNG.normal(size=(3, 1))).astype(np.float32),
    "click": (X[:, :1] > 0).astype(np.float32),
}


def two_tasks(seed=0):
    keras.utils.set_random_seed(seed)
    x = keras.Input((3,), name="x")
    penalty = keras.regularizers.L2(1e-3)
    hidden = keras.layers.Dense(8, "tanh", name="shared", kernel_regularizer=penalty)(x)
    outputs = {name: keras.layers.Dense(1, name=name)(hidden) for name in Y}
    return keras.Model({"x": x}, outputs)


def losses():
    return {
        "rating": keras.losses.MeanSquaredError(),
        "click": keras.losses.BinaryCrossentropy(from_logits=True),
    }


def batches(size=10):
    return tf.data.Dataset.from_tensor_slices(({"x": X}, Y)).batch(size)
