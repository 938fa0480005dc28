"""Training with balanced losses: through plain fit, on one device and on two."""

import itertools
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from checkout import child_environment
from two_tasks import X, Y, batches, losses, two_tasks

from tfrec_fusion.layers.multitask import BALANCES, dynamic_weights
from tfrec_fusion.training.balancing import BalancedModel
from tfrec_fusion.training.fit import fit


def trained(balance, epochs=4, run_dir=None, **choices):
    model = two_tasks()
    result = fit(
        BalancedModel(model, balance, **choices),
        batches(),
        epochs=epochs,
        optimizer=keras.optimizers.Adam(0.01),
        loss=losses(),
        run_dir=run_dir,
        progress=False,
    )
    return model, result.history


@pytest.mark.parametrize("balance", BALANCES)
def test_a_scaled_loss_gives_the_same_steps(balance):
    """The scale that `mixed_float16` brings is a power of two: nothing may depend on it."""
    weights, histories = [], []
    for scale in (None, 2.0**15):
        model = two_tasks()
        balanced = BalancedModel(model, balance, loss_weights={"click": 0.5})
        optimizer = keras.optimizers.SGD(0.1)
        if scale is not None:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
        balanced.compile(optimizer, losses(), jit_compile=False)
        histories.append(balanced.fit(batches(), epochs=3, shuffle=False, verbose=0).history)
        weights.append([*model.get_weights(), np.array(list(balanced.weights_now.values()))])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5), name


@pytest.mark.parametrize("balance", BALANCES)
def test_each_balance_trains_and_logs_losses_and_weights(balance):
    model, history = trained(balance, epochs=30)
    assert set(history) == {"loss", *(f"{n}_{w}" for n in Y for w in ("loss", "weight"))}
    for name in Y:
        assert history[f"{name}_loss"][-1] < 0.6 * history[f"{name}_loss"][0]
    moved = np.ptp(history["rating_weight"]) > 0
    assert moved == (balance in ("uncertainty", "dwa", "gradnorm"))
    assert len(model.weights) == 6  # what belongs to the balance stays outside the model


def test_fixed_weights_are_those_of_plain_keras():
    model, _ = trained("fixed", loss_weights={"click": 0.3})
    plain = two_tasks()
    fit(
        plain,
        batches(),
        epochs=4,
        optimizer=keras.optimizers.Adam(0.01),
        loss=losses(),
        loss_weights={"rating": 1.0, "click": 0.3},
        progress=False,
    )
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_dynamic_weights_come_from_the_two_epochs_before():
    _, history = trained("dwa", epochs=4)
    found = np.array([[history[f"{n}_loss"][e] for n in ("rating", "click")] for e in range(4)])
    logged = [history[f"{n}_weight"] for n in ("rating", "click")]
    np.testing.assert_allclose(np.array(logged)[:, :2], 1.0)  # nothing to compare with yet
    expected = dynamic_weights(found[1], found[0])
    np.testing.assert_allclose(np.array(logged)[:, 2], expected, rtol=1e-5)


def test_dynamic_weights_heed_the_temperature():
    _, history = trained("dwa", epochs=4, temperature=0.3)
    found = np.array([[history[f"{n}_loss"][e] for n in Y] for e in range(2)])
    ratio = np.exp(found[1] / found[0] / 0.3)
    logged = [history[f"{n}_weight"][2] for n in Y]
    assert logged == pytest.approx(2 * ratio / ratio.sum(), rel=1e-5)


def test_pcgrad_steps_along_the_projected_gradients():
    x = keras.Input((1,), name="x")
    shared = keras.layers.Dense(2, use_bias=False, kernel_initializer="zeros")(x)
    heads = {"a": [[1.0], [0.0]], "b": [[-1.0], [1.0]]}
    outputs = {}
    for name, kernel in heads.items():
        head = keras.layers.Dense(1, use_bias=False, trainable=False)
        outputs[name] = head(shared)
        head.set_weights([np.array(kernel)])
    model = BalancedModel(keras.Model({"x": x}, outputs), "pcgrad")
    mean = keras.losses.MeanAbsoluteError  # slope 1 towards a target far away
    model.compile(keras.optimizers.SGD(1.0), {"a": mean(), "b": mean()})
    target = np.full((1, 1), -100.0)
    model.fit({"x": np.ones((1, 1))}, {"a": target, "b": target}, verbose=0)
    # gradients (1, 0) and (-1, 1) become (0.5, 0.5) and (0, 1)
    np.testing.assert_allclose(model.get_layer(index=1).get_weights()[0], [[-0.5, -1.5]])


def test_gradnorm_may_look_at_one_layer():
    _, whole = trained("gradnorm")
    _, one = trained("gradnorm", shared_layer="shared")
    assert whole["rating_weight"] == pytest.approx(one["rating_weight"])  # all they share is it
    with pytest.raises(ValueError, match="No such layer: nothing"):
        BalancedModel(two_tasks(), "gradnorm", shared_layer="nothing")


GIVEN = {"a": 0.5, "b": 2.0, "c": 3.0}  # loss weights


def linear_tasks(balance, **choices):
    """Three linear heads on a linear layer, squared errors, plain gradient descent."""
    rng = np.random.default_rng(1)
    x = keras.Input((3,), name="x")
    shared = keras.layers.Dense(2, use_bias=False, name="shared")(x)
    outputs = {name: keras.layers.Dense(1, use_bias=False, name=name)(shared) for name in GIVEN}
    model = BalancedModel(keras.Model({"x": x}, outputs), balance, loss_weights=GIVEN, **choices)
    for weight in model.trainable_variables[:4]:
        weight.assign(rng.normal(size=weight.shape))
    squared = {name: keras.losses.MeanSquaredError() for name in GIVEN}
    model.compile(keras.optimizers.SGD(0.1), squared)
    data = {"x": X[:4]}, {name: rng.normal(size=(4, 1)).astype(np.float32) for name in GIVEN}
    kernels = [model.get_layer(name).get_weights()[0] for name in ("shared", *GIVEN)]
    return model, data, kernels


def by_hand(kernels, data):
    """Losses `(3,)`, their gradients on the shared kernel `(3, 3, 2)` and on their heads."""
    shared, *heads = kernels
    (x, y), losses, on_shared, on_heads = data, [], [], []
    x = x["x"]
    for head, target in zip(heads, y.values(), strict=True):
        error = x @ shared @ head - target
        losses.append(np.mean(error**2))
        on_shared.append(x.T @ (error / 2) @ head.T)  # 2 / 4 rows
        on_heads.append((x @ shared).T @ (error / 2))
    return np.array(losses), np.array(on_shared), np.array(on_heads)


def test_a_step_of_pcgrad_with_loss_weights_by_hand():
    model, data, kernels = linear_tasks("pcgrad")
    losses, on_shared, on_heads = by_hand(kernels, data)
    given = np.array([*GIVEN.values()])
    weighted = (given[:, None, None] * on_shared).reshape(3, -1)
    assert (weighted @ weighted.T < 0).sum() >= 4  # conflicts of two pairs at least
    steps = []
    for order in itertools.permutations(range(3)):
        own = weighted.copy()
        for task in range(3):
            for other in order:
                product = own[task] @ weighted[other]
                if other != task and product < 0:
                    own[task] -= product / (weighted[other] @ weighted[other]) * weighted[other]
        steps.append(own.sum(0).reshape(3, 2))
    assert np.std(steps, axis=0).max() > 0.005  # the order shows
    history = model.fit(*data, batch_size=4, verbose=0).history
    assert history["loss"][0] == pytest.approx(given @ losses, rel=1e-5)
    moved = kernels[0] - 0.1 * np.array(steps)
    shared = model.get_layer("shared").get_weights()[0]
    assert np.abs(moved - shared).max((1, 2)).min() < 1e-5
    for number, name in enumerate(GIVEN):
        expected = kernels[1 + number] - 0.1 * given[number] * on_heads[number]
        np.testing.assert_allclose(model.get_layer(name).get_weights()[0], expected, atol=1e-5)


def test_steps_of_gradnorm_with_loss_weights_by_hand():
    model, data, kernels = linear_tasks("gradnorm", alpha=4.0, rate=0.05)
    given, weights, first = np.array([*GIVEN.values()]), np.ones(3), None
    for _ in range(9):  # in the last one a smaller alpha would turn a sign
        losses, on_shared, on_heads = by_hand(kernels, data)
        first = losses if first is None else first
        norms = given * np.sqrt((on_shared**2).sum((1, 2)))
        lag = losses / first / np.mean(losses / first)
        wanted = np.mean(weights * norms) * lag**4
        weights = weights - 0.05 * np.sign(weights * norms - wanted) * norms
        weights *= 3 / weights.sum()
        step = np.einsum("t,tij->ij", weights * given, on_shared)
        heads = [
            head - 0.1 * w * g * own
            for head, w, g, own in zip(kernels[1:], weights, given, on_heads, strict=True)
        ]
        kernels = [kernels[0] - 0.1 * step, *heads]
    assert np.ptp(lag) > 0.1 and np.ptp(weights) > 0.1
    model.fit(*data, batch_size=4, epochs=9, verbose=0)
    expected = dict(zip(GIVEN, given * weights, strict=True))
    assert model.weights_now == pytest.approx(expected, rel=1e-4)
    for name, kernel in zip(("shared", *GIVEN), kernels, strict=True):
        np.testing.assert_allclose(model.get_layer(name).get_weights()[0], kernel, atol=1e-4)


def test_a_step_of_uncertainty_with_loss_weights_by_hand():
    model, data, kernels = linear_tasks("uncertainty")
    start = np.array([0.4, -0.3, 1.1])
    model.log_variance.assign(start)
    losses, on_shared, on_heads = by_hand(kernels, data)
    given = np.array([*GIVEN.values()])
    factor = given * np.exp(-start) / 2  # a squared error's likelihood is Gaussian
    history = model.fit(*data, batch_size=4, verbose=0).history
    assert history["loss"][0] == pytest.approx(factor @ losses + start.sum() / 2, rel=1e-5)
    moved = start - 0.1 * (0.5 - factor * losses)
    np.testing.assert_allclose(model.log_variance, moved, rtol=1e-4)
    expected = kernels[0] - 0.1 * np.einsum("t,tij->ij", factor, on_shared)
    np.testing.assert_allclose(model.get_layer("shared").get_weights()[0], expected, atol=1e-5)
    for number, name in enumerate(GIVEN):
        expected = kernels[1 + number] - 0.1 * factor[number] * on_heads[number]
        np.testing.assert_allclose(model.get_layer(name).get_weights()[0], expected, atol=1e-5)
    now = given / 2 * np.exp(-moved)
    assert [model.weights_now[name] for name in GIVEN] == pytest.approx(now, rel=1e-4)


@pytest.mark.parametrize("balance", ["dwa", "gradnorm"])
def test_an_interrupted_training_goes_on_with_its_weights(balance, tmp_path):
    through, history = trained(balance, epochs=5)
    trained(balance, epochs=3, run_dir=tmp_path)
    resumed, later = trained(balance, epochs=5, run_dir=tmp_path)
    assert later["rating_weight"] == pytest.approx(history["rating_weight"], rel=1e-5)
    for one, other in zip(through.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


TWO_DEVICES = """
import json, sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import test_balancing as here
from tfrec_fusion.layers.multitask import BALANCES
from tfrec_fusion.training.distribution import distribution_strategy
found, mirrored = {}, distribution_strategy("mirrored")
for balance in BALANCES:
    alone = here.trained(balance)[0].get_weights()
    with mirrored.scope():
        both = here.trained(balance)[0].get_weights()
    found[balance] = float(max(np.abs(a - b).max() for a, b in zip(alone, both)))
print(json.dumps(found))
"""


@pytest.mark.slow
def test_two_devices_train_as_one():
    command = [sys.executable, "-c", TWO_DEVICES]
    ran = subprocess.run(command, capture_output=True, text=True, env=child_environment())
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    assert set(found) == set(BALANCES) and max(found.values()) < 1e-5, found


def test_what_does_not_fit_is_refused():
    model = two_tasks()
    with pytest.raises(ValueError, match="one of fixed, uncertainty, dwa, gradnorm, pcgrad"):
        BalancedModel(model, "equal")
    with pytest.raises(ValueError, match="outputs the model does not have: sentiment"):
        BalancedModel(model, loss_weights={"sentiment": 1.0})
    with pytest.raises(ValueError, match="dict of named outputs"):
        BalancedModel(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    balanced = BalancedModel(model)
    with pytest.raises(ValueError, match="nothing for the outputs click"):
        balanced.compile("adam", {"rating": losses()["rating"]})
    with pytest.raises(ValueError, match="does not have: clicks"):
        balanced.compile("adam", {**losses(), "clicks": losses()["click"]})
    with pytest.raises(ValueError, match=r"a `keras\.losses\.Loss` for each output"):
        balanced.compile("adam", "mse")
    with pytest.raises(ValueError, match="to `BalancedModel`"):
        balanced.compile("adam", losses(), loss_weights={"click": 1.0})
    balanced.compile("adam", losses())
    with pytest.raises(ValueError, match=r"dict with rating, click. Received: \['rating'\]"):
        balanced.fit({"x": X}, {"rating": Y["rating"]}, verbose=0)
