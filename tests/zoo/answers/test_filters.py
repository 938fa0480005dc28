"""Answers narrowed by items and by catalog columns, worked out on tables of scores."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from asked import asked, rows

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.answers.catalog import Catalog
from tfrec_fusion.zoo.answers.item_columns import ItemColumns
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch

# Of ann the model says a 9, c 7, b 5, d 1, of cat a 4, b 3, c 2, d 1; ann has a and b, cat has c.
COLUMNS = pd.DataFrame(
    {
        "genres": ["Horror|Sci-Fi", "Sci-Fi|Comedy", "Drama", ["Drama", "Thriller"]],
        "year": [1979, 1985.0, "1942", "1971.0"],
        "price": [4.99, 5, None, 0.5],
        "seen": [True, False, "", True],
        "source": ["film", "film", "stage", "story"],
    }
)


def catalog(columns=COLUMNS, separators=None):
    one = asked()
    return Catalog(one.items, one.titles, ItemColumns(columns, separators))


def allowed(**filters):
    found = catalog().candidates(**filters)
    assert found.shape == (5,) and not found[0]
    return "".join(one for one, may in zip("abcd", found[1:], strict=True) if may)


def told(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    texts = [str(one.message) for one in caught if issubclass(one.category, AnswerWarning)]
    return rows(found, "item_id", "score"), texts


FILTERS = [
    ({"exclude": ["Alien", "c"]}, "bd"),
    ({"exclude": ()}, None),
    ({"allow": ["duel", "Casablanca (1942)"]}, "cd"),
    ({"allow": ["a", "b", "b"], "exclude": pd.Series(["Brazil"])}, "a"),
    ({"where": {"genres": "Sci-Fi"}}, "ab"),
    ({"where": {"genres": ["Thriller", "Comedy"]}}, "bd"),
    ({"where": {"genres": "Drama", "year": 1942}}, "c"),
    ({"where": {"genres": "Drama", "year": "1985"}}, ""),
    ({"where": {"year": (1979, np.int64(1971), 1942.0)}}, "acd"),
    ({"where": {"price": [5.0, 0.5]}}, "bd"),
    ({"where": {"price": "4.99"}}, "a"),
    ({"where": {"seen": True}}, "ad"),
    ({"where": {"source": "film"}, "allow": ["b", "c"]}, "b"),
    ({"where": {}}, None),
]


@pytest.mark.parametrize(("filters", "left"), FILTERS)
def test_filters_leave_the_items_that_pass_all_of_them(filters, left):
    if left is None:
        assert catalog().candidates(**filters) is None
    else:
        assert allowed(**filters) == left


REFUSED = [
    ({"where": "Drama"}, "`where` must be a dictionary of values by column, such as {'category'"),
    ({"where": {"genre": "Drama"}}, "columns of the catalog: genres, year, price, seen, source. "),
    ({"where": {"genre": "Drama"}}, "Received: 'genre'. Did you mean 'genres'?"),
    ({"where": {"genres": "drama"}}, "No item has 'drama' in `genres`. Did you mean 'Drama'?"),
    ({"where": {"genres": ["Drama", "Sci Fi"]}}, "No item has 'Sci Fi' in `genres`. Did you mean"),
    ({"where": {"year": 2001}}, "No item has '2001' in `year`. It has '1942', '1971', '1979', "),
    ({"where": {"genres": []}}, "`where` must have a value for 'genres'; it is missing or empty"),
    ({"where": {"genres": [None]}}, "Received: [None]"),
    ({"where": {"genres": {"not": "Drama"}}}, "a value or a list of values for 'genres'"),
    ({"allow": []}, "`allow` is empty, so that no item could be answered. Leave it out, or name"),
    ({"allow": "Alien"}, "`allow` must be a list of ids. Received: 'Alien'. For one id, write ['"),
    ({"exclude": "Alien"}, "`exclude` must be a list of ids. Received: 'Alien'"),
    ({"exclude": ["Aliens"]}, "'Aliens' is neither an id nor a title of the catalog. Did you mean"),
    ({"allow": ["a", " B"]}, "' B' is neither an id nor a title of the catalog. Did you mean 'b'"),
]


@pytest.mark.parametrize(("filters", "message"), REFUSED)
def test_what_is_no_filter_is_refused(filters, message):
    with pytest.raises(InvalidInput) as refused:
        catalog().candidates(**filters)
    assert message in str(refused.value)


def test_a_catalog_without_columns_says_so():
    with pytest.raises(InvalidInput, match="has none besides title and text"):
        catalog(pd.DataFrame(index=range(4))).candidates(where={"genres": "Drama"})


def test_labels_are_separated_as_the_run_was_trained():
    options = {"item_features": ["tags"], "label_separator": ", "}
    table = pd.DataFrame({"tags": ["old, dark", "dark", "", "new"], "more": ["x, y", "", "", "x"]})
    one = asked()
    of_run = Catalog.of_run(one.items, one.titles, table, options)
    assert of_run.candidates(where={"tags": "dark"}).tolist() == [False, True, True, False, False]
    assert of_run.candidates(where={"more": "x, y"})[1:].tolist() == [True, False, False, False]
    assert Catalog.of_run(one.items, one.titles, None, {}).candidates() is None


def test_columns_stand_after_the_answers_own_in_their_rows():
    one = asked()
    found = catalog().described(one.recommend(["cat", "ann"], 2))
    own = ["user_id", "item_id", "title", "score", "source"]
    assert found.columns.tolist() == [*own, "genres", "year", "price", "seen", "item_source"]
    assert found["item_id"].tolist() == ["a", "b", "c", "d"]
    assert found["item_source"].tolist() == ["film", "film", "stage", "story"]
    assert found["source"].tolist() == ["model"] * 4
    assert found["genres"].tolist() == COLUMNS["genres"].tolist()
    empty = catalog().described(one.recommend([], 2))
    assert empty.columns.tolist() == found.columns.tolist() and empty.empty


def test_the_best_of_those_that_pass_are_recommended():
    one, keep = asked(), catalog().candidates
    without_c = keep(exclude=["c"])
    assert told(lambda: one.recommend("ann", 1, allowed=without_c)) == ([("d", 1)], [])
    seen = {"allow_seen": True, "allowed": without_c}
    assert told(lambda: one.recommend("ann", 3, **seen)) == ([("a", 9), ("b", 5), ("d", 1)], [])
    assert without_c.tolist() == [False, True, True, False, True]  # as it was
    science = keep(where={"genres": "Sci-Fi"})
    found, said = told(lambda: one.recommend(["cat", "eve", "nobody"], 1, allowed=science))
    assert found == [("a", 4), ("b", 2), ("a", 3)]  # eve has a; the last by popularity
    assert len(said) == 1 and said[0].startswith("1 of 3 users was never seen ('nobody')")
    liked = {"allowed": keep(allow=["a", "c"]), "allow_seen": True}
    assert told(lambda: one.recommend_from_history(["b"], 2, **liked)) == ([("c", 4), ("a", 1)], [])
    assert told(lambda: one.similar("d", 2, allowed=keep(exclude=["c"])))[0] == [("b", 5), ("a", 3)]


def test_fewer_than_were_asked_for_are_explained():
    one, keep = asked(), catalog().candidates
    two = keep(allow=["c", "d"])
    remedy = "`allow_seen=True` recommends seen items, too."
    for call, found, message in (
        (
            lambda: one.recommend("ann", 3, allowed=two),
            [("c", 7), ("d", 1)],
            "User 'ann' gets 2 items, fewer than k=3. The filters leave 2 items.",
        ),
        (
            lambda: one.recommend("bob", 2, allowed=two),
            [],
            "User 'bob' gets 0 items, fewer than k=2. The filters leave 2 items, and those "
            f"already seen are not recommended. {remedy}",
        ),
        (
            lambda: one.recommend(["ann", "cat"], 2, allowed=two),
            [("c", 7), ("d", 1), ("d", 1)],
            "1 of 2 users get fewer than k=2 items: 'cat' (1). The filters leave 2 items, and "
            f"those already seen are not recommended. {remedy}",
        ),
        (
            lambda: one.recommend_from_history(["a"], 3, allowed=two),
            [("d", 3), ("c", 2)],
            "The filters leave 2 items, fewer than k=3.",
        ),
        (
            lambda: one.recommend_from_history(["c"], 2, allowed=two),
            [("d", 6)],
            "The filters leave 2 items, and the history holds all of them but 1, which is fewer "
            "than k=2. `allow_seen=True` recommends those of the history, too.",
        ),
        (
            lambda: one.similar("c", 2, allowed=two),
            [("d", 6)],
            "The filters leave 1 item besides this one, fewer than k=2.",
        ),
        (
            lambda: one.recommend("ann", 1, allowed=keep(where={"seen": True, "year": 1985})),
            [],
            "User 'ann' gets 0 items, fewer than k=1. The filters leave 0 items.",
        ),
    ):
        assert told(call) == (found, [message])


def test_what_a_query_finds_is_narrowed_before_the_shortlist():
    items = Vocabulary([f"i{number}" for number in range(1, 101)])
    angles = np.radians(np.linspace(0, 90, 101))  # i1 is nearest
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    query = SimpleNamespace(encode=lambda texts: np.array([[1.0, 0.0]]))
    search = SemanticSearch(items.ids, items.ids, vectors, query)
    far = np.arange(101) > 90  # beyond the best fifty
    assert search.search("a wish", 3, allowed=far)["item_id"].tolist() == ["i91", "i92", "i93"]
    ann = SimpleNamespace(
        items=items, users=Vocabulary(["ann"]), score=lambda user: np.arange(101.0)[None, :]
    )
    found = search.search("a wish", 10, ann, "ann", allowed=far)
    assert sorted(found["item_id"]) == sorted(items.ids[91:])
    with pytest.warns(AnswerWarning, match=r"The filters and the query leave 1 item, fewer than"):
        found = search.search("a wish", 2, allowed=np.arange(101) == 7)
    assert found["item_id"].tolist() == ["i7"]


def test_items_are_scored_in_the_order_asked_for_seen_ones_included():
    one = asked()
    found = one.score_items(["ann", "cat"], ["d", "a", "d"])
    assert rows(found, "user_id", "item_id", "title", "score", "source") == [
        *[("ann", "d", "Duel", 1, "model"), ("ann", "a", "Alien", 9, "model")],
        *[("ann", "d", "Duel", 1, "model"), ("cat", "d", "Duel", 1, "model")],
        *[("cat", "a", "Alien", 4, "model"), ("cat", "d", "Duel", 1, "model")],
    ]
    with pytest.warns(AnswerWarning, match="User 'zoe' was never seen: these are popular items"):
        found = one.score_items("zoe", ["d", "a"])
    assert rows(found, "item_id", "score", "source") == [
        ("d", 1, "popularity"),
        ("a", 3, "popularity"),
    ]
    assert one.score_items([], ["a"]).empty and one.score_items("ann", []).empty
    with pytest.raises(InvalidInput, match="Item 'zz' is not known to the model of 4 items"):
        one.score_items("ann", ["zz"])
    with pytest.raises(InvalidInput, match="`item_ids` must be a list of ids"):
        one.score_items("ann", "a")
