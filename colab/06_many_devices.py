# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Many devices: GPUs, a TPU, several machines
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/06_many_devices.ipynb)
#
# Every model of the zoo is a plain Keras model: it trains under `tf.distribute` by being built inside
# a strategy's scope. Nothing else in the program changes, and the weights come out the same.

# %% tags=["install"]
import sys

# !{sys.executable} -c "from tfrec_fusion import zoo" || pip install -q git+https://github.com/tfrec-fusion/tfrec-fusion
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_physical_devices()))

# %% tags=["parameters"]
STRATEGY = "mirrored"  # or "tpu" on a TPU, "none" for one device
NUM_USERS, NUM_ITEMS, NUM_EVENTS = 3000, 2000, 150_000
BATCH_SIZE = 8192  # of all devices together
EPOCHS = 3

# %% [markdown]
# Without a GPU the processor is divided into two devices, so that there is something to share. It
# must be done before TensorFlow is used.

# %%
if not tf.config.list_physical_devices("GPU") and STRATEGY == "mirrored":
    processor = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(processor, halves)
tf.config.list_logical_devices()

# %% [markdown]
# ## Data
# Made-up events of any size; see [your own data](02_your_own_data.ipynb) for real ones.

# %%
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate

data = index_data(generate(NUM_USERS, NUM_ITEMS, NUM_EVENTS, seed=1))
data

# %% [markdown]
# ## One device, then all
# The batch is that of all devices together: each gets its part. `training.fit` fills up a last batch
# that cannot be shared evenly, with rows that weigh nothing.

# %%
import keras

from tfrec_fusion import zoo
from tfrec_fusion.data.batches.pairs import pointwise
from tfrec_fusion.training.distribution import distribution_strategy
from tfrec_fusion.training.fit import fit

results = {}
for name in ["none", STRATEGY]:
    strategy = distribution_strategy(name)
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = zoo.build("neumf", num_users=len(data.users), num_items=len(data.items))
    batches = pointwise(data.train, negatives=4, batch_size=BATCH_SIZE, seed=3)
    results[f"{name}, {strategy.num_replicas_in_sync} replicas"] = fit(
        model,
        batches,
        epochs=EPOCHS,
        optimizer=keras.optimizers.Adam(5e-3),
        loss={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
    )

# %% [markdown]
# The curves all but lie on each other. How much faster it is depends on the devices: two halves of one
# processor are no faster than the whole.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6, 3.5))
for name, result in results.items():
    samples = 5 * len(data.train) * EPOCHS
    axes.plot(range(1, EPOCHS + 1), result.history["loss"], "o-", label=name, alpha=0.7)
    print(
        f"{name}: loss {result.history['loss'][-1]:.4f}, {samples / result.seconds:,.0f} samples/s"
    )
axes.set(xlabel="epoch", title="training loss", xticks=range(1, EPOCHS + 1))
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Two workers
# On several machines each runs the same program, and the variable `TF_CONFIG` says who the others
# are. Here both are on this machine. Keras 3.15 fails there without two repairs, which
# `distribution_strategy("multi_worker")` puts in place.

# %%
# %%writefile worker.py
import keras
import numpy as np

from tfrec_fusion.training.distribution import distribution_strategy

strategy = distribution_strategy("multi_worker")  # before anything else uses TensorFlow

from tfrec_fusion import zoo
from tfrec_fusion.data.batches.pairs import pointwise
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.training.fit import fit

data = index_data(generate(300, 200, 6000, seed=1))
keras.utils.set_random_seed(7)
with strategy.scope():
    model = zoo.build("neumf", num_users=len(data.users), num_items=len(data.items))
result = fit(
    model,
    pointwise(data.train, negatives=4, batch_size=512, seed=3),
    epochs=2,
    optimizer=keras.optimizers.Adam(5e-3),
    loss={"logits": keras.losses.BinaryCrossentropy(from_logits=True)},
    progress=False,
)
size = sum(np.abs(weight).sum() for weight in model.get_weights())
loss = result.history["loss"][-1]
print(f"{strategy.num_replicas_in_sync} replicas, loss {loss:.6f}, sum of weights {size:.4f}")

# %%
import json
import os
import socket
import subprocess

sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
for one in sockets:
    one.close()
running = []
for index in range(2):
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    environment = {**os.environ, "TF_CONFIG": json.dumps(config), "TF_CPP_MIN_LOG_LEVEL": "3"}
    running.append(
        subprocess.Popen(
            [sys.executable, "worker.py"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
for index, one in enumerate(running):
    said, failed = one.communicate(timeout=600)
    print(f"worker {index}: {said.strip() or failed[-1000:]}")

# %% [markdown]
# Both end with the same weights. On real machines the addresses are theirs, each writes to folders of
# its own, and all must see the same data.
#
# ## A TPU
# In Colab choose *Runtime > Change runtime type > TPU* and set `STRATEGY = "tpu"` above. The batch is
# divided among its cores; shapes must not change from batch to batch, so keep `BATCH_SIZE` a multiple
# of the number of cores. Parameter servers are not supported by Keras 3.
