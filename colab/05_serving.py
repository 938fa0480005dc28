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
# # Serving: from a trained model to answers over HTTP
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/05_serving.ipynb)
#
# A trained model becomes a SavedModel that an unmodified TensorFlow Serving runs: strings in, titles
# and scores out. Here it is exported, checked, served without Docker, asked and put under load.

# %% tags=["install"]
import sys

# !{sys.executable} -c "import fastapi, tfrec_fusion.zoo" || pip install -q "tfrec-fusion[serving] @ git+https://github.com/tfrec-fusion/tfrec-fusion"
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_logical_devices()))

# %% tags=["parameters"]
MODEL = "gpt2_hybrid.ml_latest_small"
FOLDER = "savedmodels/films"
USER = "1"
HISTORY = ["1", "6377", "50872"]  # item ids: Toy Story, Finding Nemo, Ratatouille
REQUESTS = 400  # of each measurement
THREADS = [1, 2, 4, 8]  # that ask at the same time

# %% [markdown]
# ## Export
# The version is written to a hidden folder, asked every signature in a process that has only
# TensorFlow, compared with the Keras model, and only then put in place.

# %%
from tfrec_fusion import zoo

model = zoo.load(MODEL)
report = model.export(FOLDER, with_texts=False)
print(f"{report.path}, largest difference from the Keras model {report.max_abs_difference:.1e}")

# %% [markdown]
# Beside the version stands the kit: what the server needs to know, calls to copy, and inside the
# version its warm-up.

# %%
from pathlib import Path

for path in sorted(Path(FOLDER).rglob("*")):
    if path.is_file():
        print(f"{path.stat().st_size:>10,}  {path.relative_to(FOLDER)}")

# %% [markdown]
# `verify` replays the answers that the version must have, and checks operations, signatures and
# files. It is the command to run wherever the folder was copied to.

# %%
# !{sys.executable} -m tfrec_fusion.zoo verify {FOLDER}

# %% [markdown]
# ## Serve
# `docker compose up` in the folder starts TensorFlow Serving. The local server answers the same REST
# paths and protocol buffers without Docker; it also has a page to try the models.

# %%
from tfrec_fusion.serving.local.server import LocalServer

server = LocalServer(Path(FOLDER).parent, port=0, grpc_port=0).start()
print(server.url, server.grpc_address)

# %% [markdown]
# ## Ask
# The client speaks to either server, over HTTP or gRPC. Somebody it knows:

# %%
import pandas as pd
from IPython.display import display

from tfrec_fusion.serving.client import Client

client = Client(server.url, Path(FOLDER).name, timeout=30)
pd.DataFrame(client.recommend(USER, k=5))

# %% [markdown]
# Somebody new, by what they took, over gRPC; and an id that nobody ever had, who gets what is
# popular, with a warning and the source `popularity`:

# %%
fast = Client(f"grpc://{server.grpc_address}", Path(FOLDER).name, timeout=30)
display(pd.DataFrame(fast.recommend_from_history(HISTORY, k=5)))
pd.DataFrame(fast.recommend("nobody", k=5))

# %% [markdown]
# The same without the client, as any language can ask it:

# %%
import httpx2

body = {"inputs": {"user_id": [USER]}}
answer = httpx2.post(f"{server.url}/v1/models/{Path(FOLDER).name}:predict", json=body)
answer.json()["outputs"]["title"]

# %% [markdown]
# ## Under load
# Requests a second, and how long one takes, by how many ask at the same time. `python
# benchmarks/serving_load.py` measures longer and swaps versions meanwhile.

# %%
import time
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt

users = (model.users * (REQUESTS // len(model.users) + 1))[:REQUESTS]
measured = []
for threads in THREADS:
    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        answers = list(pool.map(fast.recommend, users))
        seconds = time.perf_counter() - began
    full = sum(len(answer) == 10 for answer in answers)
    measured.append({"threads": threads, "answers": full, "per_second": REQUESTS / seconds})
table = pd.DataFrame(measured).assign(milliseconds=1000 * pd.Series(THREADS))
table["milliseconds"] /= table["per_second"]

figure, axes = plt.subplots(1, 2, figsize=(8, 3))
for panel, column, title in zip(
    axes, ["per_second", "milliseconds"], ["answers a second", "ms an answer"], strict=True
):
    panel.plot(table["threads"], table[column], "o-")
    panel.set(title=title, xlabel="asking at the same time", ylim=0, xticks=THREADS)
plt.tight_layout()
plt.show()
table

# %% [markdown]
# ## A new version
# The next export is version 2. It takes over as soon as it is loaded, without a failed request, and
# `promote` gives it the label `stable`.

# %%
newer = model.export(FOLDER, with_texts=False)
# !{sys.executable} -m tfrec_fusion.zoo promote {FOLDER}
deadline, latest = time.monotonic() + 60, fast.status()[0]
while (latest.version, latest.state) != (newer.version, "AVAILABLE"):
    assert time.monotonic() < deadline, latest
    time.sleep(1)
    latest = fast.status()[0]
fast.status()

# %%
fast.close()
client.close()
server.stop()

# %% [markdown]
# Next: [many devices](06_many_devices.ipynb).
