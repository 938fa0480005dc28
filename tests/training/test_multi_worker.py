"""Two processes train one model, to the weights that one process comes to."""

import json
import os
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tfrec_fusion.training.distribution import distribution_strategy

TRAIN = """
    import sys
    import keras
    import numpy as np
    import tensorflow as tf
    from tfrec_fusion.training.distribution import distribution_strategy
    from tfrec_fusion.training.fit import fit

    strategy = distribution_strategy(sys.argv[1])
    random = np.random.default_rng(0)
    x = {"user_id": random.integers(1, 20, 53), "item_id": random.integers(1, 30, 53)}
    y = {"logits": random.integers(0, 2, (53, 1)).astype("float32")}
    keras.utils.set_random_seed(7)
    with strategy.scope():
        user = keras.Input((), dtype="int32", name="user_id")
        item = keras.Input((), dtype="int32", name="item_id")
        vectors = [keras.layers.Embedding(20, 4)(user), keras.layers.Embedding(30, 4)(item)]
        logits = keras.layers.Dense(1, name="logits")(keras.layers.Concatenate()(vectors))
        model = keras.Model({"user_id": user, "item_id": item}, {"logits": logits})
    result = fit(
        model,
        tf.data.Dataset.from_tensor_slices((x, y)).batch(16),
        epochs=2,
        optimizer=keras.optimizers.SGD(0.5),
        loss={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
        jit_compile=False,
        progress=False,
    )
    weights = {str(place): weight for place, weight in enumerate(model.get_weights())}
    np.savez(sys.argv[2], loss=result.history["loss"], replicas=strategy.num_replicas_in_sync,
             **weights)
"""


def free_ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def process(strategy, path, **environment):
    command = [sys.executable, "-c", textwrap.dedent(TRAIN), strategy, str(path)]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def test_two_workers_come_to_the_weights_of_one(tmp_path):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    running = {"one": process("none", tmp_path / "one.npz")}
    for index in (0, 1):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        path = tmp_path / f"worker{index}.npz"
        running[f"worker{index}"] = process("multi_worker", path, TF_CONFIG=json.dumps(task))
    for one in running.values():
        _, said = one.communicate(timeout=240)
        assert one.returncode == 0, said[-2000:]
    found = {name: dict(np.load(tmp_path / f"{name}.npz")) for name in running}
    assert found["worker0"]["replicas"] == 2
    for name in ("worker0", "worker1"):
        for key in found["one"].keys() - {"replicas", "loss"}:
            np.testing.assert_allclose(found[name][key], found["one"][key], rtol=1e-4, atol=1e-6)
        # The mean that is shown counts the rows that fill a batch up.
        np.testing.assert_allclose(found[name]["loss"], found["one"]["loss"], rtol=1e-3)


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
    ],
)
def test_workers_that_are_not_named_are_refused(config, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="TF_CONFIG must name all workers"):
        distribution_strategy("multi_worker")


def test_a_machine_without_a_tpu_says_so(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    with pytest.raises(RuntimeError, match="No TPU can be found"):
        distribution_strategy("tpu")
