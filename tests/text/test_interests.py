"""What users care about: words, phrases, their weights, how they are spoken of, and reasons."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

from tfrec_fusion.text.interests.interests import Interests, Phrase, mine_interests, reason
from tfrec_fusion.text.interests.phrases import find_mentions
from tfrec_fusion.text.interests.salience import heaviest, specificity
from tfrec_fusion.text.interests.sentiment import fit_sentiment
from tfrec_fusion.text.interests.words import carries_meaning, tokenize


def words_by(tokens, part):
    """The words of each clause, run or document."""
    pieces = {}
    for word, where in zip(tokens.word, getattr(tokens, part), strict=True):
        pieces.setdefault(int(where), []).append(tokens.words[word])
    return [" ".join(piece) for piece in pieces.values()]


def mentioned(texts, **options):
    """Each text's phrases in the order of the text."""
    found = find_mentions(tokenize(texts), **{"min_count": 1, **options})
    lists = [[] for _ in texts]
    for phrase, document in zip(found.phrase, found.document, strict=True):
        lists[document].append(found.phrases[phrase])
    return [sorted(one) for one in lists]


# === Words ===


def test_clauses_end_at_marks_and_turn_at_but():
    tokens = tokenize(["Good tone, 2.5 kg but cheap knobs!Fine", "It\u2019s R&amp;B"])
    assert words_by(tokens, "clause") == ["good tone 2.5 kg", "but cheap knobs", "fine", "it's r&b"]
    assert words_by(tokens, "run")[:2] == ["good tone", "2.5 kg"]
    assert words_by(tokens, "document")[1] == "it's r&b"


def test_texts_without_words():
    assert words_by(tokenize(["", "?!", " \n"]), "document") == []


def test_contractions_of_stop_words_are_stop_words():
    words = ["it's", "couldn't", "i've", "cant", "player's", "the", "1", "2.5", "d'addario"]
    expected = [False, False, False, False, True, False, False, False, True]
    assert carries_meaning(words).tolist() == expected


def test_stop_words_of_another_language():
    assert carries_meaning(["der", "hals", "the"], ["der"]).tolist() == [False, True, True]
    assert carries_meaning(["the"], None).tolist() == [True]
    with pytest.raises(ValueError, match="not a built-in stop list: klingon"):
        carries_meaning(["the"], "klingon")


# === Phrases ===

FILLER = [f"{one} {two}" for one in ("red", "old", "big") for two in ("amp", "case", "mic")]


def test_a_word_counts_for_its_longest_phrase_only():
    texts = ["a foot rest", "the foot rest", "my foot", *FILLER]
    assert mentioned(texts)[:3] == [["foot rest"], ["foot rest"], ["foot"]]


def test_words_that_meet_by_chance_are_no_phrase():
    # "red" is with every noun as often as with any other.
    assert mentioned(FILLER * 2)[0] == ["amp", "red"]


def test_phrases_cross_no_mark_and_no_text():
    texts = ["foot, rest", "foot. rest", "foot", "rest foot", "rest\nfoot", *FILLER]
    assert not any("foot rest" in one for one in mentioned(texts))


def test_phrases_may_hold_stop_words_inside_but_not_at_the_ends():
    texts = ["so easy to use it", "it is easy to use", *FILLER]
    assert mentioned(texts)[0] == ["easy to use"]
    assert mentioned(texts, ngrams=2)[0] == ["easy", "use"]


def test_singular_and_plural_are_one_phrase_in_its_commonest_form():
    texts = ["guitar straps", "guitar strap", "guitar straps", "capo", "bass", *FILLER]
    assert mentioned(texts)[:5] == [["guitar straps"]] * 3 + [["capo"], ["bass"]]


def test_rare_phrases_are_left_out():
    texts = ["capo capo", "strap", "strap"]
    assert mentioned(texts, min_count=2) == [[], ["strap"], ["strap"]]


def test_single_letters_only_within_phrases():
    assert mentioned(["e string", "the e string", "e", "b", *FILLER])[:4] == [
        ["e string"],
        ["e string"],
        [],
        [],
    ]


TEXTS = st.lists(
    st.lists(st.sampled_from(["foot", "rest", "strap", "straps", "of", "fine", ".", "9"])).map(
        " ".join
    ),
    min_size=1,
)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_no_word_is_in_two_phrases(texts):
    tokens = tokenize(texts)
    found = find_mentions(tokens, min_count=1)
    words = np.bincount(tokens.document, minlength=len(texts))
    used = np.bincount(found.document, found.length, minlength=len(texts))
    assert (used <= words).all()
    singles = [
        sum(word in ("foot", "rest", "strap", "straps", "fine") for word in text.split())
        for text in texts
    ]
    # Every word with a meaning is in exactly one phrase; what else is used is inside of some.
    assert (used >= singles).all()
    assert found.phrases == sorted(set(found.phrases))


# === What tells items apart ===


def reviews(per_item=20):
    """Five items, each with a word of its own; everybody writes "great" and a filler."""
    texts, items = [], []
    for item in range(5):
        for one in range(per_item):
            texts.append(f"great thing{item}x and filler{one}y " + "of the " * 8)
            items.append(item)
    return texts, np.array(items)


def test_specificity_by_hand():
    texts, items = reviews()
    tokens = tokenize(texts)
    mentions = find_mentions(tokens, ngrams=1)
    found = dict(zip(mentions.phrases, specificity(tokens, mentions, items), strict=True))
    # 20 texts on 5 items of equal length: each is missed with probability exp(-20 / 5).
    expected = 5 * (1 - math.exp(-4))
    assert found["thing0x"] == pytest.approx(math.log((expected + 2) / (1 + 2)))
    # On all items, as expected: only the share of the texts' 20 words remains.
    assert found["great"] == pytest.approx(1 / 20)


def test_a_tag_is_specific_by_being_the_text():
    texts = ["pixar"] * 3 + ["great film " + "of the " * 9] * 3
    tokens = tokenize(texts)
    mentions = find_mentions(tokens, ngrams=1, min_count=1)
    found = dict(zip(mentions.phrases, specificity(tokens, mentions, None), strict=True))
    assert found["pixar"] == 1
    assert found["film"] == pytest.approx(1 / 20)


def test_weights_by_hand():
    tokens = tokenize(["capo capo strap", "strap"])
    mentions = find_mentions(tokens, ngrams=1, min_count=1)
    assert mentions.phrases == ["capo", "strap"]
    reads = sp.csr_array(np.array([[0, 0], [1, 0], [0, 2]]))
    found = heaviest(reads, mentions, np.array([0.5, 0.25]), max_phrases=2)
    assert found.user.tolist() == [1, 1, 2]
    assert found.phrase.tolist() == [0, 1, 1]
    assert found.support.tolist() == [1, 1, 1]
    slack = 1.2 * (0.25 + 0.75 * 3 / 2.5)  # user 1 mentions 3, users on average 2.5
    capo = 2 / (2 + slack) * math.sqrt(math.log(1 + 1.5 / 1.5)) * 0.5
    strap = 1 / (1 + slack) * math.sqrt(math.log(1 + 0.5 / 2.5)) * 0.25
    total = capo + strap
    np.testing.assert_allclose(found.weight, [capo / total, strap / total, 1], rtol=1e-6)


def test_what_everybody_writes_weighs_least():
    texts, items = reviews()
    users = np.arange(len(texts)) % 20 + 1
    found = mine_interests(users, texts, num_users=21, item=items, ngrams=1)
    for user in range(1, 21):
        assert found.of(user)[-1].text == "great"
        assert found.of(user)[-1].weight < 0.1


# === Sentiment ===

GOOD = ["great tone here", "a great thing", "lovely tone", "great and lovely", "such lovely wood"]
BAD = ["bad tone here", "a bad thing", "awful tone", "bad and awful", "such awful wood"]
RATING = np.array([5.0] * 5 + [1.0] * 5)


def test_sentiment_equals_tfidf_and_ridge():
    texts = [*GOOD, *BAD]
    rating = np.array([5, 4, 5, 4, 3, 1, 2, 1, 2, 3])
    learned = fit_sentiment(texts, rating, min_count=1, ridge=2.0)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+")
    target = (rating - rating.mean()) / rating.std()
    peer = Ridge(alpha=2.0, fit_intercept=False).fit(vectorizer.fit_transform(texts), target)
    asked = ["lovely tone", "bad tone here", "great awful awful wood", "nothing known"]
    np.testing.assert_allclose(
        learned.polarity(asked), peer.predict(vectorizer.transform(asked)), atol=1e-3
    )


def test_sentiment_is_relative_to_what_the_user_gives():
    # One user gives 5 to all, one 1 to all: their words tell less than with a mean for all.
    texts = ["plain"] * 40 + ["simple"] * 40
    rating = np.repeat([5.0, 1.0], 40)
    own = fit_sentiment(texts, rating, np.repeat([1, 2], 40))
    # One word a text: its TF-IDF is 1, and the ridge takes 40 of 43 of the mean target, 1.
    expected = np.array([1, -1]) * 40 / (40 + 3)
    assert own.polarity(["plain", "simple"]) == pytest.approx(expected, abs=1e-4)
    mixed = np.append(rating, [5.0, 1.0] * 10)
    texts += ["good", "poor"] * 10
    user = np.append(np.repeat([1, 2], 40), np.full(20, 3))
    plain, good = fit_sentiment(texts, mixed, user).polarity(["plain", "good"])
    assert plain < 0.3 < good


def test_unknown_words_are_neutral_and_the_rest_is_clipped():
    learned = fit_sentiment([*GOOD * 9, *BAD * 9], np.repeat([5.0, 1.0], 45), ridge=0.01)
    polarity = learned.polarity(["", "unheard", "great lovely", "bad awful"])
    assert polarity.dtype == np.float32
    assert polarity.tolist() == [0, 0, 1, -1]
    assert learned.polarity([]).shape == (0,)


def test_an_aspect_is_spoken_of_in_its_clauses():
    reviews_ = ["A great tone but the knobs are bad", "The knobs are lovely. Awful tone, bad wood"]
    texts = [*reviews_, *GOOD, *BAD]
    rating = np.append([3.0, 3.0], RATING)
    user = np.array([1, 2] + [3] * 10)
    found = mine_interests(user, texts, rating, num_users=4, ngrams=1, min_count=1)
    spoken = [{one.text: one.sentiment for one in found.of(user)} for user in (1, 2)]
    learned = fit_sentiment(texts, rating, user, min_count=1)
    expected = learned.polarity(["a great tone", "but the knobs are bad", "the knobs are lovely"])
    assert spoken[0]["tone"] == pytest.approx(expected[0], abs=1e-5)
    assert spoken[0]["knobs"] == pytest.approx(expected[1], abs=1e-5)
    assert spoken[1]["knobs"] == pytest.approx(expected[2], abs=1e-5)
    assert spoken[0]["tone"] > 0 > spoken[0]["knobs"]


def test_several_clauses_are_averaged():
    texts = ["great capo. bad capo. bad capo", *GOOD, *BAD]
    rating, user = np.append(3.0, RATING), np.array([1] + [2] * 10)
    found = mine_interests(user, texts, rating, num_users=3, ngrams=1, min_count=1)
    spoken = {one.text: one.sentiment for one in found.of(1)}["capo"]
    great, bad = fit_sentiment(texts, rating, user, min_count=1).polarity(
        ["great capo", "bad capo"]
    )
    assert spoken == pytest.approx((great + 2 * bad) / 3, abs=1e-5)


# === Interests ===

USER = np.array([1, 1, 3, 3, 4])
TEXT = ["a capo", "another capo and a strap", "the strap", "fine wood", ""]


def test_every_user_has_phrases_or_an_empty_text():
    found = mine_interests(USER, TEXT, num_users=6, min_count=1)
    assert found.num_users == 6
    assert found.texts() == ["", "capo, strap", "", "fine, wood, strap", "", ""]
    assert found.of(0) == found.of(2) == found.of(4) == []
    assert [(one.text, one.support, one.sentiment) for one in found.of(1)] == [
        ("capo", 2, None),
        ("strap", 1, None),
    ]


@settings(max_examples=30, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_weights_sum_to_one_in_whatever_order_texts_come(texts, random):
    texts = [*texts, "a fine strap", "foot rest"]
    user = np.arange(len(texts)) % 3
    rating = np.arange(len(texts)) % 5
    order = list(range(len(texts)))
    random.shuffle(order)
    one, other = (
        mine_interests(
            user[rows], [texts[row] for row in rows], rating[rows], num_users=3, min_count=1
        )
        for rows in (np.arange(len(texts)), np.array(order))
    )
    assert one.texts() == other.texts()
    np.testing.assert_allclose(one.weight, other.weight, rtol=1e-5)
    np.testing.assert_allclose(one.sentiment, other.sentiment, atol=1e-3)
    for each in range(1, 3):
        weights = [phrase.weight for phrase in one.of(each)]
        assert sum(weights) == pytest.approx(1 if weights else 0, abs=1e-5)
        assert weights == sorted(weights, reverse=True)
        assert all(-1 <= phrase.sentiment <= 1 for phrase in one.of(each))


def test_no_more_phrases_than_asked_for():
    found = mine_interests(USER, TEXT, num_users=5, min_count=1, max_phrases=1)
    assert [len(found.of(user)) for user in range(5)] == [0, 1, 0, 1, 0]
    assert found.weight.tolist() == [1, 1]


def test_liked_items_texts_count_less_than_ones_own_words():
    item_text = ["", "leather", "nylon"]
    item, rating = np.array([1, 2]), np.array([5.0, 1.0])
    options = {"num_users": 2, "item": item, "item_text": item_text, "min_count": 1}
    user, text = np.array([1, 1]), ["fine capo", "poor strap"]
    found = {one.text: one for one in mine_interests(user, text, rating, **options).of(1)}
    assert set(found) == {"fine", "capo", "poor", "strap", "leather"}, "nylon was not liked"
    assert found["leather"].sentiment is None
    spoken = fit_sentiment(text, rating, user, min_count=1).polarity(["fine capo", "poor strap"])
    assert found["capo"].sentiment == found["fine"].sentiment == pytest.approx(spoken[0], abs=1e-5)
    assert found["strap"].sentiment == pytest.approx(spoken[1], abs=1e-5)
    assert found["leather"].support == 1
    # Half of its text is "capo" and all of its own is "leather": nothing else differs.
    heard = [count / (count + 1.2) for count in (1.0, 0.3)]
    ratio = heard[1] / (heard[0] * 0.5)
    assert found["leather"].weight / found["capo"].weight == pytest.approx(ratio, rel=1e-5)
    unrated = mine_interests(user, text, **options).of(1)
    assert {one.text for one in unrated} == {*found, "nylon"}


def test_events_without_words_are_read_by_their_items():
    found = mine_interests(
        np.array([1, 2]),
        ["", ""],
        np.array([5.0, 1.0]),
        num_users=3,
        item=np.array([1, 1]),
        item_text=["", "robots and love"],
        min_count=1,
    )
    assert found.texts() == ["", "love, robots", ""]
    assert np.isnan(found.sentiment).all()


def test_rows_of_no_weight_and_of_the_unseen_user_are_not_theirs():
    user, text = np.array([1, 1, 0]), ["capo", "strap", "wood"]
    weight = np.array([1.0, 0.0, 1.0])
    found = mine_interests(user, text, num_users=2, weight=weight, min_count=1)
    assert found.texts() == ["", "capo"]
    nobody = mine_interests(np.zeros(3, int), text, np.array([1, 2, 3]), num_users=2, min_count=1)
    assert nobody.texts() == ["", ""]


def test_heavier_rows_weigh_more():
    user, text = np.array([1, 1]), ["capo", "strap"]
    found = mine_interests(user, text, num_users=2, weight=np.array([1.0, 3.0]), min_count=1)
    assert found.as_text(1) == "strap, capo"


# === Kept on disk ===


@pytest.fixture
def interests():
    rating = np.array([5, 3, 1, 4, 2])
    return mine_interests(USER, TEXT, rating, num_users=6, min_count=1)


def test_what_is_saved_is_loaded(interests, tmp_path):
    interests.save(tmp_path / "new" / "interests.npz")
    loaded = Interests.load(tmp_path / "new" / "interests.npz")
    assert [loaded.of(user) for user in range(6)] == [interests.of(user) for user in range(6)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["interests.npz"]


def test_no_phrases_at_all_are_kept_too(tmp_path):
    found = mine_interests(np.zeros(1, int), ["capo"], num_users=3, min_count=1)
    found.save(tmp_path / "none.npz")
    assert Interests.load(tmp_path / "none.npz").texts() == ["", "", ""]


def test_a_file_cut_short_is_refused(interests, tmp_path):
    path = tmp_path / "interests.npz"
    interests.save(path)
    for kept in (0, 10, path.stat().st_size // 2):
        (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:kept])
        with pytest.raises(ValueError, match=r"cut.npz does not hold interests"):
            Interests.load(tmp_path / "cut.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"phrase": np.array([99] * 5)},
        {"phrase": np.zeros(1, int)},
        {"weight": np.array(["a"] * 5)},
        {"start": np.zeros((0,), int)},
        {"support": None},
    ],
)
def test_arrays_that_do_not_fit_are_refused(interests, tmp_path, change):
    path = tmp_path / "interests.npz"
    names = ("start", "phrase", "weight", "sentiment", "support")
    arrays = {name: getattr(interests, name) for name in names} | change
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(path, phrases=np.array(interests.phrases), **kept)
    with pytest.raises(ValueError, match=r"does not hold interests"):
        Interests.load(path)


def test_pickles_are_not_read(tmp_path):
    path = tmp_path / "interests.npz"
    np.savez(path, phrases=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"does not hold interests"):
        Interests.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.npz"):
        Interests.load(tmp_path / "none.npz")


@pytest.mark.parametrize("user", [-1, 6])
def test_users_that_do_not_exist(interests, user):
    with pytest.raises(ValueError, match=rf"from 0 to 5. Received: {user}"):
        interests.of(user)


# === Reasons ===

LIKED = [
    Phrase("leather strap", 0.5, 0.2, 2),
    Phrase("capo", 0.3, -0.4, 1),
    Phrase("picks", 0.15, None, 1),
    Phrase("ton of fun", 0.05, 0.0, 1),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Leather Straps & Picks", ["leather strap", "picks"]),
        ("A strap of leather, with a pick", ["picks", "leather strap"]),
        ("A capo and a ton of fun", ["ton of fun", "capo"]),
        ("Pickup, strap", []),
        ("", []),
        ("a ton, of fun", ["ton of fun"]),
    ],
)
def test_reasons(text, expected):
    assert [phrase.text for phrase in reason(LIKED, text)] == expected


def test_no_more_reasons_than_asked_for():
    text = "leather strap, capo, picks, ton of fun"
    assert [one.text for one in reason(LIKED, text, 2)] == ["leather strap", "picks"]
    assert len(reason(LIKED, text, 9)) == 4
    with pytest.raises(ValueError, match=r"`max_phrases` must be at least 1. Received: 0"):
        reason(LIKED, text, 0)
    with pytest.raises(ValueError, match=r"`item_text` must be a string. Received: None"):
        reason(LIKED, None)


# === What is refused ===

VALID = {
    "user": np.array([1, 2, 1]),
    "text": ["great tone", "bad tone", "tone"],
    "rating": np.array([5.0, 1.0, 3.0]),
    "num_users": 3,
    "item": np.array([0, 1, 1]),
    "item_text": ["", "wood"],
    "weight": np.ones(3),
    "min_count": 1,
}
REFUSED = {
    "user short": ({"user": np.array([1, 2])}, r"`user` must hold one integer index a text"),
    "user float": ({"user": np.array([1.0, 2, 1])}, r"`user` .* Received: float64 of shape \(3,\)"),
    "user high": ({"user": np.array([1, 3, 1])}, r"from 0 to 2. Received: 3 at position 1"),
    "user negative": ({"user": np.array([1, 2, -1])}, r"Received: -1 at position 2"),
    "item high": ({"item": np.array([0, 2, 1])}, r"`item` must be from 0 to 1. Received: 2"),
    "item missing": ({"item": None}, r"`item_text` needs `item`"),
    "text None": ({"text": ["a", None, "b"]}, r"`text` .* position 1: None \(NoneType\)"),
    "text bytes": ({"text": [b"a", "a", "b"]}, r"position 0: b'a' \(bytes\)"),
    "one text": ({"text": "tone"}, r"`text` must be a list of strings. Received: one string"),
    "item text": ({"item_text": ["", 7]}, r"`item_text` .* position 1: 7 \(int\)"),
    "rating short": ({"rating": np.ones(2)}, r"`rating` must hold one number a text"),
    "rating NaN": ({"rating": np.array([1, np.nan, 3])}, r"Received: nan at position 1"),
    "rating inf": ({"rating": np.array([1, 2, np.inf])}, r"Received: inf at position 2"),
    "rating one": ({"rating": np.full(3, 4.0)}, r"`rating` is 4 everywhere.*out"),
    "weight short": ({"weight": np.ones(2)}, r"`weight` must hold one number a text"),
    "weight negative": ({"weight": np.array([1, -1, 1])}, r"Received: -1.0 at position 1"),
    "weight NaN": ({"weight": np.array([np.nan, 1, 1])}, r"Received: nan at position 0"),
    "no phrase": ({"text": ["the", "of 7", ""], "item_text": ["", "?"]}, r"No phrase occurs in 1"),
    "rare": ({"min_count": 9}, r"No phrase occurs in 9 or more texts"),
    "item weight": ({"item_text_weight": -0.1}, r"`item_text_weight` .* Received: -0.1"),
    "phrases": ({"max_phrases": 0}, r"`max_phrases` must be at least 1. Received: 0"),
    "ngrams": ({"ngrams": 0}, r"`ngrams` must be at least 1. Received: 0"),
    "min_count": ({"min_count": 0}, r"`min_count` must be at least 1. Received: 0"),
    "stop words": ({"stop_words": "klingon"}, r"not a built-in stop list: klingon"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        mine_interests(**(VALID | change))


def test_the_valid_input_is_valid():
    assert mine_interests(**VALID).num_users == 3


def test_no_word_to_learn_sentiment_from():
    with pytest.raises(ValueError, match=r"No word occurs in 3 or more texts"):
        fit_sentiment(["a", "b", "c"], np.array([1, 2, 3]))


def test_no_texts_are_refused():
    with pytest.raises(ValueError, match=r"No phrase occurs"):
        mine_interests(np.empty(0, int), [], num_users=1)
