"""Queries that exclude something: what is made out of them, and what is not found."""

import warnings

import numpy as np
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.text.interests.words import split_words
from tfrec_fusion.zoo.answers.negation import read_negation
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch


@pytest.mark.parametrize(
    ("query", "wanted", "excluded"),
    [
        ("not a western", "", [("western",)]),
        ("Not Westerns!", "", [("westerns",)]),
        ("movies that are not westerns", "", [("westerns",)]),
        ("I don't like westerns", "", [("westerns",)]),
        ("I don\u2019t want a western", "", [("western",)]),
        ("a comedy without zombies", "a comedy", [("zombies",)]),
        ("a comedy without zombies or blood, from Italy", "a comedy , from Italy", None),
        ("no guns, violence or gore", "", [("guns",), ("violence",), ("gore",)]),
        ("neither zombies nor ghosts", "", [("zombies",), ("ghosts",)]),
        ("space opera -robots", "space opera", [("robots",)]),
        ("anything but horror", "", [("horror",)]),
        ("something other than horror", "", [("horror",)]),
        ("crime except noir", "crime", [("noir",)]),
        ("a drama, not too sad", "a drama", [("sad",)]),
        ("not a war movie but a comedy", "but a comedy", [("war",)]),
        ("not a film about war in space", "in space", [("war",)]),
        ("not a leather sofa", "", [("leather", "sofa")]),
        ("not a western and funny", "and funny", [("western",)]),
        ("cables that aren't black", "cables that", [("black",)]),
    ],
)
def test_queries_are_divided_into_what_is_wanted_and_what_is_excluded(query, wanted, excluded):
    found = read_negation(query)
    assert found is not None and found.wanted == wanted
    assert list(found.excluded) == (excluded or [("zombies",), ("blood",)])


@pytest.mark.parametrize(
    "query",
    ["a western", "not only funny", "no longer young", "sci-fi", "a 12-string", "notes", "Nordic"],
)
def test_queries_without_a_negation_stay_whole(query):
    assert read_negation(query) is None


def test_excluded_things_are_whole_words_in_any_number():
    unwanted = read_negation("not a western")
    texts = ["Comedy. Western.", "two westerns", "spaghetti-western", "westernized", "", "Drama"]
    assert unwanted.allowed(texts).tolist() == [False, False, False, True, True, True]
    both = read_negation("not a leather sofa")
    assert both.allowed(["a leather sofa", "a leather bag", "a sofa"]).tolist() == [0, 1, 1]


class Letters:
    """A language model of three letters."""

    def encode(self, texts):
        return np.array([[text.count(one) for one in "abc"] for text in texts], np.float32)

    def warn_of_unknown(self, texts):
        pass


def letters():
    ids = np.array(["", "1", "2", "3", "4", "5"], object)
    texts = np.array(["", "aaa cc", "aaab", "cc", "abb", ""], object)
    titles = np.array(["", "one", "two", "three", "not aaab", "five"], object)
    vectors = Letters().encode(texts)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
    return SemanticSearch(ids, titles, vectors / lengths, Letters(), texts)


def told(ask):
    """An answer, and the warnings that came with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = ask()
    return answer, [str(one.message) for one in caught if one.category is AnswerWarning]


def test_what_a_query_excludes_is_left_out_and_said():
    found, said = told(lambda: letters().search("aaa without aaab", 3))
    assert found["item_id"].tolist() == ["1", "4", "3"]  # cosines .83, .45 and 0; 5 has no text
    assert found["score"].tolist() == pytest.approx([3 / 13**0.5, 0.2**0.5, 0], abs=1e-6)
    assert said == [
        "Of a negation only its words are understood: 1 items with 'aaab' in their texts are left "
        "out, and the query is read as 'aaa'."
    ]


def test_a_query_that_only_excludes_finds_what_is_least_alike():
    found, (said,) = told(lambda: letters().search("not cc", 4))
    assert found["item_id"].tolist() == ["2", "4"]  # neither has a c; 1 and 3 have the word
    assert "the least like it come first" in said


def test_titles_are_looked_for_as_they_are():
    found, said = told(lambda: letters().search("Not aaab", 1))
    assert found["item_id"].tolist() == ["2"] and said == []
    _, said = told(lambda: letters().search("not the", 1))
    assert said == [
        "Negation is not understood: what 'not the' excludes may be found. Ask without it."
    ]


@pytest.mark.parametrize("query", ["not a western", "a drama without westerns", "war -western"])
def test_the_packaged_films_are_no_westerns_when_none_are_wanted(query):
    model = zoo.load("ease.ml_latest_small")
    found, (said,) = told(lambda: model.recommend(text=query, k=50))
    texts = model.items.set_index("item_id").loc[found["item_id"], "text"]
    assert len(found) == 50 and not any("western" in split_words(text) for text in texts)
    assert "items with 'western" in said and "in their texts are left out" in said
    assert any("western" in split_words(text) for text in model.items["text"])
