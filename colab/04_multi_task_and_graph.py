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
# # Several tasks in one model, and a knowledge graph
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/04_multi_task_and_graph.ipynb)
#
# Two ways to know more than who took what: let one model also learn ratings and reviews, or give it
# a graph of what the items are made of. Both can be looked into: which experts a task asks, and
# which paths of the graph carried a recommendation.

# %% tags=["install"]
import sys

# !{sys.executable} -c "from tfrec_fusion import zoo" || pip install -q git+https://github.com/tfrec-fusion/tfrec-fusion
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_logical_devices()))

# %% tags=["parameters"]
DATA = "movielens-100k"  # or a folder with your own interactions.csv, items.csv and graph.csv
PRESET = "minilm"  # the language model of the items' texts: see the notebook before
TEXT_LENGTH = 32  # tokens of a text that are read
BALANCE = "uncertainty"  # or "fixed", "dwa", "gradnorm", "pcgrad"
EPOCHS = 6
SIZES = {"dim": 64, "history_length": 100}
TASKS = {"num_experts": 4}  # of the model of several tasks, such as also "vocabulary_size"
USER = "196"

# %% [markdown]
# ## What can be learned from the data
# Ratings are a task beside the next item. Where people also wrote something (a column `text` in the
# interactions), two more can be had: whether a review is positive, and its words one after another.
# What a task teaches flows into the same vectors of users and items.

# %%
from tfrec_fusion.data.sources.reading import read_tables

tables = read_tables(DATA)
tasks = ("rating", "sentiment", "next_token") if "text" in tables.interactions else ("rating",)
print(f"{tables}: the next item, and {', '.join(tasks)}")
tables.interactions.head()

# %% [markdown]
# ## One model, several losses
# The sum of losses has a question in it: how much is an error of one star worth beside a film that
# was not guessed? `BALANCE` answers it while the model learns; `uncertainty` gives each loss a
# weight that is learned along (Kendall et al. 2018). Without `refit` there is one training instead
# of two: the test part is predicted from the train part alone.

# %%
import tempfile
from pathlib import Path

from tfrec_fusion import zoo

same = {
    "epochs": EPOCHS,
    "text_preset": PRESET,
    "text_length": TEXT_LENGTH,
    "refit": False,
    **SIZES,
}
out = Path(tempfile.mkdtemp())
several = zoo.train(
    tables,
    "multi_task",
    out / "tasks",
    say=print,
    balance=BALANCE,
    tasks=tasks,
    **same,
    **TASKS,
)

# %% [markdown]
# Each loss, its weight by epoch, and how well the validation part was predicted: NDCG@10 of the
# lists, RMSE of the ratings in stars.

# %%
from IPython.display import SVG, display

from tfrec_fusion.evaluation.plots import learning_curves
from tfrec_fusion.zoo.runs.comparison import plotted_curves

curves = plotted_curves(several.info["training"]["history"])
display(SVG(learning_curves({"multi_task": curves})))

# %% [markdown]
# ## Ratings it has not seen
# The latest films of one user, rated after the training ended: what was given, and what was
# expected.

# %%
import numpy as np
import pandas as pd

run = several.run
known, later = run.known_at_test, run.parts["test"]
user = run.users.index([USER])[0]
mine = later.user == user
pairs = {"user_id": later.user[mine], "item_id": later.item[mine]}
expected = several.model.pair_model(known, ["rating"]).predict(pairs, verbose=0)["rating"]
pd.DataFrame(
    {"title": run.titles[pairs["item_id"]], "given": later.rating[mine], "expected": expected}
).head(10)

# %% [markdown]
# ## Which expert is asked for what
# Between the towers and the tasks stand a few small networks, the experts, and each task has a gate
# that says how much it takes of each, for each pair of user and film. Below, the films that are
# recommended to the user first.

# %%
import matplotlib.pyplot as plt

best = several.recommend(USER, 12)
items = run.items.index(best["item_id"])
gates = several.model.gate_model(known)({"user_id": np.full(len(items), user), "item_id": items})

figure, panels = plt.subplots(
    1,
    len(gates),
    figsize=(3 + 3 * len(gates), 4.5),
    sharey=True,
    squeeze=False,
    layout="constrained",
)
for axes, (task, gate) in zip(panels[0], gates.items(), strict=True):
    picture = axes.imshow(gate, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set(title=task, xlabel="expert", xticks=range(gate.shape[1]))
    axes.set_xticklabels(range(1, gate.shape[1] + 1))
panels[0][0].set_yticks(range(len(best)), best["title"])
figure.colorbar(picture, label="share")
plt.show()

# %% [markdown]
# ## A knowledge graph as a further source
# Triples such as (film, directed by, person) say what films have in common beyond their texts. The
# model draws some neighbors of each film, attends to those that matter, and learns the triples
# along. MovieLens-100K comes with such a graph, from Freebase; your own is a table `graph.csv` with
# `head_id`, `relation_id`, `tail_id`.

# %%
graph = zoo.train(tables, "text_hybrid", out / "graph", say=print, use_graph=True, **same)
tables.graph.groupby("relation_id").size().sort_values(ascending=False).head(8)

# %% [markdown]
# All of them side by side, on the test part, with 95% intervals. One training of few epochs is an
# impression, not a verdict; `benchmarks/README.md` has the means over several.

# %%
from tfrec_fusion.evaluation.plots import metric_bars
from tfrec_fusion.evaluation.report import ReportRow

rows = [ReportRow(**row) for row in [*several.info["rows"], graph.info["rows"][-1]]]
display(SVG(metric_bars(rows, ["ndcg@10", "recall@20", "coverage@10"])))

# %% [markdown]
# ## Why, along the graph
# A path leads from a film somebody took over something both films have, a director say, to the one
# that is recommended. Its effect is what the score loses when that is set aside.
# MovieLens' graph has no names for what is no film, only Freebase's ids such as `m.09c7w0`. Of your
# own graph the ids that you gave are shown.

# %%
why = graph.explain(USER, words=True)
print(why.as_text())
display(SVG(why.as_svg()))

# %% [markdown]
# Next: [serving all this](05_serving.ipynb).
