"""Made-up data: sizes as asked, the same for the same seed, and a signal that is really there."""

import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from tfrec_fusion.data.sources.synthetic import generate
from tfrec_fusion.data.tables.rec_data import checksum


def matrix(data):
    """(num_users, num_items) CSR of the interactions, items in the catalog's order."""
    item = pd.Index(data.items["item_id"]).get_indexer(data.interactions["item_id"])
    user, _ = pd.factorize(data.interactions["user_id"])
    shape = (user.max() + 1, len(data.items))
    return sp.csr_matrix((np.ones(len(item)), (user, item)), shape=shape)


@pytest.fixture(scope="module")
def data():
    return generate(300, 200, 6000, seed=3, with_users=True, with_graph=True)


def test_sizes_are_as_asked(data):
    assert len(data.interactions) == 6000 and len(data.items) == 200 and len(data.users) == 300
    assert not data.interactions.duplicated(["user_id", "item_id"]).any()
    counts = data.interactions["user_id"].value_counts()
    assert len(counts) == 300 and counts.min() >= 5
    assert counts.max() > 3 * counts.median()
    assert set(data.interactions["rating"]) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("users", "items", "interactions"),
    [(1, 1, 1), (4, 6, 24), (10, 8, 79), (50, 40, 1500), (9, 5, 3)],
)
def test_even_dense_and_tiny_tables_have_no_pair_twice(users, items, interactions):
    data = generate(users, items, interactions, seed=1)
    assert len(data.interactions) == interactions
    assert not data.interactions.duplicated(["user_id", "item_id"]).any()


def test_the_same_seed_gives_the_same_tables(data):
    again = generate(300, 200, 6000, seed=3, with_users=True, with_graph=True)
    pd.testing.assert_frame_equal(again.interactions, data.interactions)
    pd.testing.assert_frame_equal(again.items, data.items)
    pd.testing.assert_frame_equal(again.users, data.users)
    pd.testing.assert_frame_equal(again.graph, data.graph)
    assert checksum(generate(300, 200, 6000, seed=4)) != checksum(generate(300, 200, 6000, seed=3))


def test_items_of_one_topic_occur_together(data):
    """Against the same without the signal, where only popularity brings items together."""

    def ratio(tables):
        together = (matrix(tables).T @ matrix(tables)).toarray()
        np.fill_diagonal(together, 0)
        topic = tables.items["genres"].to_numpy()
        same = topic[:, None] == topic[None, :]
        np.fill_diagonal(same, False)
        return together[same].mean() / together[topic[:, None] != topic[None, :]].mean()

    assert ratio(data) > 2
    assert 0.8 < ratio(generate(300, 200, 6000, seed=3, focus=0.0)) < 1.25


def test_popularity_is_skewed(data):
    counts = np.sort(np.asarray(matrix(data).sum(0)).ravel())[::-1]
    assert counts[:20].sum() > 0.25 * counts.sum()  # a tenth of the items, without skew 0.1


def test_text_tells_the_topic(data):
    """The item whose text is nearest is of the same topic far more often than chance."""
    for column, least in (("text", 0.95), ("title", 0.9)):
        words = [set(text.lower().replace(".", "").split()) for text in data.items[column]]
        index = {word: n for n, word in enumerate(sorted(set().union(*words)))}
        rows = [n for n, one in enumerate(words) for _ in one]
        columns = [index[word] for one in words for word in one]
        bags = sp.csr_matrix((np.ones(len(rows)), (rows, columns))).astype(float)
        overlap = (bags @ bags.T).toarray()
        np.fill_diagonal(overlap, -1)
        topic = data.items["genres"].to_numpy()
        assert (topic[overlap.argmax(1)] == topic).mean() > least


def test_ratings_are_higher_on_the_favorite(data):
    frame = data.interactions.merge(data.items).merge(data.users)
    liked = frame["genres"] == frame["segment"]
    assert frame.loc[liked, "rating"].mean() > frame.loc[~liked, "rating"].mean() + 0.5


def test_taste_drifts_away_from_the_first_favorite(data):
    frame = data.interactions.merge(data.items).merge(data.users)
    order = frame.groupby("user_id")["timestamp"].rank(pct=True, method="first")
    liked = frame["genres"] == frame["segment"]
    assert liked[order < 0.3].mean() > liked[order > 0.7].mean() + 0.2


def test_timestamps_grow_and_tie_and_lie_in_the_past(data):
    frame = data.interactions
    assert frame["timestamp"].is_monotonic_increasing
    ties = frame.duplicated(["user_id", "timestamp"]).mean()
    assert 0.2 < ties < 0.4
    assert frame["timestamp"].min() >= 1_420_070_400
    assert frame["timestamp"].max() < time.time()


def test_the_graph_links_items_to_their_topic(data):
    genre = data.graph[data.graph["relation_id"] == "genre"].set_index("head_id")["tail_id"]
    assert (genre[data.items["entity_id"]].to_numpy() == "topic." + data.items["genres"]).all()
    assert len(data.graph) == 400
    assert generate(5, 5, 9).graph is None and generate(5, 5, 9).users is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 5, 5), r"`num_users` must be at least 1. Received: num_users=0"),
        ((2, 5, 11), r"`num_interactions` must be at most num_users \* num_items.*11 > 2 \* 5"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate(*arguments)


def test_other_arguments_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"`focus` must be between 0 and 1. Received: focus=2"):
        generate(5, 5, 9, focus=2)
    with pytest.raises(ValueError, match=r"`num_topics` must be at least 1"):
        generate(5, 5, 9, num_topics=0)


def test_a_large_table_takes_seconds():
    begin = time.perf_counter()
    data = generate(10_000, 30_000, 150_000)
    assert len(data.interactions) == 150_000
    assert time.perf_counter() - begin < 15
