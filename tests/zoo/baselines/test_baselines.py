"""The baselines: numbers worked by hand, one contract for all, errors."""

from __future__ import annotations

import math
from dataclasses import fields

import keras
import numpy as np
import pytest
import scipy.sparse as sp
import tensorflow as tf
from event_tables import events_of as timed_events

from tfrec_fusion import zoo
from tfrec_fusion.data.events import Events
from tfrec_fusion.layers.constant_matrix import DenseMatrix, PastItems, SparseMatrix
from tfrec_fusion.zoo.baselines.ease import EASE
from tfrec_fusion.zoo.baselines.matrix_chain import MatrixChain, histories
from tfrec_fusion.zoo.baselines.neighbors import ItemKNN, UserKNN, nearest
from tfrec_fusion.zoo.baselines.popularity import Popularity
from tfrec_fusion.zoo.baselines.tfidf import TFIDF

BASELINES = {name: spec.config for name, spec in zoo.specs().items() if spec.is_baseline}
VARIANTS = [
    ("popularity", {}),
    ("user_knn", {"k": 5}),
    ("user_knn", {"k": 5, "similarity": "pearson"}),
    ("user_knn", {"k": 5, "use_ratings": True}),
    ("item_knn", {"k": 6}),
    ("item_knn", {"k": 6, "similarity": "pearson"}),
    ("tfidf", {"ngrams": 2}),
    ("ease", {"l2": 3.0}),
    ("ease", {"l2": 3.0, "half_life": 2.0, "kept": 4}),
]
NUM_USERS, NUM_ITEMS = 21, 16
WORDS = ["space", "war", "love", "robot", "paris", "ship"]
TEXTS = ["", *(f"{WORDS[i % 6]} {WORDS[i * 5 % 6]} film{i % 3}" for i in range(1, NUM_ITEMS))]


def events_of(pairs: list[tuple[int, int]], num_users: int, num_items: int, ratings=None) -> Events:
    user, item = (np.array(column, np.int32) for column in zip(*sorted(pairs), strict=True))
    rating = np.ones(len(pairs), np.float32) if ratings is None else np.array(ratings, np.float32)
    return Events(user, item, rating, np.zeros(len(pairs), np.int64), num_users, num_items)


def random_events() -> Events:
    """20 users and 15 items; user 20 and item 15 occur nowhere."""
    generator = np.random.default_rng(0)
    taken = np.argwhere(generator.random((NUM_USERS, NUM_ITEMS)) < 0.3)
    pairs = [(u, i) for u, i in taken.tolist() if 0 < u < 20 and 0 < i < 15]
    return events_of(pairs, NUM_USERS, NUM_ITEMS, generator.integers(1, 6, len(pairs)))


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda one: f"{one[0]}{one[1] or ''}")
def fitted(request: pytest.FixtureRequest) -> MatrixChain:
    name, arguments = request.param
    return BASELINES[name](**arguments).fit(random_events(), TEXTS)


# ------------------------------------------------------------------ one contract for all


def test_scores_have_a_row_a_user(fitted):
    scores = fitted.score(np.array([3, 1, 3]))
    assert scores.shape == (3, NUM_ITEMS)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert (scores[0] == scores[2]).all()
    assert (scores[:, 0] == 0).all()
    assert scores.any()


def test_unseen_users_score_zero(fitted):
    if not isinstance(fitted, Popularity):
        assert not fitted.score(np.array([0, 20])).any()


def test_graph_scores_equal_the_arrays(fitted):
    users = np.arange(NUM_USERS, dtype=np.int32)
    graph = fitted.score_model().predict({"user_id": users}, verbose=0)["scores"]
    np.testing.assert_allclose(graph, fitted.score(users), rtol=1e-5, atol=1e-5)


def test_similarity_graph_equals_the_arrays(fitted):
    items = np.arange(NUM_ITEMS, dtype=np.int32)
    model = fitted.similarity_model()
    if model is None:
        with pytest.raises(ValueError, match="no notion of similar items"):
            fitted.similar(items)
        return
    similar = fitted.similar(items)
    assert similar.shape == (NUM_ITEMS, NUM_ITEMS)
    assert similar.dtype == np.float32
    assert not similar[0].any()
    graph = model.predict({"item_id": items}, verbose=0)["scores"]
    np.testing.assert_allclose(graph, similar, rtol=1e-5, atol=1e-5)


def test_graphs_take_an_empty_batch_and_have_nothing_to_train(fitted):
    model = fitted.score_model()
    call = tf.function(model, input_signature=[{"user_id": tf.TensorSpec([None], tf.int32)}])
    assert call({"user_id": tf.zeros([0], tf.int32)})["scores"].shape == (0, NUM_ITEMS)
    assert model.trainable_weights == []


def test_keras_file_round_trip(fitted, tmp_path):
    users = np.arange(NUM_USERS, dtype=np.int32)
    fitted.score_model().save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    scores = loaded.predict({"user_id": users}, verbose=0)["scores"]
    np.testing.assert_allclose(scores, fitted.score(users), rtol=1e-5, atol=1e-5)


def test_npz_round_trip_without_pickle(fitted, tmp_path):
    np.savez(tmp_path / "arrays.npz", **fitted.arrays())
    with np.load(tmp_path / "arrays.npz", allow_pickle=False) as arrays:
        loaded = type(fitted).from_arrays(arrays)
    assert loaded == fitted  # the same hyperparameters
    users = np.arange(NUM_USERS)
    assert (loaded.score(users) == fitted.score(users)).all()


def test_from_arrays_names_what_is_missing(fitted):
    arrays = fitted.arrays()
    name = next(name for name in arrays if name.startswith(fitted.score_chain[-1]))
    del arrays[name]
    with pytest.raises(ValueError, match=r"cannot be read: the array '.*' is missing"):
        type(fitted).from_arrays(arrays)


@pytest.mark.parametrize("name", BASELINES)
def test_events_must_not_be_empty(name):
    empty = Events(*(np.zeros(0, np.int32) for _ in range(4)), num_users=3, num_items=3)
    unseen = events_of([(0, 1), (1, 0)], 3, 3)
    for events in (empty, unseen):
        with pytest.raises(ValueError, match="at least one event of a known user and item"):
            BASELINES[name]().fit(events, ["", "a word", "a word"])


@pytest.mark.parametrize("name", BASELINES)
def test_must_be_fitted_first(name):
    baseline = BASELINES[name]()
    for ask in (lambda: baseline.score(np.array([1])), baseline.arrays, baseline.score_model):
        with pytest.raises(ValueError, match="must be fitted first: call `fit"):
            ask()


@pytest.mark.parametrize("name", BASELINES)
def test_hyperparameters_explain_themselves(name):
    for one in fields(BASELINES[name]):
        assert one.init
        assert one.metadata["help"]


def test_fitting_again_forgets_the_first_fit():
    model = Popularity().fit(events_of([(1, 1)], 3, 3))
    model.score_model()
    model.fit(events_of([(1, 2), (2, 2)], 3, 3))
    scores = model.score_model().predict({"user_id": np.array([1])}, verbose=0)["scores"]
    assert scores.tolist() == [[0.0, 0.0, 2.0]]


def test_both_graphs_share_the_item_weights():
    events = random_events()
    model = EASE().fit(events)
    weights = model.similarity_model().get_layer("weights")
    assert model.score_model().get_layer("weights") is weights
    assert model.score_model(events).get_layer("weights") is weights


def test_unseen_rows_of_the_events_are_left_out():
    events = events_of([(0, 1), (0, 2), (1, 0), (1, 1)], 3, 3)
    assert Popularity().fit(events).score(np.array([1])).tolist() == [[0.0, 1.0, 0.0]]


# ------------------------------------------------------------------ numbers worked by hand


def test_popularity_counts_users_once():
    events = events_of([(1, 1), (1, 1), (1, 2), (2, 2)], 3, 4)
    assert Popularity().fit(events).score(np.array([0, 2])).tolist() == [[0, 1, 2, 0]] * 2


def test_item_knn_by_hand():
    # Item 1 is with users 1, 2; item 2 with 1, 2, 3; item 3 with 3.
    events = events_of([(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3)], 4, 4)
    model = ItemKNN(k=1, shrink=2.0).fit(events)
    one_two = 2 / (math.sqrt(2 * 3) + 2)
    two_three = 1 / (math.sqrt(3 * 1) + 2)
    assert model.similar(np.array([1]))[0] == pytest.approx([0, 0, one_two, 0])
    assert model.similar(np.array([2]))[0] == pytest.approx([0, one_two, 0, 0])  # k=1
    assert model.similar(np.array([3]))[0] == pytest.approx([0, 0, two_three, 0])
    # User 3 has items 2 and 3. Item 1's nearest is 2; item 3's nearest is 2; item 2's is 1.
    assert model.score(np.array([3]))[0] == pytest.approx([0, one_two, 0, two_three])


def test_user_knn_by_hand():
    # User 1 shares both items with user 2, one with user 3.
    events = events_of([(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 4)], 4, 5)
    model = UserKNN(k=2, shrink=0.0).fit(events)
    two, three = 2 / math.sqrt(2 * 3), 1 / math.sqrt(2 * 2)
    assert model.score(np.array([1]))[0] == pytest.approx([0, two, two + three, two, three])
    nearest_only = UserKNN(k=1, shrink=0.0).fit(events)
    assert nearest_only.score(np.array([1]))[0] == pytest.approx([0, two, two, two, 0])
    # Item 1 is with users 1, 2 and item 2 with 1, 2, 3.
    assert model.similar(np.array([1]))[0, 2] == pytest.approx(2 / math.sqrt(2 * 3))


def test_user_knn_with_ratings_weighs_votes():
    events = events_of([(1, 1), (2, 1), (2, 2)], 3, 3, ratings=[5, 3, 4])
    model = UserKNN(shrink=0.0, use_ratings=True).fit(events)
    cosine = 5 * 3 / (5 * 5)
    assert model.score(np.array([1]))[0] == pytest.approx([0, 3 * cosine, 4 * cosine])


@pytest.mark.parametrize("seed", [0, 1])
def test_pearson_is_the_correlation_of_the_rows(seed):
    dense = np.random.default_rng(seed).integers(0, 4, (9, 30)).astype(np.float32)
    expected = np.corrcoef(dense) * (1 - np.eye(9))
    found = nearest(sp.csr_matrix(dense), k=9, similarity="pearson").toarray()
    np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-6)


def test_neighbors_tie_to_the_smaller_number_in_any_block(monkeypatch):
    rows = sp.csr_matrix(np.ones((5, 3), np.float32))
    expected = [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]
    for cells in (2**23, 10):
        monkeypatch.setattr("tfrec_fusion.zoo.baselines.neighbors.BLOCK_CELLS", cells)
        found = nearest(rows, k=2)
        assert found.indices.reshape(5, 2).tolist() == expected


def test_ease_solves_its_equations():
    # The weights minimize |X - XB|^2 + l2 |B|^2: off the diagonal the gradient is zero.
    events = random_events()
    model = EASE(l2=2.0).fit(events)
    dense, weights = events.matrix().toarray(), model.similar(np.arange(NUM_ITEMS))
    gradient = dense.T @ (dense @ weights - dense) + 2.0 * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-4
    assert (np.diag(weights) == 0).all()


def test_ease_keeps_the_largest_weights_of_an_item():
    events = random_events()
    whole, few = (EASE(l2=2.0, kept=kept).fit(events) for kept in (0, 3))
    items = np.arange(1, NUM_ITEMS)
    for all_of, kept in zip(whole.similar(items).T, few.similar(items).T, strict=True):
        largest = np.argsort(-np.abs(all_of), kind="stable")[:3]
        assert kept[largest] == pytest.approx(all_of[largest])
        assert np.count_nonzero(kept) <= 3
    assert len(few.arrays()["weights.data"]) < NUM_ITEMS * 4
    all_kept = EASE(l2=2.0, kept=NUM_ITEMS).fit(events)
    assert all_kept.score(items) == pytest.approx(whole.score(items), abs=1e-6)


def test_past_items_count_half_after_a_half_life():
    # User 1 took item 3, then 1 and 2 in one second, then 4 and last 3 again.
    columns = [[1, 1, 1, 1, 1], [3, 1, 2, 4, 3], [1.0] * 5, [10, 20, 20, 30, 40]]
    user, item, rating, time = (np.array(column) for column in columns)
    past = Events(user.astype("i4"), item.astype("i4"), rating.astype("f4"), time, 3, 6)
    weights = histories(past, half_life=2.0).toarray()
    assert weights[1] == pytest.approx([0, 0.5, 0.5, 1, 2**-0.5, 0])
    assert not weights[[0, 2]].any()
    assert histories(past).toarray()[1].tolist() == [0, 1, 1, 1, 1, 0]
    # A list has no seconds: each place counts.
    layer = PastItems(6, half_life=2.0)
    rows = layer(np.array([[0, 3, 1, 2, 4, 3], [0] * 6], np.int32)).numpy()
    assert rows[0] == pytest.approx([0, 2**-1.5, 0.5, 1, 2**-0.5, 0])
    assert not rows[1].any()
    assert PastItems.from_config(layer.get_config()).half_life == 2.0


TIMED = [
    *[(1, 3, 10), (1, 1, 20), (1, 2, 20), (1, 4, 30), (1, 3, 99)],  # item 3 comes again
    *[(2, 5, 0), (2, 1, 6), (2, 4, 7)],
    *[(4, 2, 1), (4, 5, 1), (4, 3, 9)],
    *[(5, 4, 50), (5, 1, 60)],
]


def weights_by_hand(known: np.ndarray, l2: float) -> np.ndarray:
    """`B` of EASE: each column is its own ridge regression on the other items."""
    weights = np.zeros((known.shape[1],) * 2)
    for item in range(known.shape[1]):
        others = np.delete(np.arange(known.shape[1]), item)
        x = known[:, others]
        gram = x.T @ x + l2 * np.eye(len(others))
        weights[others, item] = np.linalg.solve(gram, x.T @ known[:, item])
    return weights


@pytest.mark.parametrize("half_life", [0.0, 1.0, 3.0])
def test_ease_scores_weight_the_past_but_its_weights_do_not(half_life):
    known, decayed = np.zeros((2, 6, NUM_ITEMS))
    for user, item, time in TIMED:  # in order of time: the last event of an item counts
        later = sum(one == user and second > time for one, _, second in TIMED)
        known[user, item] = 1
        decayed[user, item] = 2 ** (-later / half_life) if half_life else 1
    events = timed_events(TIMED, NUM_ITEMS)
    model = EASE(l2=2.0, half_life=half_life).fit(events)
    weights = weights_by_hand(known, l2=2.0)
    np.testing.assert_allclose(model.similar(np.arange(NUM_ITEMS)), weights, atol=1e-6)
    np.testing.assert_allclose(model.score(np.arange(6)), decayed @ weights, atol=1e-6)
    later = timed_events([*TIMED, (3, 1, 70), (3, 2, 80), (5, 2, 90)], NUM_ITEMS)
    decayed[3, [1, 2]] = 2 ** (-np.array([1, 0]) / half_life) if half_life else 1
    decayed[5, [4, 1, 2]] = 2 ** (-np.array([2, 1, 0]) / half_life) if half_life else 1
    graph = model.score_model(later)({"user_id": np.arange(6)})["scores"]
    np.testing.assert_allclose(graph, decayed @ weights, atol=1e-6)


def test_a_history_scores_as_the_user_who_has_it():
    model = EASE(l2=2.0, half_life=1.5, kept=3).fit(timed_events(TIMED, NUM_ITEMS))
    history = np.array([[0, 5, 1, 4], [0, 0, 4, 1]], np.int32)  # of users 2 and 5, no ties
    scores = model.history_model()({"history": history})["scores"]
    np.testing.assert_allclose(scores, model.score(np.array([2, 5])), atol=1e-6)


def test_kept_weights_are_each_columns_largest_in_size():
    events = random_events()
    known = events.matrix().toarray()
    weights = weights_by_hand(known, l2=0.5)
    place = np.argsort(np.argsort(-np.abs(weights), axis=0), axis=0)
    assert (weights[place < 2] < -0.1).any()
    for kept in (1, 2):
        few = np.where(place < kept, weights, 0)
        model = EASE(l2=0.5, kept=kept).fit(events)
        np.testing.assert_allclose(model.similar(np.arange(NUM_ITEMS)), few, atol=1e-5)
        np.testing.assert_allclose(model.score(np.arange(NUM_USERS)), known @ few, atol=1e-5)


def test_a_half_life_changes_whom_a_list_follows():
    model = EASE(l2=2.0, half_life=1.0).fit(random_events())
    graph = model.history_model()
    ends = graph.predict({"history": np.array([[1, 2], [2, 1]], np.int32)}, verbose=0)["scores"]
    weights = model.similar(np.array([1, 2]))
    assert ends[0] == pytest.approx(weights[0] / 2 + weights[1], abs=1e-6)
    assert ends[1] == pytest.approx(weights[1] / 2 + weights[0], abs=1e-6)


def test_a_half_life_weighs_what_users_did_not_how_items_go_together():
    def events(*taken):
        item = np.array(taken, np.int32)
        user, time = np.ones(len(item), np.int32), np.arange(len(item))
        return Events(user, item, np.ones(len(item), np.float32), time, 2, 6)

    past, now = events(1, 2, 3), events(2, 1, 4)
    model, plain = (EASE(l2=2.0, half_life=half).fit(past) for half in (1.0, 0.0))
    weights = plain.similar(np.arange(6))
    np.testing.assert_array_equal(model.similar(np.arange(6)), weights)
    of_past, of_now = [0, 0.25, 0.5, 1, 0, 0], [0, 0.5, 0.25, 0, 1, 0]
    assert model.score(np.array([1]))[0] == pytest.approx(of_past @ weights, abs=1e-6)
    for known, own in ((past, of_past), (now, of_now)):
        scores = model.score_model(known)({"user_id": np.array([1])})["scores"]
        assert scores[0].numpy() == pytest.approx(own @ weights, abs=1e-6)


@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_neighbors_are_the_nearest_of_the_kind_that_is_asked_for(similarity):
    events = random_events()
    rows = histories(events).T.tocsr()
    model = ItemKNN(k=4, shrink=2.0, similarity=similarity).fit(events)
    expected = nearest(rows, k=4, shrink=2.0, similarity=similarity).toarray()
    np.testing.assert_array_equal(model.similar(np.arange(NUM_ITEMS)), expected)
    scores = histories(events) @ expected.T  # an item is voted for by those it is a neighbor of
    np.testing.assert_allclose(model.score(np.arange(NUM_USERS)), scores, rtol=1e-5, atol=1e-6)


def test_an_older_file_has_the_defaults_of_its_time():
    arrays = EASE(l2=3.0).fit(random_events()).arrays()
    del arrays["hyperparameter.half_life"], arrays["hyperparameter.kept"]
    assert EASE.from_arrays(arrays) == EASE(l2=3.0)


def test_tfidf_by_hand():
    # Items 1 and 2 share one of two words; item 3 shares none; each word's weight is equal.
    texts = ["ship", "space ship", "ship love", "war robot"]  # that of index 0 does not count
    model = TFIDF().fit(events_of([(1, 1), (2, 1), (2, 2)], 3, 4), texts)
    rare, common = math.log(4 / 2) + 1, math.log(4 / 3) + 1  # idf over three texts, no OOV item
    cosine = common**2 / (rare**2 + common**2)
    assert model.similar(np.array([1]))[0] == pytest.approx([0, 1, cosine, 0], abs=1e-6)
    assert model.score(np.array([1]))[0] == pytest.approx([0, 1, cosine, 0], abs=1e-6)
    half = (1 + cosine) / 2
    assert model.score(np.array([2]))[0] == pytest.approx([0, half, half, 0], abs=1e-6)


@pytest.mark.parametrize(("sublinear", "count"), [(False, 3.0), (True, 1 + math.log(3))])
def test_tfidf_counts_terms_as_they_are_or_by_their_logarithm(sublinear, count):
    texts = ["", "war war war love", "war", "love"]
    model = TFIDF(sublinear=sublinear).fit(events_of([(1, 1)], 2, 4), texts)
    length = math.hypot(count, 1)  # both terms are in two texts
    expected = [0, 1, count / length, 1 / length]
    assert model.similar(np.array([1]))[0] == pytest.approx(expected, abs=1e-6)


def test_tfidf_scores_items_that_nobody_took():
    assert TFIDF().fit(random_events(), TEXTS).score(np.arange(1, 20))[:, 15].any()


# ------------------------------------------------------------------ layers


@pytest.mark.parametrize("kind", [DenseMatrix, SparseMatrix])
def test_layers_pick_rows_and_multiply(kind):
    matrix = np.array([[0, 2, 0], [0, 0, 0], [1, 0, 3], [0, 0, 4]], np.float32)
    layer = kind.of(matrix if kind is DenseMatrix else sp.csr_matrix(matrix))
    assert layer(np.array([2, 0, 1, 2], np.int32)).numpy().tolist() == matrix[[2, 0, 1, 2]].tolist()
    inputs = np.array([[1, 5, 2, 0], [0, 0, 0, 0], [0.5, 0, 0, -1]], np.float32)
    assert layer(inputs).numpy().tolist() == (inputs @ matrix).tolist()
    again = kind.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
    assert layer.compute_output_shape((7,)) == (7, 3)


@pytest.mark.parametrize(("value", "kept"), [(0.5, "float16"), (0.1, "float32"), (1e6, "float32")])
def test_cells_take_half_the_room_where_that_loses_nothing(value, kept):
    for width, columns in ((40_000, "int32"), (30_000, "int16")):
        matrix = sp.csr_matrix(([np.float32(value)], ([1], [width - 1])), shape=(2, width))
        layer = SparseMatrix.of(matrix)
        assert (layer.cells.dtype, layer.columns.dtype) == (kept, columns)
        assert layer(np.array([1], np.int32)).numpy()[0, -1] == np.float32(value)
        again = SparseMatrix.from_config(layer.get_config())
        assert again.cells.dtype == kept


def test_a_matrix_without_cells_gives_zeros():
    layer = SparseMatrix.of(sp.csr_matrix((4, 3), dtype=np.float32))
    assert not layer(np.array([1, 2], np.int32)).numpy().any()
    assert layer(np.ones((2, 4), np.float32)).shape == (2, 3)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EASE(l2=0.0), "`l2` must be above 0 and finite. Received: l2=0.0"),
        (lambda: EASE(half_life=-1.0), "`half_life` must be 0 or more. Received: half_life=-1.0"),
        (lambda: EASE(kept=-1), "`kept` must be 0 or more. Received: kept=-1"),
        (lambda: ItemKNN(k=0), "`k` must be at least 1. Received: k=0"),
        (lambda: UserKNN(shrink=-1.0), "`shrink` must be 0 or more. Received: shrink=-1.0"),
        (lambda: UserKNN(similarity="dice"), "one of cosine, pearson. Received: 'dice'"),
        (lambda: TFIDF(min_count=0), "`min_count` must be at least 1. Received: 0"),
        (lambda: TFIDF(ngrams=0), "`ngrams` must be at least 1. Received: 0"),
    ],
)
def test_bad_hyperparameters(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_ease_refuses_a_catalog_beyond_its_memory():
    events = events_of([(1, 1)], 2, 40_000)
    with pytest.raises(ValueError, match=r"17\.9 GiB for 40000 items.*use item_knn"):
        EASE().fit(events)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (None, "`item_texts` must be given"),
        (["", "a"], "one text an item index, index 0 included. Received: 2 texts, num_items=3"),
        (["", "word", None], "must be strings. Received: None at item index 2"),
        (["", "", ""], "`item_texts` hold no term"),
    ],
)
def test_tfidf_needs_texts(texts, message):
    with pytest.raises(ValueError, match=message):
        TFIDF().fit(events_of([(1, 1), (1, 2)], 2, 3), texts)
