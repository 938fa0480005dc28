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
# # Text and behavior together: a language model inside a recommender
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/03_text_hybrid.ipynb)
#
# What an item is about is in its text; what it is to people is in what they do. This notebook
# trains a model that reads both, takes it apart to see what each is worth, and asks it about a film
# that does not exist. Some ten minutes, and less with a GPU (Runtime, Change runtime type).

# %% tags=["install"]
import sys

# !{sys.executable} -c "from tfrec_fusion import zoo" || pip install -q git+https://github.com/tfrec-fusion/tfrec-fusion
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_logical_devices()))

# %% tags=["parameters"]
DATA = "movielens-100k"  # or a folder with your own interactions.csv and items.csv
PRESET = "minilm"  # or "tiny_gpt2" (in the package), "gpt2_base_en", "hf://…", a folder
TEXT_LENGTH = 32  # tokens of a text that are read
MODELS = ["ids and texts", "ids only", "texts only", "LoRA"]  # fewer take less time
EPOCHS = 6
LORA_EPOCHS = 1  # each reads every text at every step: more of them with a GPU
SIZES = {"dim": 64, "history_length": 100}
ITEM = "1"
USER = "196"
NEW_TEXT = "Robots in Love. Animation, Romance, Sci-Fi."  # of a film that does not exist

# %% [markdown]
# ## What a language model knows of the items
# Each item's text becomes a vector, once; the vectors are kept, so that a second run reads nothing
# again. What lies close together reads alike. No interaction is in this yet.

# %%
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.text.encoding.encoder import TextEncoder
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

tables = read_tables(DATA)
data = index_data(tables)
texts, titles = data.item_texts(), data.titles
encoder = TextEncoder(PRESET, max_length=TEXT_LENGTH)
search = SemanticSearch.over(data.items.ids, titles, texts, encoder)
text = texts[data.items.index([ITEM])[0]]
print(f"{len(texts) - 1} texts as vectors of length {encoder.dim}. Nearest to: {text}")
search.search(text, k=8)

# %% [markdown]
# ## Four models that differ in one choice
# The hybrid fuses an item's id, which learns from behavior, with its text. To see what each adds,
# it is trained without the one and without the other, and once more with the language model itself
# adapted to the data: LoRA trains a few small matrices inside its last block.

# %%
import tempfile
from pathlib import Path

from tfrec_fusion import zoo

same = {
    "epochs": EPOCHS,
    "text_preset": PRESET,
    "text_length": TEXT_LENGTH,
    "refit": False,  # one training instead of two: the test part is predicted from train alone
    **SIZES,
}
# The part that LoRA starts from is the hybrid with a frozen language model.
lora = {"text_mode": "lora", "lora_layers": 1, "epochs": LORA_EPOCHS, "part_epochs": EPOCHS}
variants = {
    "ids and texts": {},
    "ids only": {"sources": "id"},
    "texts only": {"sources": "text"},
    "LoRA": lora,
}
out, runs = Path(tempfile.mkdtemp()), {}
for name in MODELS:
    print(f"{name}:")
    keywords = {**same, **variants[name]}
    runs[name] = zoo.train(tables, "text_hybrid", out / name, say=print, **keywords)

# %% [markdown]
# The same from the command line, for the last one:
#
#     tfrec-zoo train text_hybrid --data movielens-100k --out runs/lora --text-mode lora
#
# How the trainings went: how well the validation part was ranked, and the loss. LoRA starts from a
# hybrid with a frozen language model, so it begins where another ends. Its steps are larger, which
# puts its loss on another scale: compare NDCG@10.

# %%
from IPython.display import SVG, display

from tfrec_fusion.evaluation.plots import learning_curves
from tfrec_fusion.zoo.runs.comparison import plotted_curves

curves = {name: plotted_curves(run.info["training"]["history"]) for name, run in runs.items()}
display(SVG(learning_curves(curves)))

# %% [markdown]
# ## What texts add, and what they cannot
# Measured on the test part, with 95% intervals, beside what is popular and a linear model. Films
# that many have seen are known by who saw them, so texts add little there, and alone they are poor:
# what they are for comes next.

# %%
from tfrec_fusion.evaluation.plots import metric_bars
from tfrec_fusion.evaluation.report import ReportRow

run = runs[MODELS[0]]
rows = [ReportRow(**row) for row in run.info["rows"][:2]]  # the classics
rows += [
    ReportRow(name, one.info["test"], one.info["test_intervals"]) for name, one in runs.items()
]
display(SVG(metric_bars(rows, ["ndcg@10", "recall@20", "coverage@10"])))

# %% [markdown]
# ## A cold-start item
# Ids know nothing of a film that came out today. The hybrid left ids out at random while it
# learned, so that a text can stand alone. Where would this one stand in each user's list of the
# whole catalog, and what did those take last who would see it first? (An item without interactions
# seldom comes first by itself; `offer_new_items=True` lifts such items to their share.)

# %%
import numpy as np
import pandas as pd

from tfrec_fusion.text.encoding.item_vectors import text_vectors

known, users = run.answers.known, np.arange(1, len(run.users) + 1)
vector = text_vectors([NEW_TEXT], PRESET, TEXT_LENGTH)
asked = {"user_id": users, "text": np.repeat(vector, len(users), axis=0)}
score = run.model.text_score_model(known).predict(asked, verbose=0)["score"]
places = pd.DataFrame(
    {
        "user_id": run.users,
        "place": 1 + (run.answers.score(users)[:, 1:] > score[:, None]).sum(axis=1),
        "took last": [", ".join(run.run.titles[one]) for one in known.histories(3)[users]],
    }
)
print(f"{NEW_TEXT} Its place among {len(run.items)}, median: {places['place'].median():.0f}")
places.nsmallest(8, "place")

# %% [markdown]
# ## Why?
# The effect of a past item or a word is by how much the score falls without it. For a word the
# language model reads the text again with the word left out.

# %%
best = run.recommend(USER, 5)
why = run.explain(USER, best["item_id"].iloc[0], words=True)
print(why.as_text())
display(SVG(why.as_svg()))
best

# %% [markdown]
# Next: [several tasks, and a graph](04_multi_task_and_graph.ipynb).
