"""Questions in every form: the same user however written, one table of many, refusals that help."""

from __future__ import annotations

import decimal
import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
from asked import asked, rows
from command_line import answer, run

from tfrec_fusion import zoo
from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.tables.rec_data import RecData
from tfrec_fusion.errors import InvalidInput, UserError
from tfrec_fusion.zoo.answers import catalog_answers
from tfrec_fusion.zoo.answers.item_titles import ItemTitles
from tfrec_fusion.zoo.answers.near_misses import near_misses
from tfrec_fusion.zoo.prebuilt.load import open_run
from tfrec_fusion.zoo.runs.explainer import explainer_of
from tfrec_fusion.zoo.runs.run import load_run, save_run


def warned(call):
    """What a call answers, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = call()
    told = [one for one in caught if issubclass(one.category, AnswerWarning)]
    assert all(one.filename == __file__ for one in told)  # the line that asked
    return found, [str(one.message) for one in told]


@pytest.fixture(scope="module")
def films():
    return zoo.load("ease.ml_latest_small")


@pytest.fixture(scope="module")
def explainer(films):
    return explainer_of(films.run)


ONE = [1, 1.0, "1.0", b"1", np.int64(1), np.float32(1), np.array("1"), decimal.Decimal("1.0")]


@pytest.mark.parametrize("user", ONE, ids=lambda one: f"{one!r}")
def test_a_user_is_the_same_however_the_id_is_written(films, explainer, user):
    found = films.recommend(user, k=3)
    assert found["title"].tolist()[0] == "Back to the Future Part II"
    pd.testing.assert_frame_equal(found, films.recommend("1", k=3))
    assert explainer.explain(user).title == "Back to the Future Part II"
    assert explainer.explain(2, user).title == "Toy Story"
    assert films.similar(user, k=2)["title"].tolist() == [
        "Independence Day (a.k.a. ID4)",
        "Toy Story 2",
    ]
    assert films.recommend(history=[user], k=1)["title"][0] == "Independence Day (a.k.a. ID4)"


SEVERAL = [
    ["2", "1", "2"],
    (2, 1, 2),
    np.array([2.0, 1.0, 2.0]),
    pd.Series(["2", "1", "2"], index=[5, 6, 6], dtype="category"),
    pd.Index([2, 1, 2]),
    pd.DataFrame({"age": [1, 2, 3], "user_id": [2, 1, 2]}),
]


@pytest.mark.parametrize("users", SEVERAL, ids=lambda one: type(one).__name__)
def test_several_users_get_the_answers_of_each_in_one_table(films, users):
    found = films.recommend(users, k=4)
    assert found.columns.tolist() == ["user_id", "item_id", "title", "score", "source"]
    assert found["user_id"].tolist() == ["2"] * 4 + ["1"] * 4 + ["2"] * 4
    one_by_one = pd.concat([films.recommend(one, k=4) for one in "212"], ignore_index=True)
    pd.testing.assert_frame_equal(found.drop(columns="user_id"), one_by_one, rtol=1e-5)
    assert found["title"][4] == "Back to the Future Part II"


def test_no_users_get_an_empty_table():
    for none in ([], pd.DataFrame({"user_id": []}), iter([])):
        found = asked().recommend(none, k=2)
        assert found.empty
        assert found.columns.tolist() == ["user_id", "item_id", "title", "score", "source"]


def test_many_users_are_scored_some_at_a_time_and_unknown_ones_not_at_all(monkeypatch):
    monkeypatch.setattr(catalog_answers, "PAIRS_AT_ONCE", 10)  # two users of five items
    one, calls = asked(), []
    score = one.score
    one.__dict__["score"] = lambda users: calls.append(users.tolist()) or score(users)
    found, told = warned(lambda: one.recommend(["cat", "eve", "x", "ann", "y", "z"], k=2))
    assert calls == [[3, 4], [1]]
    assert rows(found, "user_id", "item_id", "score", "source") == [
        ("cat", "a", 4, "model"),
        ("cat", "b", 3, "model"),
        ("eve", "d", 6, "model"),
        ("eve", "c", 4, "model"),
        ("x", "a", 3, "popularity"),
        ("x", "b", 2, "popularity"),
        ("ann", "c", 7, "model"),
        ("ann", "d", 1, "model"),
        *[(who, item, n, "popularity") for who in "yz" for item, n in (("a", 3), ("b", 2))],
    ]
    assert told == [
        "3 of 6 users were never seen ('x', 'y', 'z'): these are popular items, whose scores count "
        "events (source `popularity`)."
    ]


def test_an_unknown_user_is_told_with_the_id_that_was_probably_meant():
    for user, meant in (
        ("Ann ", "ann"),
        ("\u00a0bob", "bob"),
        ("c at", "cat"),
        ("\uff45ve", "eve"),
    ):
        found, told = warned(lambda user=user: asked().recommend(user, k=3))
        assert rows(found, "title", "score", "source") == [
            ("Alien", 3, "popularity"),
            ("Brazil", 2, "popularity"),
            ("Casablanca", 2, "popularity"),
        ]
        assert len(told) == 1 and told[0].startswith(f"User {user!r} was never seen: ")
        assert told[0].endswith(f"Did you mean {meant!r} instead of {user!r}?")
    found, told = warned(lambda: asked().recommend([f"u{n}" for n in range(7)], k=1))
    assert "7 of 7 users were never seen ('u0', 'u1', 'u2', 'u3', 'u4' and 2 more)" in told[0]


def test_near_misses_are_of_blanks_case_and_unicode_form():
    composed = unicodedata.normalize("NFC", "Zoë")
    ids = [composed, " 7", "U12", "plain"]
    for unknown, meant in (
        (unicodedata.normalize("NFD", "zoë"), composed),
        ("7", " 7"),
        ("u 12\u200b", "U12"),
    ):
        assert near_misses([unknown], ids) == f" Did you mean {meant!r} instead of {unknown!r}?"
    assert near_misses(["other", "plain text"], ids) == ""


def test_popularity_counts_the_events(films):
    found, told = warned(lambda: films.recommend(["nobody", "1"], k=2))
    assert found["source"].tolist() == ["popularity"] * 2 + ["model"] * 2
    counts = films.answers.known.item_counts
    assert found["score"].tolist()[:2] == sorted(counts[1:], reverse=True)[:2] == [329, 317]
    assert found["title"].tolist()[:2] == ["Forrest Gump", "Shawshank Redemption, The"]
    assert len(told) == 1 and "1 of 2 users was never seen ('nobody')" in told[0]
    assert warned(lambda: films.recommend("1"))[1] == []


def test_seen_items_are_answered_on_request_or_where_the_run_was_measured_so():
    kept, free = asked(), asked(allow_seen=True)
    unseen, every = [("c", 7), ("d", 1)], [("a", 9), ("c", 7), ("b", 5), ("d", 1)]
    assert rows(kept.recommend("ann", 2), "item_id", "score") == unseen
    assert rows(kept.recommend("ann", 4, allow_seen=True), "item_id", "score") == every
    assert rows(free.recommend("ann", 4), "item_id", "score") == every
    assert rows(free.recommend("ann", 2, allow_seen=False), "item_id", "score") == unseen
    history, again = [("d", 8), ("c", 6)], [("d", 8), ("c", 6), ("a", 1), ("b", 1)]
    found = kept.recommend_from_history(["a", "b"], 2)
    assert rows(found, "item_id", "score") == history
    found = kept.recommend_from_history(["a", "b"], 4, allow_seen=True)
    assert rows(found, "item_id", "score") == again
    assert rows(free.recommend_from_history(["a", "b"], 4), "item_id", "score") == again


def test_a_run_answers_seen_items_where_it_was_measured_so(tmp_path):
    frame = pd.DataFrame([(u, i, t) for u in range(4) for t, i in enumerate("abcdefgh"[u:])])
    frame.columns = ["user_id", "item_id", "timestamp"]
    items = pd.DataFrame({"item_id": list("abcdefgh"), "title": list("ABCDEFGH"), "text": ""})
    data = index_data(RecData(frame, items))
    model = zoo.build("ease").fit(data.train)
    for seen in (False, True):
        save_run(tmp_path, model, data, {"model": "ease", "options": {"allow_seen": seen}})
        found, told = warned(lambda: load_run(tmp_path).recommender.recommend(0, 8))
        assert sorted(found["title"]) == (list("ABCDEFGH") if seen else [])
        assert len(told) == (not seen)
        shown = run("recommend", tmp_path, "--user-id", 0, "-k", 8)
        assert len(shown.stdout.splitlines()) == 8 * seen
        shown = run("recommend", tmp_path, "--user-id", 0, "-k", 8, "--allow-seen")
        assert len(shown.stdout.splitlines()) == 8 and not shown.stderr
        shown = run("recommend", tmp_path, "--user-id", 0, "-k", 8, "--no-allow-seen")
        remedy = "--allow-seen recommends seen items, too.\n"
        assert shown.stderr == f"User '0' has already seen every item. {remedy}"
        shown = run("recommend", tmp_path, "--user-id", 3, "-k", 5, "--no-allow-seen")
        assert sorted(line.split()[1] for line in shown.stdout.splitlines()) == list("ABC")
        assert "User '3' has already seen all items but 3, which is fewer than k=5" in shown.stderr
    assert answer("recommend", tmp_path, "--user-id", 0, "--no-allow-seen", "-k", 2)["items"] == []


def test_too_few_items_are_explained():
    one = asked()
    found, told = warned(lambda: one.recommend("bob", 2))
    assert found.empty and found.columns.tolist() == ["item_id", "title", "score", "source"]
    remedy = "`allow_seen=True` recommends seen items, too."
    assert told == [f"User 'bob' has already seen every item. {remedy}"]
    found, told = warned(lambda: one.recommend("ann", 3))
    assert found["item_id"].tolist() == ["c", "d"]
    assert told == [
        f"User 'ann' has already seen all items but 2, which is fewer than k=3. {remedy}"
    ]
    found, told = warned(lambda: one.recommend(["ann", "bob", "cat"], 3))
    assert found["user_id"].tolist() == ["ann", "ann", "cat", "cat", "cat"]
    assert told == [
        "2 of 3 users have already seen so many items that fewer than k=3 are left: "
        f"'ann' (2), 'bob' (0). {remedy}"
    ]
    found, told = warned(lambda: one.recommend_from_history(list("abc"), 2))
    assert found["item_id"].tolist() == ["d"] and "all items but 1" in told[0]
    found, told = warned(lambda: one.similar("a", 4))
    assert found["item_id"].tolist() == ["d", "c", "b"] and "3 items besides this one" in told[0]
    assert warned(lambda: one.recommend("ann", 2))[1] == []


def test_the_best_items_are_those_of_a_full_sort_also_among_equals():
    one = asked()
    scores = np.array([9, 1, 3, 3, 3], np.float32)
    for k, expected in ((1, [2]), (2, [2, 3]), (3, [2, 3, 4]), (4, [2, 3, 4, 1])):
        assert one._best(scores, (), k)[0].tolist() == expected
    assert one._best(scores, [3], 2)[0].tolist() == [2, 4]
    scores[2] = np.nan  # comes last
    assert one._best(scores, (), 3)[0].tolist() == [3, 4, 1]


REFUSED_USERS = {
    "`user_id`: An id must not be missing. Received: nan": np.nan,
    "Received: <NA>": pd.NA,
    "Received: 1.5, a number with a fraction": 1.5,
    "Received: True, a bool": True,
    "An id must be one value, not a dict": {"user_id": "1"},
    "`user_id`, position 1: An id must be one value, not a list": ["1", ["2"]],
    "`user_id`, position 1: An id must not be missing": pd.Series([1, None]),
    "an array of shape (1, 2)": np.array([["1", "2"]]),
    "needs one column `user_id`. Received: the columns 'userId', 'k'": pd.DataFrame(
        {"userId": [1], "k": [2]}
    ),
    "by `reset_index()`": pd.DataFrame({"n": [1]}, index=pd.Index([1], name="user_id")),
    "An id must not be blank. Received: ' '": " ",
}


@pytest.mark.parametrize("message", REFUSED_USERS)
def test_what_is_no_user_is_refused(films, message):
    for call in (films.recommend, films.answers.recommend):
        with pytest.raises(InvalidInput) as refused:
            call(REFUSED_USERS[message])
        assert message in str(refused.value)
    with pytest.raises(InvalidInput, match="user_id"):
        films.recommend(REFUSED_USERS[message], text="a western")


REFUSED_HISTORIES = {
    "`history` must be a list of ids. Received: '15'. For one id, write ['15']": "15",
    "For one id, write [b'15']": b"15",
    "For one id, write [15]": 15,
    "`history` is empty": [],
    "`history` is empty. Give": pd.Series([], dtype=object),
    "a set has no order": {"1"},
    "`history`, position 0: An id must be one value, not a list": [["1"], ["50"]],
    "`history`, position 1: An id must not be missing": ["1", None],
    "a DataFrame with the columns item_id; pass one of them": pd.DataFrame({"item_id": [1]}),
    "'Toy Stroy' is neither an id nor a title of the catalog. Did you mean 'Toy Story": [
        "Toy Stroy"
    ],
    "Did you mean '15' instead of '1 5'": ["1 5"],
}


@pytest.mark.parametrize("message", REFUSED_HISTORIES)
def test_what_is_no_history_is_refused(films, message):
    with pytest.raises(InvalidInput) as refused:
        films.recommend(history=REFUSED_HISTORIES[message])
    assert message in str(refused.value)
    if "neither" not in message and "instead" not in message:
        with pytest.raises(InvalidInput, match="`item_ids`"):
            films.answers.recommend_from_history(REFUSED_HISTORIES[message])


def test_a_history_may_be_any_list_of_ids_and_titles(films):
    expected = films.recommend(history=["1", "50"], k=3)
    assert expected["title"][0] == "Shawshank Redemption, The"
    assert expected["source"].tolist() == ["model"] * 3
    for given in (
        [1, 50.0],
        pd.Series([1, 50], index=[7, 7]),
        np.array(["1", "50"]),
        (b"1", " usual  SUSPECTS, the "),
        iter(["Toy Story", 50]),
    ):
        pd.testing.assert_frame_equal(films.recommend(history=given, k=3), expected)
    with pytest.raises(InvalidInput, match=r"Received: 'a1', 'zz' unknown.*ids look like \['1'"):
        films.answers.recommend_from_history(["1", "a1", "zz"])
    with pytest.raises(InvalidInput, match="Did you mean '50' instead of ' 50'"):
        films.answers.recommend_from_history([" 50"])


def test_a_text_that_is_an_id_and_another_title_is_told(films):
    found, told = warned(lambda: films.similar("300", 2))
    pd.testing.assert_frame_equal(found, films.answers.similar("300", 2))  # Quiz Show
    assert told == [
        "'300' is read as an id, that of 'Quiz Show'. As a title it belongs to '51662': "
        "give that id to mean the title."
    ]
    assert warned(lambda: films.similar(300, 2))[1] == []  # a number is an id


def test_titles_that_differ_in_case_are_told_apart():
    titles = ItemTitles(["7", "8", "9"], ["Ben-Hur", "Ben-hur", "IT"])
    assert titles.item_id("Ben-hur", "item") == "8"
    assert titles.item_id("it", "item") == "9"
    with pytest.raises(
        InvalidInput, match=r"title of several items: '7' \(Ben-Hur\), '8' \(Ben-hur\)\. Give"
    ):
        titles.item_id("BEN-HUR", "item")


@pytest.mark.parametrize("k", ["2", 2.0, True, None, [2], np.array(2), "ten"])
def test_a_count_is_a_whole_number(films, explainer, k):
    why = explainer.explain("1")
    for call in (
        lambda: films.recommend("1", k=k),
        lambda: films.recommend(["1"], k=k),
        lambda: films.recommend(history=["1"], k=k),
        lambda: films.recommend(text="a western", k=k),
        lambda: films.similar("1", k),
        lambda: why.as_text(k),
        lambda: why.as_svg(k),
        lambda: why.as_json(k or "none"),
    ):
        with pytest.raises(InvalidInput, match="`k` must be a whole number, such as 10"):
            call()


def test_a_count_of_numpy_is_one_and_its_range_is_told(films):
    for k in (np.int64(2), np.uint8(2)):
        assert len(films.recommend("1", k=k)) == len(films.similar("1", k)) == 2
    for k in (0, -1, 9743):
        for call in (
            lambda k=k: films.recommend("1", k=k),
            lambda k=k: films.recommend(history=["1"], k=k),
            lambda k=k: films.recommend(text="a western", k=k),
            lambda k=k: films.similar("1", k),
        ):
            with pytest.raises(InvalidInput, match=rf"Received: k={k}, 9742 items"):
                call()


REFUSED_TEXTS = {
    "`text` must be one string. Received: 5, of the type int.": 5,
    "Ask with one query at a time": ["a western"],
    "Decode it first": b"a western",
    "`text` is empty. Give at least one word.": " \n",
    "`text` must be valid Unicode": "a \ud800",
}


@pytest.mark.parametrize("message", REFUSED_TEXTS)
def test_what_is_no_text_is_refused(films, message):
    with pytest.raises(InvalidInput) as refused:
        films.recommend(text=REFUSED_TEXTS[message])
    assert message in str(refused.value)


def test_a_text_is_ordered_for_each_known_user(films):
    text = "world war two submarine"
    alone = films.recommend(text=text, k=5)
    assert {"Boot, Das (Boat, The)", "Crimson Tide"} & set(alone["title"])
    assert alone["source"].tolist() == ["text"] * 5
    found, told = warned(lambda: films.recommend(["1", "nobody", 2], text=text, k=5))
    assert found["user_id"].tolist() == ["1"] * 5 + ["nobody"] * 5 + ["2"] * 5
    assert found["source"].tolist() == ["model"] * 5 + ["text"] * 5 + ["model"] * 5
    parts = [found[at : at + 5].drop(columns="user_id").reset_index(drop=True) for at in (0, 5, 10)]
    pd.testing.assert_frame_equal(parts[0], films.recommend("1", text=text, k=5))
    pd.testing.assert_frame_equal(parts[1], alone)
    pd.testing.assert_frame_equal(parts[2], films.recommend("2", text=text, k=5))
    assert told == [
        "1 of 3 users was never seen ('nobody'): the query alone orders the items (source `text`)."
    ]
    assert films.recommend([], text=text).columns.tolist() == found.columns.tolist()
    with pytest.raises(InvalidInput, match="`allow_seen` goes with `user_id` or `history` alone"):
        films.recommend("1", text=text, allow_seen=True)
    with pytest.raises(InvalidInput, match="`allow_seen` must be True, False or None"):
        films.recommend("1", allow_seen="no")


def test_one_item_and_one_user_are_asked_about_at_a_time(films):
    for call, message in (
        (lambda: films.similar(["1"]), "`item_id`: An id must be one value, not a list"),
        (lambda: films.similar(None), "`item_id`: An id must not be missing"),
        (lambda: films.answers.similar(["1"]), "`item_id`: An id must be one value"),
        (lambda: films.answers.similar(" 1"), "Did you mean '1' instead of ' 1'"),
        (lambda: films.explain([["1"]]), "`user_id`, position 0: An id must be one value"),
        (lambda: films.explain("1 "), "Did you mean '1' instead of '1 '"),
        (lambda: films.explain("1", ["50"]), "`item_id`: An id must be one value, not a list"),
        (lambda: films.explain(None), "`user_id`: An id must not be missing"),
    ):
        with pytest.raises(InvalidInput) as refused:
            call()
        assert message in str(refused.value)


REFUSED_NAMES = [
    (zoo.load, 5, "Received: 5, of the type int"),
    (zoo.load, None, "Received: None"),
    (zoo.load, ["ease"], "Received: ['ease'], of the type list"),
    (zoo.load, "ease", "Did you mean 'ease.ml_latest_small'?"),
    (zoo.load, "GPT2", "Did you mean 'gpt2_hybrid.ml_latest_small' or"),
    (zoo.load_run, 5, "Received: 5, of the type int"),
    (zoo.load_run, "", "The path of a run folder is empty"),
    (open_run, None, "Received: None, of the type NoneType"),
    (open_run, ["a"], "Received: ['a'], of the type list"),
    (
        open_run,
        "ease",
        "no prebuilt model of `list --pretrained` has this name. Did you mean 'ease",
    ),
    (zoo.build, ["ease"], "Received: ['ease']"),
    (zoo.build, "NeuMF", "Did you mean 'neumf'?"),
    (zoo.get_spec, "nothing", "`name` must be one of ease, item_knn, popularity, tfidf"),
]


@pytest.mark.parametrize(("function", "name", "message"), REFUSED_NAMES)
def test_what_is_no_name_of_a_model_is_refused(function, name, message):
    with pytest.raises(UserError) as refused:
        function(name)
    assert message in str(refused.value)


def test_a_run_folder_is_not_taken_for_a_prebuilt_model(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"A run folder is read by `zoo\.load_run`"):
        zoo.load(str(tmp_path))


def test_commands_say_what_is_popular_and_read_lists_with_blanks(films):
    name = "ease.ml_latest_small"
    shown = run("recommend", name, "--user-id", "1 ", "-k", 2)
    assert shown.stdout.splitlines() == [
        "  1. Forrest Gump  [356]  329.000  (popularity)",
        "  2. Shawshank Redemption, The  [318]  317.000  (popularity)",
    ]
    assert shown.stderr == (
        "User '1 ' was never seen: these are popular items, whose scores count events "
        "(source `popularity`). Did you mean '1' instead of '1 '?\n"
    )
    assert answer("recommend", name, "--user-id", "nobody", "-k", 1)["items"] == [
        {"item_id": "356", "title": "Forrest Gump", "score": 329.0, "source": "popularity"}
    ]
    found = answer("recommend", name, "--user-id", "1.0", "-k", 1)["items"]
    assert found == films.recommend("1", k=1).to_dict("records") and found[0]["source"] == "model"
    assert "(popularity)" not in run("recommend", name, "--user-id", "1").stdout
    found = answer("recommend", name, "--history", " 1, 50,181.0 ", "-k", 2)["items"]
    assert found == films.recommend(history=["1", "50", "181"], k=2).to_dict("records")
    for given, message in (
        (("--history", ""), "--history must be an item's id or title, or ids joined by commas"),
        (("--history", " , "), "Received: ' , ', which is empty"),
        (("--history", "1,,50"), "Received: '1,,50'"),
        (("--history", "", "--why"), "--why goes with --user-id alone"),
        (("--history", "1,5 0"), "Did you mean '50' instead of '5 0'"),
        (("--user-id", ""), "--user-id: An id must not be blank"),
        (("--user-id", "1", "-k", "0"), "0 is not in the range x>=1"),
        (("--user-id", "1", "-k", "2.0"), "'2.0' is not a valid integer"),
    ):
        assert message in run("recommend", name, *given, code=2).stderr
