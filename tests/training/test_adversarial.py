"""Training under attack: the arithmetic by hand, tables restored, the command of `fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from id_models import IDS, TARGETS, model_of_ids

from tfrec_fusion.training.adversarial import AdversarialModel
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.fit import fit


def batches():
    return tf.data.Dataset.from_tensors(({"item": IDS}, {"rating": TARGETS}))


def test_a_step_by_hand():
    # prediction = table[0]; loss = (table[0] - 5) ** 2; at 1 the slope is -8, at 1 - 0.5 it is -9
    item = keras.Input((), dtype="int32", name="item")
    table = keras.layers.Embedding(1, 1, embeddings_initializer="ones", name="items")
    model = AdversarialModel(keras.Model(item, table(item)), epsilon=0.5)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    model.fit(np.array([0]), np.array([[5.0]]), verbose=0)
    assert float(table.get_weights()[0][0, 0]) == pytest.approx(1 + 0.01 * (8 + 9))


def in_half_precision(model, loss, epochs, learning_rate=0.1, **targets):
    """Losses of a model that `mixed_float16` trains, whose optimizer scales the loss by 32,768."""
    adam = keras.optimizers.Adam(learning_rate)
    model.compile(keras.optimizers.LossScaleOptimizer(adam), loss, jit_compile=False)
    return model.fit({"item": IDS}, targets, epochs=epochs, verbose=0).history["loss"]


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_a_scaled_loss_trains_as_fast_under_attack(mixed_float16):
    losses = {
        epsilon: in_half_precision(
            AdversarialModel(model_of_ids(), epsilon), {"rating": "mse"}, 60, rating=TARGETS
        )
        for epsilon in (0.0, 1e-6)
    }
    assert losses[1e-6] == pytest.approx(losses[0.0], rel=0.1, abs=5e-3)
    assert losses[1e-6][-1] < 0.1 * losses[1e-6][0]


def test_a_scaled_step_is_the_step_by_hand(mixed_float16):
    # As in the test above: the slope is -8 here and -9 where the table is moved to 0.5.
    item = keras.Input((), dtype="int32", name="item")
    table = keras.layers.Embedding(1, 1, embeddings_initializer="ones", name="items")
    model = AdversarialModel(keras.Model(item, table(item)), epsilon=0.5)
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), 2.0**10), "mse")
    model.fit(np.array([0]), np.array([[5.0]]), verbose=0)
    assert float(table.get_weights()[0][0, 0]) == pytest.approx(1 + 0.01 * (8 + 9), abs=1e-4)


def test_a_gradient_out_of_range_moves_and_spoils_no_table(mixed_float16):
    model = AdversarialModel(model_of_ids(), epsilon=0.5)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=2**30)
    model.compile(optimizer, {"rating": "mse"})
    before = model.get_weights()
    model.fit({"item": IDS}, {"rating": TARGETS}, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(optimizer.dynamic_scale) == 2**29


def test_tables_are_put_back_to_the_bit():
    model = AdversarialModel(model_of_ids(), epsilon=0.3)
    model.compile(keras.optimizers.SGD(0.0), {"rating": "mse"})
    before = model.get_weights()
    model.fit({"item": IDS}, {"rating": TARGETS}, epochs=20, verbose=0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_whole_table_moves_by_epsilon():
    model = model_of_ids()
    table, kernel, bias = (one.astype(np.float64) for one in model.get_weights())

    def gradients(table):
        error = (table[IDS] @ kernel + bias - TARGETS) / 2  # 2 / 4 rows
        of_table = np.zeros_like(table)
        np.add.at(of_table, IDS, error @ kernel.T)  # item 1 comes twice
        return of_table, table[IDS].T @ error, error.sum(0)

    here = gradients(table)
    there = gradients(table + 0.7 * here[0] / np.sqrt((here[0] ** 2).sum()))
    harder = AdversarialModel(model, epsilon=0.7)
    harder.compile(keras.optimizers.SGD(0.1), {"rating": "mse"})
    harder.fit({"item": IDS}, {"rating": TARGETS}, batch_size=4, verbose=0)
    starts = (table, kernel, bias)
    for weight, start, one, other in zip(model.get_weights(), starts, here, there, strict=True):
        np.testing.assert_allclose(weight, start - 0.1 * (one + other), atol=1e-5)


def test_without_epsilon_it_is_plain_training():
    plain, wrapped = model_of_ids(), model_of_ids()
    for trained in (plain, AdversarialModel(wrapped, 0.0)):
        fit(trained, batches(), epochs=5, optimizer="sgd", loss={"rating": "mse"}, progress=False)
    for one, other in zip(plain.get_weights(), wrapped.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_fit_attacks_and_leaves_the_model_plain():
    plain, attacked = model_of_ids(), model_of_ids()
    losses = []
    for model, epsilon in ((plain, 0.0), (attacked, 0.3)):
        arguments = {"optimizer": "sgd", "loss": {"rating": "mse"}, "progress": False}
        found = fit(model, batches(), epochs=40, adversarial_epsilon=epsilon, **arguments)
        losses.append(found.history["loss"])
    assert losses[0][0] == pytest.approx(losses[1][0])  # what is logged is not attacked
    assert losses[1][-1] < losses[1][0]
    assert np.abs(plain.get_weights()[0] - attacked.get_weights()[0]).max() > 1e-3
    assert len(attacked.weights) == len(plain.weights)


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "gradnorm", "pcgrad"])
def test_balanced_tasks_may_be_attacked(balance):
    item = keras.Input((), dtype="int32", name="item")
    vector = keras.layers.Embedding(3, 2, name="items")(item)
    outputs = {name: keras.layers.Dense(1, name=name)(vector) for name in ("rating", "click")}
    model = BalancedModel(keras.Model({"item": item}, outputs), balance, epsilon=0.1)
    both = {"rating": TARGETS, "click": TARGETS}
    data = tf.data.Dataset.from_tensors(({"item": IDS}, both))
    loss = {name: keras.losses.MeanSquaredError() for name in both}
    found = fit(model, data, epochs=10, optimizer="sgd", loss=loss, progress=False).history
    assert found["loss"][-1] < found["loss"][0]
    if balance == "fixed":
        total = np.add(found["rating_loss"], found["click_loss"])
        np.testing.assert_allclose(found["loss"], total, rtol=1e-5)  # unattacked, all of them


def test_what_does_not_fit_is_refused():
    model = model_of_ids()
    with pytest.raises(ValueError, match="must not be negative"):
        AdversarialModel(model, -0.1)
    with pytest.raises(ValueError, match="no trainable table named tokens"):
        AdversarialModel(model, 0.1, tables=("tokens",))
    with pytest.raises(ValueError, match="wrapped already"):
        fit(BalancedModel(model), batches(), epochs=1, optimizer="sgd", adversarial_epsilon=0.1)
