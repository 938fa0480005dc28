"""What a run's numbers must be: from its tables and the scores of its graph, by plain loops."""

import numpy as np
from reference_protocol import assert_ranked, reference_split

from tfrec_fusion.zoo.runs.run import load_run


def assert_measured(said, folder, interactions):
    """Compares what a command said of the test part of a run with the temporal split."""
    assert_ranked(said, *to_rank(load_run(folder), interactions))


def to_rank(run, interactions):
    """Scores, known and held-out items of a run's users, by the plain restatement of the split."""
    user, item = run.users.index(interactions["user_id"]), run.items.index(interactions["item_id"])
    is_test = reference_split(user, interactions["timestamp"].to_numpy(), item) == "test"
    known, heldout = np.zeros((2, len(run.users), len(run.items)), bool)
    known[user[~is_test], item[~is_test]] = True
    known[:, 0] = True  # index 0 is no item
    heldout[user[is_test], item[is_test]] = True
    users = np.arange(len(run.users), dtype=np.int32)
    scores = run.model.score_model(run.known_at_test)({"user_id": users})["scores"]
    return np.asarray(scores), known, heldout
