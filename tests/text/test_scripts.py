"""Texts in scripts without spaces, and with signs that combine: words, terms, interests, TF-IDF."""

import re

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.text.encoding.scripts import written_together
from tfrec_fusion.text.interests.interests import mine_interests, reason
from tfrec_fusion.text.interests.sentiment import fit_sentiment
from tfrec_fusion.text.interests.user_profiles import spoken_words
from tfrec_fusion.text.interests.words import split_words, terms, tokenize


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("人工智能", ["人工", "工智", "智能"]),
        ("茶", ["茶"]),
        ("东京タワー", ["东京", "京タ", "タワ", "ワー"]),
        ("5G手机壳，很好。", ["5g", "手机", "机壳", "，", "很好", "。"]),  # noqa: RUF001
        ("iPhone手机", ["iphone", "手机"]),
        ("กีตาร์ดี", ["กีตา"[:3], "ตา", "าร์", "ร์ดี"]),
        ("ກີຕ້າ", ["ກີຕ້", "ຕ້າ"]),
        ("សៀវភៅ", ["សៀវ", "វភៅ"]),
        ("ဂစ်တာ", ["ဂစ်", "စ်တာ"]),
        # With spaces: words as they are, their signs with them.
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("עִבְרִית", ["עִבְרִית"]),
        ("한국어 기타", ["한국어", "기타"]),
        ("cafe\u0301 Straße", ["café", "straße"]),
        ("❤️great strap", ["❤️", "great", "strap"]),
        ("don’t stop: 12-string", ["don't", "stop", ":", "12-string"]),  # noqa: RUF001
    ],
)
def test_words_of_every_script(text, expected):
    assert split_words(text) == expected


def test_clauses_end_at_the_marks_of_other_scripts():
    tokens = tokenize(["很好。不好！好？吧", "अच्छा। बुरा"])  # noqa: RUF001
    assert np.diff(tokens.clause).tolist() == [1, 1, 1, 1, 1]


ENGLISH = [
    "Don't buy this; it's a 12-string r&b guitar, ABC_def 2.5 stars, naïve café, Straße!",
    "Amélie. Comedy, Romance. Death Note: Desu nôto. Misérables, Les. 300. M*A*S*H. $9.99 — ok…",
]


def test_terms_of_texts_with_spaces_are_those_of_scikit_learn():
    for text in ENGLISH:
        assert terms(text.lower()) == re.findall(r"(?u)\b\w\w+\b", text.lower())
    assert split_words(ENGLISH[0])[:9] == [
        *("don't", "buy", "this", ";", "it's", "a", "12-string", "r&b", "guitar")
    ]


def test_interests_of_chinese_reviews_are_words_not_clauses():
    texts = ["这把吉他声音很好", "吉他很便宜", "我喜欢吉他", "键盘很便宜"]  # guitars, a keyboard
    found = mine_interests(np.array([1, 1, 2, 3]), texts, num_users=4, min_count=2)
    assert "吉他" in found.phrases and "便宜" in "".join(found.phrases)
    guitar = [phrase for phrase in found.of(2) if phrase.text == "吉他"]
    assert [one.text for one in reason(guitar, "全新吉他琴弦")] == ["吉他"]
    assert reason(guitar, "全新键盘") == []
    assert written_together(["人工", "工智", "智能", "5g", "手机"]) == "人工智能 5g 手机"


def test_sentiment_of_thai_reviews_is_that_of_their_words():
    texts = ["เสียงดีมาก", "กีตาร์ดีมาก", "เสียงแย่มาก", "กีตาร์แย่มาก"]  # good, bad
    learned = fit_sentiment(texts, np.array([5.0, 5.0, 1.0, 1.0]), min_count=2)
    good, bad = learned.polarity(["สายดีมาก", "สายแย่มาก"])
    assert good > 0.2 and bad < -0.2


def test_tfidf_finds_things_alike_in_chinese():
    items = pd.DataFrame({"item_id": ["1", "2", "3"]})
    items["title"] = ["红色电吉他", "电吉他琴弦套装", "无线键盘"]
    events = pd.DataFrame(
        {"user_id": ["a"] * 3, "item_id": ["1", "2", "3"], "timestamp": [1, 2, 3]}
    )
    data = index_data(from_frames(events, items))
    model = zoo.build("tfidf").fit(data.everything, data.item_texts())
    scores = np.asarray(model.similarity_model()({"item_id": np.array([1])})["scores"])[0]
    # 红色 色电 | 电吉 吉他 of 4 and of 6 terms; idf ln(4/2)+1 = 1.69 alone, ln(4/3)+1 = 1.29 shared
    shared, own = np.log(4 / 3) + 1, np.log(4 / 2) + 1
    lengths = [np.sqrt(2 * shared**2 + more * own**2) for more in (2, 4)]
    assert scores[2] == pytest.approx(2 * shared**2 / np.prod(lengths), abs=1e-5)
    assert scores[3] == 0
    _, _, words = spoken_words(data.everything, data.item_texts())
    assert "吉他" in words
