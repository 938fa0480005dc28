"""Users, histories, titles, texts and filters on the command line: the answers of Python."""

import json

import pandas as pd
import pytest
from command_line import answer, run

from tfrec_fusion import zoo
from tfrec_fusion.data import generate

USER, NEW = "u01", "nobody"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables whose items have a title with a comma, genres, a year, and a missing number."""
    folder = tmp_path_factory.mktemp("data")
    tables = generate(30, 24, 400, seed=3)
    items = tables.items.assign(
        title=[f"Film {n}, The ({1990 + n})" for n in range(24)],
        year=[1990 + n % 3 for n in range(24)],
        stock=[None, *range(23)],
    )
    tables.interactions.to_csv(folder / "interactions.csv", index=False)
    items.to_parquet(folder / "items.parquet")
    return folder


@pytest.fixture(scope="module")
def ease(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ease"
    run("train", "ease", "--data", folder, "--out", out)
    return out


@pytest.fixture(scope="module")
def model(ease):
    return zoo.load_run(ease)


def same(items, table):
    """Whether the JSON of the command line has the rows of a table."""
    expected = table.astype(object).where(table.notna(), None).to_dict("records")
    return items == json.loads(json.dumps(expected))


def test_a_user_and_a_history_get_what_python_answers(ease, model):
    found = answer("recommend", ease, "--user-id", USER, "-k", 4)
    assert found["user_id"] == USER and same(found["items"], model.recommend(USER, 4))
    assert {"genres", "year", "stock"} <= found["items"][0].keys()
    history = ["Film 3, The (1993)", "the film 7", "i05"]
    given = [part for one in history for part in ("--history", one)]
    found = answer("recommend", ease, *given, "--k", 4)
    assert found["history"] == history
    assert same(found["items"], model.recommend(history=history, k=4))
    by_ids = answer("recommend", ease, "--history", "i01,i05", "-k", 4)["items"]
    assert same(by_ids, model.recommend(history=["i01", "i05"], k=4))
    refused = run("recommend", ease, "--history", "Film 77, The", code=2).stderr
    assert "'Film 77, The' is neither an id nor a title" in refused and "Did you mean" in refused


def test_several_users_are_answered_one_after_the_other(ease, model, tmp_path):
    (tmp_path / "users.txt").write_text(f"u03\n{NEW}\n")
    asked = ("recommend", ease, "--user-id", USER, "--user-ids", tmp_path / "users.txt", "-k", 2)
    found = answer(*asked)["users"]
    users = [USER, "u03", NEW]
    assert [one["user_id"] for one in found] == users
    with pytest.warns(UserWarning, match="never seen"):
        expected = model.recommend(users, 2)
    for one in found:
        own = expected[expected["user_id"] == one["user_id"]].drop(columns="user_id")
        assert same(one["items"], own)
    printed = run(*asked)
    lines = printed.stdout.splitlines()
    assert [lines[n] for n in (0, 3, 6)] == [f"User {user}:" for user in users]
    assert lines[1].startswith("  1. Film ") and lines[7].endswith("(popularity)")
    assert "1 of 3 users was never seen" in printed.stderr
    (tmp_path / "users.txt").write_text(f"{USER}\n")  # a file has the form of several users
    assert len(answer("recommend", ease, "--user-ids", tmp_path / "users.txt")["users"]) == 1


def test_filters_are_those_of_python(ease, model):
    genre = model.items["genres"].iloc[0].split("|")[0]
    chosen = [f"--where={one}" for one in ("year=1990", "year=1991", f"genres={genre}")]
    filters = {"where": {"year": [1990, 1991], "genres": genre}, "exclude": ["i05"]}
    for asked, expected in (
        (("recommend", "--user-id", USER), lambda: model.recommend(USER, 2, **filters)),
        (
            ("recommend", "--history", "i02"),
            lambda: model.recommend(history=["i02"], k=2, **filters),
        ),
        (("similar", "--item-id", "film 2"), lambda: model.similar("film 2", 2, **filters)),
    ):
        name, *more = asked
        found = answer(name, ease, *more, *chosen, "--exclude", "i05", "-k", 2)["items"]
        assert found and same(found, expected())
    allow = [part for n in range(5) for part in ("--allow", f"Film {n}, The ({1990 + n})")]
    found = run("recommend", ease, "--user-id", NEW, *allow, "--allow", "i06,i07")
    assert len(found.stdout.splitlines()) == 7
    assert "The filters leave 7 items" in found.stderr
    refused = run("recommend", ease, "--user-id", USER, "--where", "yer=1990", code=2).stderr
    assert "--where must name columns of the catalog: " in refused
    assert "Did you mean 'year'?" in refused
    refused = run("recommend", ease, "--user-id", USER, "--where", "year=1900", code=2).stderr
    assert "No item has '1900' in `year`." in refused


def test_scores_are_those_of_python(ease, model):
    asked = ("score", ease, "--user-id", USER, "--item-id", "film 3", "--item-id", "i07,i05")
    found = answer(*asked)
    expected = model.score(USER, ["film 3", "i07", "i05"])
    assert found["user_id"] == USER and same(found["items"], expected)
    both = answer(*asked, "--user-id", "u03")["users"]
    assert same(both[0]["items"], expected) and both[1]["user_id"] == "u03"


def test_a_text_is_asked_with_and_without_a_user(ease, model):
    for more, user in (((), None), (("--user-id", USER), USER)):
        found = answer(
            "recommend", ease, "--text", "film 3", *more, "-k", 3, "--where", "year=1990"
        )
        expected = model.recommend(user, 3, text="film 3", where={"year": 1990})
        assert found["text"] == "film 3" and same(found["items"], expected)
        assert same(
            answer("search", "film 3", "--run", ease, *more, "-k", 3, "--where", "year=1990")[
                "items"
            ],
            expected,
        )


def test_a_catalog_without_a_model_is_filtered_too(folder):
    asked = ("search", "film", "--data", folder, "--text-preset", "tiny_gpt2", "-k", 24)
    rows = pd.DataFrame(answer(*asked, "--where", "year=1992", "--exclude", "i03")["items"])
    assert len(rows) == 7 and set(rows["year"]) == {1992} and "i03" not in set(rows["item_id"])
    everything = pd.DataFrame(answer(*asked)["items"])
    kept = everything[everything["item_id"].isin(rows["item_id"])]
    assert rows["item_id"].tolist() == kept["item_id"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give --user-id, --text, or both; or give --history."),
        (("--user-id", "1", "--history", "2"), "Give --user-id, --text, or both"),
        (("--text", "x", "--history", "2"), "Give --user-id, --text, or both"),
        (("--history", "1", "--why"), "--why goes with --user-id alone"),
        (("--text", "x", "--allow-seen"), "--allow-seen goes with --user-id or --history"),
        (("--history", ""), "--history must be an item's id or title, or ids joined by commas"),
        (("--history", "i01,,i02"), "Received: 'i01,,i02'."),
        (("--text", " "), "--text is empty"),
        (("--user-id", USER, "--where", "year"), "'year' is not a column and a value such as"),
        (("--user-id", USER, "-k", "0"), "0 is not in the range"),
    ],
)
def test_odd_questions_are_one_message_with_options(arguments, message, ease):
    refused = run("recommend", ease, *arguments, code=2).stderr
    assert message in refused and "Traceback" not in refused and "`" not in refused
