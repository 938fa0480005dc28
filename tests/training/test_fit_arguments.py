"""Arguments of `fit` reach what they are for: losses, metrics, seeds, attacks, changed inputs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from id_models import IDS, TARGETS, model_of_ids
from linear_models import Recording, linear_batches, linear_model, train, values

from tfrec_fusion.training.adversarial import AdversarialModel
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.callbacks import DivergenceWatch, TrainingDiverged


def two_outputs():
    x = keras.Input((2,), name="x")
    outputs = {
        name: keras.layers.Dense(1, kernel_initializer="zeros", name=name)(x) for name in "yz"
    }
    return keras.Model({"x": x}, outputs)


def batches_of_two():
    return linear_batches().map(lambda x, y: (x, {"y": y["y"], "z": 2 * y["y"]}))


def test_weights_of_losses_and_metrics_belong_to_their_outputs():
    model = two_outputs()
    result = train(
        model,
        batches_of_two(),
        loss={"y": "mse", "z": "mse"},
        loss_weights={"y": 0.0, "z": 1.0},
        metrics={"z": ["mae"]},
    )
    assert "z_mae" in result.history and "y_mae" not in result.history
    assert not model.get_layer("y").get_weights()[0].any()
    alone = linear_model()
    train(alone, linear_batches().map(lambda x, y: (x, {"y": 2 * y["y"]})))
    for mine, its in zip(model.get_layer("z").get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-5)


def test_each_epoch_of_a_resumed_training_draws_its_own_numbers(tmp_path):
    drawn = []

    def validate():
        drawn.append(np.random.rand())
        return values(1)()

    for epochs, seed, folder in ((1, 5, "a"), (2, 5, "a"), (1, 6, "b")):
        train(epochs=epochs, seed=seed, validate=validate, run_dir=tmp_path / folder)
    first, second, of_next_seed = drawn
    assert first != second == of_next_seed


def test_inputs_are_changed_anew_in_each_batch_and_weights_are_kept():
    seeds = []

    def keep(x, seed):
        seeds.append(tuple(seed.tolist()))
        return x * 0

    def augment(x, seed):
        changed = tf.numpy_function(keep, [x["x"], seed], tf.float32)
        return {"x": tf.ensure_shape(changed, (None, 2))}

    weighed = linear_batches().map(lambda x, y: (x, y, tf.where(y["y"][:, 0] < -0.5, 1.0, 0.0)))
    model = linear_model()
    train(model, weighed, epochs=2, augment=augment, seed=3)
    assert len(seeds) == 6 and len(set(seeds)) == 6
    kernel, bias = model.get_weights()
    assert not kernel.any()  # all inputs are 0
    rows = np.concatenate([y["y"][:, 0] for _, y in linear_batches()])
    bias_by_hand = 0.0
    for _ in range(2):
        for start in range(0, 10, 4):
            batch = rows[start : start + 4]
            counted = batch < -0.5
            bias_by_hand -= 0.01 * np.mean(2 * (bias_by_hand - batch) * counted)
    assert bias[0] == pytest.approx(bias_by_hand, rel=1e-5)


def ids():
    return tf.data.Dataset.from_tensors(({"item": IDS}, {"rating": TARGETS}))


def test_attacks_are_as_long_as_they_are_asked_to_be():
    asked, wrapped, longer = model_of_ids(), model_of_ids(), model_of_ids()
    loss = {"rating": "mse"}
    train(asked, ids(), loss=loss, adversarial_epsilon=0.3)
    train(AdversarialModel(wrapped, 0.3), ids(), loss=loss)
    train(longer, ids(), loss=loss, adversarial_epsilon=1.0)
    for mine, its in zip(asked.get_weights(), wrapped.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)
    assert np.abs(asked.get_weights()[0] - longer.get_weights()[0]).max() > 1e-4


def test_a_balanced_model_is_attacked_like_the_sum_of_its_losses():
    def model():
        keras.utils.set_random_seed(0)
        item = keras.Input((), dtype="int32", name="item")
        vector = keras.layers.Embedding(3, 2, name="items")(item)
        return keras.Model(
            {"item": item}, {name: keras.layers.Dense(1, name=name)(vector) for name in "yz"}
        )

    data = tf.data.Dataset.from_tensors(({"item": IDS}, {"y": TARGETS, "z": 2 * TARGETS}))
    plain, balanced, unattacked = model(), model(), model()
    loss = {name: keras.losses.MeanSquaredError() for name in "yz"}
    weights = {"y": 0.5, "z": 1.0}
    train(plain, data, loss=loss, loss_weights=weights, adversarial_epsilon=0.3)
    train(BalancedModel(balanced, "fixed", loss_weights=weights, epsilon=0.3), data, loss=loss)
    train(unattacked, data, loss=loss, loss_weights=weights)
    for mine, its in zip(balanced.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    assert np.abs(balanced.get_weights()[0] - unattacked.get_weights()[0]).max() > 1e-4


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_or_infinite_ends_the_training(loss):
    with pytest.raises(TrainingDiverged, match=r"in epoch 1, by step 3"):
        DivergenceWatch().on_train_batch_end(2, {"loss": loss})


def test_a_training_that_was_stopped_is_not_gone_on_with(tmp_path):
    stopped = train(epochs=9, validate=values(0.3, 0.1, 0.1), patience=2, run_dir=tmp_path)
    assert stopped.stopped_early and stopped.epochs_run == 3 and stopped.best_epoch == 1
    model = linear_model()
    again = train(model, epochs=9, validate=values(), patience=2, run_dir=tmp_path)
    assert (again.epochs_run, again.best_epoch, again.best_value) == (3, 1, 0.3)
    fresh = linear_model()
    train(fresh, epochs=1)
    for mine, its in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)  # those of the best epoch, the first


def test_patience_begins_anew_with_each_improvement():
    result = train(epochs=9, validate=values(0.1, 0.05, 0.2, 0.15, 0.1), patience=2)
    assert result.history["val_ndcg@10"] == [0.1, 0.05, 0.2, 0.15, 0.1]
    assert result.stopped_early and (result.best_epoch, result.best_value) == (3, 0.2)


def balanced(balance, **choices):
    model = BalancedModel(two_outputs(), balance, **choices)
    rows = batches_of_two().unbatch().batch(10)
    rows = rows.map(lambda x, y: (x, {**y, "z": y["z"] ** 2}))  # learned at another pace
    loss = {name: keras.losses.MeanSquaredError() for name in "yz"}
    result = train(model, rows, loss=loss, epochs=3)
    (_, y), *_ = rows.as_numpy_iterator()
    return model, result.history, y


def test_given_weights_reach_the_learned_noise():
    model, _, _ = balanced("uncertainty", loss_weights={"y": 0.0})
    assert not model.get_layer("y").get_weights()[0].any()
    assert model.get_layer("z").get_weights()[0].all()


def test_dynamic_weights_compare_the_last_two_epochs_at_the_given_temperature():
    model, history, _ = balanced("dwa", temperature=0.25)
    rate = np.array([history[f"{name}_loss"][2] / history[f"{name}_loss"][1] for name in "yz"])
    share = np.exp(rate / 0.25) / np.exp(rate / 0.25).sum()
    np.testing.assert_allclose(model.moving_weights, 2 * share, rtol=1e-5)
    assert abs(share[0] - 0.5) > 0.001


def test_gradnorm_compares_with_the_first_losses():
    model, _, y = balanced("gradnorm")
    first = [np.mean(y[name] ** 2) for name in "yz"]  # all weights start at 0
    np.testing.assert_allclose(model.first_losses, first, rtol=1e-5)


@pytest.mark.parametrize("given", [DivergenceWatch(), [DivergenceWatch], "tensorboard", {1: 2}])
def test_what_is_no_list_of_callbacks_is_refused(given):
    with pytest.raises(TypeError, match=r"`callbacks` must be a list of keras\.callbacks\.Callb"):
        train(callbacks=given)


def test_callbacks_are_given_the_model_that_is_trained():
    seen = Recording()
    model = model_of_ids()
    data = tf.data.Dataset.from_tensors(({"item": IDS}, TARGETS))
    train(model, data, adversarial_epsilon=0.5, callbacks=[seen])
    (wrapper,) = seen.models
    assert isinstance(wrapper, AdversarialModel)
    assert [id(one) for one in wrapper.weights] == [id(one) for one in model.weights]
