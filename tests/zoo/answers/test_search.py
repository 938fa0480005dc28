"""Wishes, users' words and profiles: what is read of texts, by hand."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.vocabulary import Vocabulary
from tfrec_fusion.text.encoding import item_vectors
from tfrec_fusion.text.interests.profiles import Phrase, reason
from tfrec_fusion.text.interests.user_profiles import DEFAULT_PROFILE, profile_texts, spoken_words
from tfrec_fusion.text.interests.user_words import user_words
from tfrec_fusion.zoo.answers import semantic_search
from tfrec_fusion.zoo.answers.semantic_search import SemanticSearch
from tfrec_fusion.zoo.models.text_hybrid import text_inputs

ITEMS = Vocabulary([f"i{number}" for number in range(1, 9)])
ANGLES = np.radians([0, 100, 110, 120, 130, 140, 150, 160, 170])  # all point away from the wish
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
VECTORS[0] = 0
WISH = SimpleNamespace(
    encode=lambda texts: np.array([[3.0, 0.0]]), warn_of_unknown=lambda texts: None
)
SEARCH = SemanticSearch(ITEMS.ids, np.array([f"T{one}" for one in ITEMS.ids]), VECTORS, WISH)


def taste(scores):
    """A recommender whose one user likes items so much."""
    return SimpleNamespace(
        items=ITEMS, users=Vocabulary(["ann"]), score=lambda user: np.array([scores], np.float32)
    )


def test_a_wish_finds_items_by_cosine_and_never_the_unseen_one():
    found = SEARCH.search("a wish", k=8)
    assert found["item_id"].tolist() == [f"i{number}" for number in range(1, 9)]
    np.testing.assert_allclose(found["score"], np.cos(ANGLES[1:]), rtol=1e-6)


def test_taste_orders_the_whole_shortlist_by_reciprocal_ranks():
    liking = np.array([9, 0, 1, 2, 8, 3, 4, 5, 7])  # of items 0 to 8; i4 is liked best
    found = SEARCH.search("a wish", k=2, recommender=taste(liking), user_id="ann")
    rank = {item: place for place, item in enumerate(np.argsort(-liking[1:], kind="stable") + 1, 1)}
    fused = {item: 1 / (60 + item) + 1 / (60 + rank[item]) for item in range(1, 9)}
    best = sorted(fused, key=lambda item: -fused[item])[:2]
    assert best[0] == 4  # which is not among the two nearest
    assert found["item_id"].tolist() == [f"i{item}" for item in best]


def test_an_item_without_a_text_is_like_nothing():
    store = SimpleNamespace(encode=lambda encoder, texts: np.full((len(texts), 2), 2.0))
    search = SemanticSearch.over(ITEMS.ids[:4], ITEMS.ids[:4], ["", "a", " ", "b"], WISH, store)
    side = np.sqrt(0.5)
    np.testing.assert_allclose(search.vectors, [[0, 0], [side, side], [0, 0], [side, side]])


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, ""])
def test_a_missing_text_is_like_nothing_and_not_like_its_name(missing):
    store = SimpleNamespace(
        encode=lambda encoder, texts: np.array([[len(one), 1] for one in texts])
    )
    search = SemanticSearch.over(["", 1, 2.0], ["", "A", "B"], ["", missing, "bb"], WISH, store)
    np.testing.assert_allclose(search.vectors, [[0, 0], [0, 0], np.array([2, 1]) / np.sqrt(5)])
    assert search.item_ids.tolist() == ["", "1", "2"]


def test_a_catalog_without_its_unseen_item_is_refused():
    for columns in (
        (["a", "b"], ["A", "B"], ["x", "y"]),  # a would be taken for the unseen item
        (["", "a"], ["", "A"], ["", "x", "y"]),
        (["", "a"], ["", "A"], "text"),
    ):
        with pytest.raises(ValueError, match="must have one entry for each item"):
            SemanticSearch.over(*columns, WISH, None)
    with pytest.raises(ValueError, match="`item_ids`, position 0: An id must not be missing"):
        SemanticSearch.over(["", None], ["", "A"], ["", "x"], WISH, None)


def test_texts_without_a_word_have_no_vector(monkeypatch):
    class Store:
        def encode(self, encoder, texts):
            return np.ones((len(texts), 2), np.float32)

    monkeypatch.setattr(item_vectors, "TextStore", Store)
    monkeypatch.setattr(item_vectors, "TextEncoder", lambda *given, **named: WISH)
    vectors = item_vectors.text_vectors(["", "a film", " \n"])
    assert vectors.tolist() == [[0, 0], [1, 1], [0, 0]]


def events(text=None):
    """ann takes and praises guitars' things, bob drums' things."""
    texts = ["love this capo", "hate my capo", "love that capo", "fine drum", "good drum", "drum"]
    return Events(
        user=np.array([1, 1, 1, 2, 2, 2], np.int32),
        item=np.array([1, 2, 3, 4, 5, 6], np.int32),
        rating=np.array([5, 1, 5, 4, 5, 2], np.float32),
        timestamp=np.arange(6),
        num_users=4,
        num_items=7,
        text=np.array(texts if text is None else text, object),
    )


TEXTS = ["", *["a leather strap"] * 3, *["a wooden stick"] * 3]


def test_users_words_are_their_own_and_those_of_their_items():
    words = user_words(events(), TEXTS).texts()
    assert "capo" in words[1] and "strap" in words[1] and "stick" not in words[1]
    assert "drum" in words[2] and "stick" in words[2] and "strap" not in words[2]
    assert words[0] == words[3] == ""


def test_users_speak_well_or_ill_of_things_where_they_rate():
    assert np.isfinite(user_words(events(), TEXTS).sentiment).any()
    alike = dataclasses.replace(events(), rating=np.ones(6, np.float32))
    assert np.isnan(user_words(alike, TEXTS).sentiment).all()


def test_a_hybrid_reads_users_words_with_those_of_their_items(monkeypatch):
    read = []
    monkeypatch.setattr(text_inputs, "text_vectors", lambda texts, *_: read.append(list(texts)))
    context = SimpleNamespace(
        texts=TEXTS,
        events=events(),
        choices={"query": "user_id+history"},
        options={"text_preset": "minilm", "text_length": None},
    )
    text_inputs.text_arrays(context)
    assert read[0] == TEXTS
    assert read[1] == user_words(events(), TEXTS).texts() and "strap" in read[1][1]


def test_a_profile_has_the_users_attributes_and_last_review():
    people = pd.DataFrame({"user_id": ["ann", "bob", "cat"], "age": [20, 50, None]})
    wrote = ["love this capo", "love my capo", "hate that capo", "fine drum", "good drum", " "]
    profiles = profile_texts(events(wrote), TEXTS, people)
    assert profiles[0] == profiles[3] == DEFAULT_PROFILE
    assert profiles[1].startswith("age: 20.0. cares about: ")
    assert profiles[1].endswith("wrote: hate that capo")
    assert profiles[2].startswith("age: 50.0. ") and profiles[2].endswith("wrote: good drum")


def test_items_and_users_are_spoken_of_with_texts_and_reviews():
    of_items, of_users, words = spoken_words(events(), TEXTS)
    has = {word: (of_items[:, at], of_users[:, at]) for at, word in enumerate(words)}
    assert has["capo"][0].tolist() == [0, 1, 1, 1, 0, 0, 0]
    assert has["capo"][1].tolist() == [0, 1, 0, 0]
    assert has["strap"][1].tolist() == [0, 1, 0, 0]  # of the items' texts alone
    assert has["stick"][1].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("shortlist", [1, 50])
def test_a_shortlist_is_never_shorter_than_what_is_asked_for(shortlist, monkeypatch):
    monkeypatch.setattr(semantic_search, "SHORTLIST", shortlist)
    assert len(SEARCH.search("a wish", k=5)) == 5


def test_a_reason_is_first_what_the_user_speaks_well_or_not_ill_of():
    text = "A leather strap, and a capo in a fine case"
    phrases = [
        Phrase("leather strap", 0.5, -0.5, 2),  # occurs as it is, but is disliked
        Phrase("fine capo", 0.2, 0.5, 1),  # its words occur somewhere
        Phrase("case", 0.1, None, 1),
        Phrase("drum", 0.2, 0.9, 3),
    ]
    assert [one.text for one in reason(phrases, text)] == ["case", "fine capo", "leather strap"]
