import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from checkout import child_environment

from tfrec_fusion.training.distribution import distribution_strategy, share_evenly

# Trains the same small model on one device and on two logical ones, in a process of its own
# because devices are divided once a process.
TRAIN = """
    import json, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    import keras
    from tfrec_fusion.training.distribution import distribution_strategy
    from tfrec_fusion.training.fit import fit

    def build(strategy):
        keras.utils.set_random_seed(7)
        with strategy.scope():
            user = keras.Input((), dtype="int32", name="user_id")
            item = keras.Input((), dtype="int32", name="item_id")
            vectors = [keras.layers.Embedding(20, 4)(user), keras.layers.Embedding(30, 4)(item)]
            hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()(vectors))
            hidden = keras.layers.Dropout(0.0)(hidden)
            logits = keras.layers.Flatten(name="logits")(keras.layers.Dense(1)(hidden))
            return keras.Model({"user_id": user, "item_id": item}, {"logits": logits})

    def batches(num_rows):
        random = np.random.default_rng(0)
        users, items = random.integers(1, 20, num_rows), random.integers(1, 30, num_rows)
        y = {"logits": random.integers(0, 2, (num_rows, 1)).astype("float32")}
        x = {"user_id": users, "item_id": items}
        return tf.data.Dataset.from_tensor_slices((x, y)).batch(16)

    def train(strategy, num_rows, **more):
        model = build(strategy)
        again = dict(
            epochs=1,
            optimizer=keras.optimizers.Adam(0.01),
            loss={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
            validate=lambda: {"ndcg@10": 0.5},
            run_dir=f"{sys.argv[1]}/{strategy.num_replicas_in_sync}_{num_rows}",
        ) | more
        fit(model, batches(num_rows), **again)
        weights = model.get_weights()
        restored = build(strategy)
        fit(restored, batches(num_rows), **again)
        assert all(map(np.array_equal, weights, restored.get_weights()))
        return weights

    def refusal(**wrong):
        try:
            train(mirrored, 16, **wrong)
        except ValueError as error:
            return str(error)

    none, mirrored = distribution_strategy("none"), distribution_strategy("mirrored")
    report = {"replicas": mirrored.num_replicas_in_sync}
    report["refused"] = [refusal(steps_per_execution=4), refusal(jit_compile=True)]
    for num_rows in (53, 49, 13):
        pairs = zip(train(none, num_rows), train(mirrored, num_rows))
        report[num_rows] = max(float(np.abs(one - other).max()) for one, other in pairs)
    print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirrored")
    command = [sys.executable, "-c", textwrap.dedent(TRAIN), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# With batches of 16, 53 rows leave a last batch of 5 and 49 one of a single row; 13 rows are one
# uneven batch, the first.
@pytest.mark.parametrize("num_rows", [53, 49, 13])
def test_two_devices_train_to_the_weights_of_one(num_rows, report):
    assert report["replicas"] == 2
    assert report[str(num_rows)] < 1e-5


def test_what_keras_cannot_do_on_two_devices_is_refused(report):
    by_steps, by_xla = report["refused"]
    assert "steps_per_execution=4, jit_compile=False, 2 replicas" in by_steps
    assert "steps_per_execution=1, jit_compile=True, 2 replicas" in by_xla


def test_none_is_the_default_strategy():
    assert distribution_strategy("none") is tf.distribute.get_strategy()


def test_mirrored_on_one_device_has_one_replica():
    assert distribution_strategy("mirrored").num_replicas_in_sync == 1


def test_an_unknown_strategy_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"none, mirrored.*Received: 'ps'.*Parameter servers"):
        distribution_strategy("ps")  # type: ignore[arg-type]


def test_share_evenly_fills_batches_with_rows_that_weigh_nothing():
    # Five rows among two replicas: a sixth that weighs 0, the others 6 / 5.
    rows = {"a": np.arange(9), "b": np.arange(18).reshape(9, 2)}
    dataset = tf.data.Dataset.from_tensor_slices((rows, np.arange(9))).batch(4)
    found = list(share_evenly(dataset, 2).as_numpy_iterator())
    assert [weight.tolist() for _, _, weight in found] == [[[1]] * 4, [[1]] * 4, [[2], [0]]]
    x, y, _ = found[-1]
    assert x["a"].tolist() == y.tolist() == [8, 8]
    assert x["b"].tolist() == [[16, 17], [16, 17]]

    five = tf.data.Dataset.from_tensor_slices((np.zeros(5), np.zeros(5))).batch(8)
    ((_, _, weight),) = share_evenly(five, 2)
    np.testing.assert_allclose(weight[:, 0], [1.2] * 5 + [0])


def test_share_evenly_scales_weights_given_per_step():
    steps = np.array([[1.0, 0.0], [1.0, 1.0], [0.5, 2.0]], "float32")
    dataset = tf.data.Dataset.from_tensor_slices((np.zeros(3), np.zeros(3), {"a": steps})).batch(3)
    ((_, _, weight),) = share_evenly(dataset, 2)
    np.testing.assert_allclose(weight["a"], [*(steps * 4 / 3), [0, 0]], rtol=1e-6)


def test_share_evenly_needs_labels():
    with pytest.raises(ValueError, match=r"must yield \(x, y\)"):
        share_evenly(tf.data.Dataset.range(3).batch(2), 2)


# The zoo's models of several losses, likewise; nothing is drawn in their training.
TASKS = """
    import json, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    import keras
    import keras_hub
    from built_models import built, one_batch, with_evidence, with_tasks
    from tfrec_fusion.training.distribution import distribution_strategy
    from tfrec_fusion.training.fit import fit
    from tfrec_fusion.zoo.runs.task_losses import losses_of

    def with_reader():
        arguments = with_tasks(id_dropout=0.0, text_dropout=0.0)
        sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 4, "intermediate_dim": 8}
        backbone = keras_hub.models.GPT2Backbone(
            arguments["tokenizer"].get_vocab_size() + 1, **sizes, dropout=0.0, max_sequence_length=6
        )
        return {**arguments, "backbone": backbone}

    CASES = [
        ("multi_task", with_reader),
        ("profile_fusion", with_evidence(id_dropout=0.0, dropout=0.0)),
    ]
    none, mirrored = distribution_strategy("none"), distribution_strategy("mirrored")
    report = {}
    for named in CASES:
        after = []
        for strategy in (none, mirrored):
            with strategy.scope():
                model = built(named)
            start = model.get_weights()
            spec, batch = one_batch(named, model, batch_size=27)
            losses = losses_of(spec, model)
            result = fit(
                model, batch, epochs=3, optimizer=keras.optimizers.SGD(0.01), loss=losses
            )
            after.append([now - then for now, then in zip(model.get_weights(), start)])
        report[named[0]] = {
            "moved": max(float(np.abs(one).max()) for one in after[0] if one.size),
            "apart": max(float(np.abs(one - other).max()) for one, other in zip(*after)),
            "losses": len(losses),
        }
    print(json.dumps(report))
"""


@pytest.mark.slow
def test_two_devices_train_several_tasks_as_one():
    command = [sys.executable, "-c", textwrap.dedent(TASKS)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=child_environment()
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for one in found.values():
        assert one["losses"] == 4
        assert one["apart"] < 1e-3 * one["moved"], found
