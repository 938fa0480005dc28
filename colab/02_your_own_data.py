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
# # Your own data: from a DataFrame to a model that answers
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/02_your_own_data.ipynb)
#
# A table of who took what becomes a trained recommender, measured beside two classics, with a
# report and a folder that any TensorFlow can serve. Some minutes on any machine; MovieLens-100K,
# which is downloaded, is for research use.

# %% tags=["install"]
import sys

# !{sys.executable} -c "from tfrec_fusion import zoo" || pip install -q git+https://github.com/tfrec-fusion/tfrec-fusion
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_logical_devices()))

# %% tags=["parameters"]
DATA = "movielens-100k"  # or a folder with your own interactions.csv and items.csv
USER = "196"
OUT = "my_two_tower"  # the report goes here, and the exported model
EPOCHS = 15
DIM = 64  # size of the vectors of queries and items
HISTORY = 100  # how many of a user's latest items are read

# %% [markdown]
# ## Start from your own DataFrames
# One row an event: who, what, and where you have them a rating and a time in seconds. The columns
# may be called anything: here they are named as MovieLens' newer files name them. In their place,
# read your own tables, `ratings = pd.read_csv("ratings.csv")`.

# %%
from tfrec_fusion.data.sources.reading import read_tables

source = read_tables(DATA)
ratings = source.interactions.rename(columns={"user_id": "userId", "item_id": "movieId"})
movies = source.items.rename(columns={"item_id": "movieId"})
ratings.head()

# %% [markdown]
# ## Checked at the door
# `from_frames` is told your names once. From then on the tables are known to be sound: no missing
# ids, no ratings that are not numbers, no events with items nobody has heard of.

# %%
from tfrec_fusion.data.tables.rec_data import from_frames

names = {"user_id": "userId", "item_id": "movieId"}
tables = from_frames(ratings, movies, **names, name="my films", citation=source.citation)
tables

# %% [markdown]
# What is wrong is refused, with the place and the cure, before an hour of training is lost. Here
# two events name a film that the catalog lacks:

# %%
broken = ratings.copy()
broken.loc[broken.index[[3, 7]], "movieId"] = "no such film"
try:
    from_frames(broken, movies, **names)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# ## Numbers for ids, and something to measure on
# Each user's latest events are set aside: a tenth to choose epochs by, a fifth to measure on at the
# end. A model that is measured on what it has seen always looks good.

# %%
import pandas as pd

from tfrec_fusion.data.indexed import index_data

data = index_data(tables)
parts = {"train": data.train, "validation": data.validation, "test": data.test}
print(data.description)
pd.DataFrame({"events": {name: len(part) for name, part in parts.items()}})

# %% [markdown]
# ## A model, compiled as any other
# Two towers: one makes a vector of what a user took lately, the other has one for every film. Their
# product is the score. It is a plain functional `keras.Model`, so `compile` and `fit` are Keras's.

# %%
import keras

from tfrec_fusion import zoo

keras.utils.set_random_seed(0)
model = zoo.build(
    "two_tower",
    num_users=len(data.users),
    num_items=len(data.items),
    dim=DIM,
    history_length=HISTORY,
)
model.compile(
    keras.optimizers.AdamW(2e-3, weight_decay=0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
model.summary()

# %% [markdown]
# ## Training
# `sequences` is a `tf.data` pipeline of histories and the film that followed at each step. After an
# epoch the model ranks the whole catalog for the validation part, and the weights of the best
# epoch are kept. (`tfrec_fusion.training.fit` does this too, and resumes after an interruption.)

# %%
from tfrec_fusion.data.batches.sequences import sequences
from tfrec_fusion.zoo.runs.full_ranking import ranking_of

batches = sequences(
    data.train, history_length=HISTORY, jitter=4, batch_size=16, user_ids=False
)  # jitter: the exact order within a sitting is not worth learning
validate = ranking_of(model, data.train, data.validation, num_bootstrap=0)
history = {"loss": [], "val_ndcg@10": []}
for epoch in range(EPOCHS):
    history["loss"] += model.fit(batches, verbose=0, shuffle=False).history["loss"]
    history["val_ndcg@10"].append(validate().metrics["ndcg@10"])
    if history["val_ndcg@10"][-1] == max(history["val_ndcg@10"]):
        best_epoch, best_weights = epoch + 1, model.get_weights()
model.set_weights(best_weights)
print(f"Best of {EPOCHS} epochs: {best_epoch}")

# %%
from IPython.display import SVG, display

from tfrec_fusion.evaluation.plots import learning_curves

display(SVG(learning_curves({"two_tower": history})))

# %% [markdown]
# ## How good it is, and beside what
# On the test part, every film is ranked that the user does not know yet. Beside the model stand
# what is simply popular and EASE, a linear model that is hard to beat. Where the 95% intervals, the
# thin lines, overlap widely, there is no winner. The classics learned from train and validation,
# the two-tower model from train alone.

# %%
from tfrec_fusion.evaluation.plots import metric_bars
from tfrec_fusion.evaluation.report import ReportRow
from tfrec_fusion.zoo.runs.comparison import yardsticks

result = ranking_of(model, data.train_and_validation, data.test)()
rows = [*yardsticks(data), ReportRow("two_tower", result.metrics, result.intervals)]
display(SVG(metric_bars(rows, ["ndcg@10", "recall@10", "coverage@10"])))

# %% [markdown]
# The same as files: `metrics.csv` for a machine, and `report.html` for people, one page that needs
# nothing else. Open it from the file browser on the left.

# %%
from pathlib import Path

from tfrec_fusion.zoo.runs.comparison import write_report

write_report(
    Path(OUT),
    rows,
    title=f"two_tower on {tables.name}",
    notes=[f"{data.description}; the best of {EPOCHS} epochs on validation.", tables.citation],
    curves={"two_tower": history},
)
print(*sorted(path.name for path in Path(OUT).glob("*.*")), sep="\n")

# %% [markdown]
# ## Recommendations, and one folder to serve them from
# A `CatalogAnswers` is the model with its ids, its titles and what users did. Exported, all of it is
# one SavedModel with strings in and strings out, which a TensorFlow Serving runs as it is. Before
# it is put in place it is asked in a process that has only TensorFlow, and must answer as the model
# here does.

# %%
from tfrec_fusion.zoo.answers.catalog_answers import CatalogAnswers
from tfrec_fusion.zoo.exports.export_run import export_recommender

tf.get_logger().setLevel("ERROR")  # it would name the folder before that is in place
titles = data.titles
recommender = CatalogAnswers(model, data.users, data.items, titles, data.everything)
exported = export_recommender(recommender, Path(OUT) / "two_tower")
print(f"{exported.path}: {exported.size_bytes / 1e6:.1f} MB, {', '.join(exported.signatures)}")
recommender.recommend(USER)

# %% [markdown]
# Copied to another machine, `verify_folder` says whether it still answers as it did (on the command
# line, `tfrec-zoo verify FOLDER`).

# %%
from tfrec_fusion.serving.export.folder_check import verify_folder

pd.DataFrame(verify_folder(exported.path.parent))

# %% [markdown]
# And this is how an application sees it: no Keras, no code of ours, a string in and titles out.
# Somebody it has never seen is offered what most people took.

# %%
from tfrec_fusion.serving.export.reload import recommend_in_clean_process

answers = recommend_in_clean_process(exported.path, [USER, "somebody never seen"])
lists = {one["user_id"]: [item["title"] for item in one["items"][:5]] for one in answers}
pd.DataFrame(lists)

# %% [markdown]
# Next: [a language model inside](03_text_hybrid.ipynb).
