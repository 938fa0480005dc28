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
# # Quickstart: import a trained recommender and ask it
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/tfrec-fusion/tfrec-fusion/blob/main/colab/01_quickstart.ipynb)
#
# The prebuilt models come with the package, trained on MovieLens' ml-latest-small: nothing is
# downloaded, nothing is trained. They stand under the terms of the data: no commercial use without
# GroupLens' permission.

# %% tags=["install"]
import sys

# !{sys.executable} -c "from tfrec_fusion import zoo" || pip install -q git+https://github.com/tfrec-fusion/tfrec-fusion
import tensorflow as tf

print("Devices:", ", ".join(device.name for device in tf.config.list_logical_devices()))

# %% tags=["parameters"]
MODEL = "gpt2_hybrid.ml_latest_small"
USER = "1"
HISTORY = ["Toy Story", "Finding Nemo", "Ratatouille"]
WISH = "a western with gunfighters"
GENRES = ["Animation", "Horror", "Sci-Fi", "Western", "Documentary", "Film-Noir"]
MAPPED = 900  # films on the map, the best known ones

# %% [markdown]
# ## Which models there are
# NDCG@10 and recall@20 are measured on the test part of a temporal split, every film ranked.

# %%
from tfrec_fusion import zoo

zoo.list_models(pretrained=True)

# %% [markdown]
# ## Load one
# Its files are checked against the checksums of its card.

# %%
model = zoo.load(MODEL)
model

# %% [markdown]
# ## Ask it: for somebody it knows

# %%
model.recommend(USER)

# %% [markdown]
# For somebody new, from a few films by title or id:

# %%
model.recommend(history=HISTORY)

# %% [markdown]
# For a wish in any words; with a user, what fits it is ordered by taste:

# %%
model.recommend(USER, text=WISH)

# %% [markdown]
# ## Why?
# An effect is by how much the score falls when the film is left out of the history.

# %%
from IPython.display import SVG, display

reasons = model.explain(USER)
display(SVG(reasons.as_svg()))
reasons.history.head()

# %% [markdown]
# ## What it has learned
# Films as the model sees them: each a vector, drawn in two dimensions, colored by genre. The model
# is not told that a genre is one; what lies together is what the same people took, and what reads
# alike.

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

counts = model.answers.known.item_counts[1:]
films = model.items.assign(
    genre=model.items["text"].str.extract(rf"\b({'|'.join(GENRES)})\b", expand=False),
    row=np.arange(1, len(model.items) + 1),
    count=counts,
)
films = films.dropna(subset="genre").nlargest(MAPPED, "count")
vectors = model.keras_model.item_vectors()[films["row"]]
vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
films[["x", "y"]] = TSNE(metric="cosine", init="pca", random_state=0).fit_transform(vectors)

figure, axes = plt.subplots(figsize=(8, 6))
for genre, part in films.groupby("genre"):
    axes.scatter(part["x"], part["y"], s=12, alpha=0.7, label=genre)
axes.set(title="Films by what the model knows of them", xticks=[], yticks=[])
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How good it is, and beside what
# The card says what it learned from, how it was measured and what it is not for.

# %%
from tfrec_fusion.evaluation.plots import metric_bars
from tfrec_fusion.evaluation.report import ReportRow

card = model.card
measured = {**card.beside, card.name: card.metrics}
rows = [
    ReportRow(
        name,
        {metric: one[0] for metric, one in metrics.items()},
        {metric: tuple(one[1:]) for metric, one in metrics.items()},
    )
    for name, metrics in measured.items()
]
display(SVG(metric_bars(rows, ["ndcg@10", "recall@20", "coverage@10"])))
print(card.intended_use, *card.limits, sep="\n- ")

# %% [markdown]
# Next: [your own data](02_your_own_data.ipynb).
