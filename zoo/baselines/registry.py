"""The baselines by name: what any new model has to be better than.

All are fitted by arithmetic, in seconds, and share one contract
(`zoo.baselines.matrix_chain.MatrixChain`): `fit(events, item_texts)`, `score(user_indices)`,
`similar(item_indices)`, `arrays` and `from_arrays` for saving, `score_model` and
`similarity_model` for export. The fields of each dataclass are its hyperparameters, with a `help`
text in their metadata.
"""

from __future__ import annotations

from tfrec_fusion.zoo.baselines.ease import EASE
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain
from tfrec_fusion.zoo.baselines.neighbors import ItemKNN, UserKNN
from tfrec_fusion.zoo.baselines.popularity import Popularity
from tfrec_fusion.zoo.baselines.tfidf import TFIDF

BASELINES: dict[str, type[MatrixChain]] = {
    "popularity": Popularity,
    "user_knn": UserKNN,
    "item_knn": ItemKNN,
    "tfidf": TFIDF,
    "ease": EASE,
}
