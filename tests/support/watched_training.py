"""Trainings whose calls are watched, and numbers of theirs that are worked out anew."""

from __future__ import annotations

import numpy as np

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.training.fit import FitResult
from tfrec_fusion.zoo.runs.network_trainer import NetworkTrainer
from tfrec_fusion.zoo.runs.settings import Settings

DATA = index_data(generate(20, 25, 300, seed=2))
FOUND = FitResult({"loss": [1.0] * 5}, 3, 0.25, epochs_run=5, seconds=0.0, stopped_early=True)


class Seen(Exception):
    """Ends a training where the test has seen enough."""


def trained(name, folder, hyperparameters=None, data=DATA, *, run=True, callbacks=(), **options):
    """The result of a training, or the trainer that is yet to `run`."""
    keywords = {**(hyperparameters or {}), "progress": False, **options}
    settings = Settings.from_keywords(zoo.get_spec(name), keywords)
    trainer = NetworkTrainer(data, settings, folder, lambda line: None, callbacks=callbacks)
    return trainer.run() if run else trainer


def positives(dataset):
    """The pairs that a data set of clicks labels 1, in order."""
    found = []
    for x, label in dataset.as_numpy_iterator():
        pairs = zip(x["user_id"].tolist(), x["item_id"].tolist(), label, strict=True)
        found += [(user, item) for user, item, one in pairs if one]
    return sorted(found)


def pairs_of(events):
    return sorted(zip(events.user.tolist(), events.item.tolist(), strict=True))


def ndcg(scores, known, heldout, k=10):
    """NDCG@k by its definition, user by user."""
    values = []
    for user in np.unique(heldout.user):
        wanted = set(heldout.item[heldout.user == user].tolist())
        seen = {0, *known.item[known.user == user].tolist()}
        ranked = [item for item in np.argsort(-scores[user], kind="stable") if item not in seen]
        hits = [1 / np.log2(place + 2) for place, item in enumerate(ranked[:k]) if item in wanted]
        values.append(sum(hits) / sum(1 / np.log2(np.arange(min(k, len(wanted))) + 2)))
    return float(np.mean(values))


def scores_of(model, known):
    users = np.arange(known.num_users, dtype=np.int32)
    return np.asarray(model.score_model(known)({"user_id": users})["scores"])
