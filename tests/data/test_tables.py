"""Tables: what is accepted and how it is normalized, what is refused and in which words."""

import gzip
import logging
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.data.tables.rec_data import RecData, checksum, from_frames, load_csv


def events(**columns):
    return pd.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], **columns})


ITEMS = pd.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], "text": ["x", "y"]})


def test_columns_are_normalized_and_the_frames_given_are_left_alone():
    given = events(rating=[1, 2, 3], timestamp=["10", "20", "30"], text=["good", None, "NA"], x=1)
    given.index = [7, 7, 9]
    before = given.copy()
    data = RecData(given, ITEMS.assign(price=[1.5, 2.5]), name="shop")
    assert data.interactions["rating"].dtype == np.float32
    assert data.interactions["timestamp"].dtype == np.int64
    assert data.interactions["timestamp"].tolist() == [10, 20, 30]
    assert data.interactions["text"].tolist() == ["good", "", "NA"]
    assert data.interactions.index.tolist() == [0, 1, 2]
    assert data.interactions["x"].tolist() == [1, 1, 1] and data.items["price"].sum() == 4
    pd.testing.assert_frame_equal(given, before)
    assert repr(data) == "RecData(shop: 3 interactions, 2 users, 2 items)"


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 30], ["1", "2", "30"]),
        ([1.0, 2.0, 30.0], ["1", "2", "30"]),
        (pd.array([1, 2, 30], dtype="Int64"), ["1", "2", "30"]),
        ([1.0, "2", b"30"], ["1", "2", "30"]),
        (pd.array([1, 2, 30], dtype="Float64"), ["1", "2", "30"]),
        ([2**53 + 1, 2.0, "30"], ["9007199254740993", "2", "30"]),
        (["007", "NA", "None"], ["007", "NA", "None"]),
        (pd.Categorical(["x", "y", "x"]), ["x", "y", "x"]),
    ],
)
def test_ids_of_any_type_become_the_strings_a_person_would_write(ids, expected):
    frame = pd.DataFrame({"user_id": ids, "item_id": "a"})
    data = RecData(frame, ITEMS)
    assert data.interactions["user_id"].tolist() == expected
    assert {type(one) for one in data.interactions["user_id"]} == {str}


@pytest.mark.parametrize(
    ("interactions", "message"),
    [
        (events().drop(columns="item_id"), r"`interactions` lacks the column item_id\. Received: "),
        (events().iloc[:0], r"`interactions` is empty\. Received: 0 rows"),
        (
            events(user_id=["u", None, None]),
            r"`interactions.user_id` must not be null\. Received: "
            r"rows 1, 2 \(counted from 0\)",
        ),
        (events(user_id=[1, 2, np.nan]), r"user_id` must not be null\. Received: row 2 "),
        (
            events(item_id=["a", " ", "b"]),
            r"item_id` must hold ids.*row 1 .*not be blank\. Received: ' '",
        ),
        (
            events(item_id=["a", "z", "b"]),
            r"`interactions.item_id` names ids that `items` does "
            r"not have, such as 'z'\. Received: row 1 .* Add them to `items`",
        ),
        (events(rating=[1, np.nan, 3]), r"`interactions.rating` must be finite.*row 1 .*is nan"),
        (events(rating=[1, np.inf, 3]), r"rating` must be finite.*row 1 .*is inf"),
        (events(rating=[1, 1e300, 3]), r"rating` must be finite.*row 1 "),
        (events(rating=[1, "good", 3]), r"rating` must be finite.*row 1 .*is 'good'"),
        (
            events(timestamp=[1, "soon", 3]),
            r"`interactions.timestamp` must be seconds since 1970, or dates in ISO 8601 such as "
            r"2024-01-31T12:00:00\. Received: row 1 .*is 'soon'",
        ),
        (events(timestamp=[1, np.nan, 3]), r"timestamp` must not be missing.*row 1 "),
        (events(timestamp=[1, np.inf, 3]), r"timestamp` must be seconds.*row 1 "),
        (events(timestamp=[1, -5, 3]), r"timestamp` must .* lie between 1980.*rows 0, 1"),
        (
            events(timestamp=[1, 2, int(time.time()) + 3 * 86_400]),
            r"must not lie in the future.*"
            r"row 2 .*Correct or drop",
        ),
        (
            events(timestamp=[1, 2, 1_500_000_000_000]),
            r"future.*look like milliseconds: "
            r"divide by 1000\.",
        ),
        (events(timestamp=[1, 2, 1_500_000_000_000_000_000]), r"future.*look like nanoseconds"),
        (
            pd.concat([events(), events()[["user_id"]]], axis=1),
            r"`interactions` has duplicate "
            r"columns: user_id",
        ),
    ],
)
def test_unsound_interactions_are_refused_with_place_and_cure(interactions, message):
    with pytest.raises(ValueError, match=message):
        RecData(interactions, ITEMS)


def test_no_more_than_five_rows_are_listed():
    many = pd.DataFrame({"user_id": [None] * 8, "item_id": "a"})
    with pytest.raises(ValueError, match=r"rows 0, 1, 2, 3, 4 and 3 more \(counted from 0\)"):
        RecData(many, ITEMS)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            ITEMS.drop(columns="item_id"),
            r"`items` lacks the column item_id\. Received: 'title', 'te",
        ),
        (ITEMS.iloc[:0], r"`items` is empty"),
        (
            pd.concat([ITEMS, ITEMS]),
            r"`items.item_id` must be unique, but 'a' \(for one\) occurs "
            r"again\. Received: rows 2, 3 .*drop_duplicates\(\"item_id\"\)",
        ),
        (ITEMS.assign(item_id=["a", None]), r"`items.item_id` must not be null.*row 1 "),
        (ITEMS.assign(item_id=["a", ""]), r"`items.item_id` must hold ids.*row 1 .*blank"),
    ],
)
def test_unsound_items_are_refused(items, message):
    with pytest.raises(ValueError, match=message):
        RecData(events(), items)


def test_unsound_users_and_graphs_are_refused():
    with pytest.raises(ValueError, match=r"user_id` names ids that `users` does not have.*'v'"):
        RecData(events(), ITEMS, users=pd.DataFrame({"user_id": ["u"]}))
    with pytest.raises(ValueError, match=r"`users.user_id` must be unique.*row 1 "):
        RecData(events(), ITEMS, users=pd.DataFrame({"user_id": ["u", "u", "v"]}))
    with pytest.raises(ValueError, match=r"`graph` lacks the column tail_id\. Received: 'head_id"):
        RecData(events(), ITEMS, graph=pd.DataFrame({"head_id": ["a"], "relation_id": ["r"]}))
    triple = pd.DataFrame({"head_id": ["a"], "relation_id": ["r"], "tail_id": [None]})
    with pytest.raises(ValueError, match=r"`graph.tail_id` must not be null"):
        RecData(events(), ITEMS, graph=triple)
    with pytest.raises(ValueError, match=r"`graph` is empty.*graph=None"):
        RecData(events(), ITEMS, graph=triple.iloc[:0])
    with pytest.raises(TypeError, match=r"`interactions` must be a pandas DataFrame. Received: li"):
        RecData([("u", "a")], ITEMS)


def test_users_and_graph_are_kept():
    users = pd.DataFrame({"user_id": ["u", "v", "silent"], "age": [1, 2, 3]})
    graph = pd.DataFrame({"head_id": [1.0], "relation_id": ["r"], "tail_id": [2]})
    data = RecData(events(), ITEMS, users, graph)
    assert data.graph.to_numpy().tolist() == [["1", "r", "2"]]
    assert "3 users, 2 items, 1 triples" in repr(data)


def test_what_is_filled_in_or_cut_off_or_repeated_is_said(caplog):
    frame = events(timestamp=[1.5e9, 1.5e9 + 2.75, 1.5e9 + 3])
    items = pd.DataFrame({"item_id": ["a", "b"], "title": [None, "B"]})
    with caplog.at_level(logging.WARNING):
        data = RecData(pd.concat([frame, frame.iloc[:2]]), items)
    assert data.items["title"].tolist() == ["", "B"]
    assert data.items["text"].tolist() == ["", ""]
    assert data.interactions["timestamp"].tolist() == [1_500_000_000 + n for n in (0, 2, 3, 0, 2)]
    assert caplog.messages == [
        "items.title: 1 missing values are empty texts.",
        "items.title: 1 empty values; their ids are shown instead.",
        "items: 1 of 2 have neither title nor text. Readers of texts see nothing of them; further "
        "columns are read with `text_columns`.",
        "interactions.timestamp: fractions of a second cut off in 2 rows.",
        "interactions: 2 rows repeat another row exactly; kept.",
    ]


def test_a_catalog_is_made_of_the_interactions(caplog):
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 9.0, 10]})
    data = from_frames(frame)
    assert data.items["item_id"].tolist() == ["9", "10"]
    assert data.items["title"].tolist() == data.items["text"].tolist() == ["", ""]
    assert "items: no column `title`; ids are shown in its place." in caplog.messages
    with pytest.raises(ValueError, match="`interactions` is empty"):
        from_frames(frame.iloc[:0])


def test_columns_are_mapped_by_keyword():
    reviews = pd.DataFrame(
        {
            "reviewerID": ["A", "B"],
            "asin": ["1", "2"],
            "overall": [5.0, 1.0],
            "unixReviewTime": [10, 20],
            "reviewText": ["fine", "bad"],
            "stars": [0, 0],
        }
    )
    meta = pd.DataFrame({"asin": ["1", "2"], "name": ["String", "Reed"]})
    people = pd.DataFrame({"user_id": ["A", "B"]})
    data = from_frames(
        reviews,
        meta,
        people,
        user_id="reviewerID",
        item_id="asin",
        rating="overall",
        timestamp="unixReviewTime",
        text="reviewText",
        title="name",
        item_text="name",
    )
    names = ["user_id", "item_id", "rating", "timestamp", "text", "stars"]
    assert data.interactions.columns.tolist() == names
    assert data.items["title"].tolist() == data.items["text"].tolist() == ["String", "Reed"]
    plain = from_frames(
        reviews, user_id="asin", item_id="reviewerID", rating=None, timestamp=None, text=None
    )
    assert plain.interactions["item_id"].tolist() == ["A", "B"]
    assert "rating" not in plain.interactions


def test_none_leaves_a_column_out_and_a_swap_is_no_collision():
    frame = events(rating=[1, 2, 3])
    assert "rating" not in from_frames(frame, rating=None).interactions
    swapped = from_frames(frame, user_id="item_id", item_id="user_id")
    assert swapped.interactions["user_id"].tolist() == ["a", "b", "a"]


def test_a_wrong_keyword_is_refused():
    with pytest.raises(ValueError, match=r"lacks the column stars. Received: 'user_id', 'item_id'"):
        from_frames(events(), rating="stars")
    with pytest.raises(ValueError, match=r"`items` lacks the column movieId"):
        from_frames(
            events(movieId=["a"] * 3).drop(columns="item_id"),
            ITEMS.rename(columns={"item_id": "id"}),
            item_id="movieId",
        )
    with pytest.raises(ValueError, match=r"has a column `rating` besides `stars`"):
        from_frames(events(rating=1, stars=2), rating="stars")
    with pytest.raises(
        ValueError,
        match=r"`interactions.rating` must be between 1 and 5\. "
        r"Received: row 1 .*is 6",
    ):
        from_frames(events(rating=[5, 6, 1]), rating_range=(1, 5))


def test_load_csv_reads_the_movielens_layout_as_it_is_written(tmp_path):
    ratings, movies = tmp_path / "ratings.csv", tmp_path / "movies.csv"
    ratings.write_bytes(
        b"userId,movieId,rating,timestamp\r\n007,1,4.0,964982703\r\nNA,2,0.5,964982704\r\n"
    )
    movies.write_text('movieId,title,genres\n1,NA,Comedy|Drama\n2,"Heat, The",None\n', "utf-8")
    data = load_csv(ratings, movies, user_id="userId", item_id="movieId", name="mine")
    assert data.interactions["user_id"].tolist() == ["007", "NA"]
    assert data.interactions["rating"].tolist() == [4.0, 0.5]
    assert data.items["title"].tolist() == ["NA", "Heat, The"]
    assert data.items["genres"].tolist() == ["Comedy|Drama", "None"]
    with pytest.raises(ValueError, match=r"must be between 1 and 5"):
        load_csv(ratings, user_id="userId", item_id="movieId", rating_range=(1, 5))


def test_load_csv_reads_tabs_gzip_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "events.tsv.gz"
    with gzip.open(path, "wb") as file:
        file.write("\ufeffuser_id\titem_id\n1\tcafé\n".encode())
    assert load_csv(path).interactions.to_numpy().tolist() == [["1", "café"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"events.csv is not a table separated by ','"),
        (b"user_id,item_id\n1,2\n1,2,3,4\n", r"events.csv is not a table.*line 3"),
        (b"user_id,item_id\n1,2,3\n", r"events.csv has more values in a row than columns"),
        (b"user_id;item_id\n1;2\n", r"lacks the column user_id.*'user_id;item_id'.*give --sep ';'"),
        (b"user_id,item_id\n1\n", r"`interactions.item_id` must hold ids.*not be blank"),
        (b"user_id,item_id\n,2\n", r"`interactions.user_id` must hold ids.*not be blank"),
        (b"user_id,item_id,rating\n1,2,\n", r"`interactions.rating` must be finite"),
    ],
)
def test_load_csv_refuses_what_is_no_table(tmp_path, content, message):
    path = tmp_path / "events.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_csv(path)


def test_load_csv_says_which_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        load_csv(tmp_path / "nowhere.csv")


def test_checksum_depends_on_content_alone():
    first = RecData(events(rating=[1, 2, 3], timestamp=[1, 2, 3]), ITEMS, name="one")
    rows = first.interactions.iloc[::-1][["timestamp", "rating", "item_id", "user_id"]]
    same = RecData(rows.astype({"user_id": object}), ITEMS.iloc[::-1], name="two")
    assert checksum(first) == checksum(same)
    assert len(checksum(first)) == 64
    graph = pd.DataFrame({"head_id": ["a"], "relation_id": ["is"], "tail_id": ["b"]})
    for other in (
        RecData(events(rating=[1, 2, 4], timestamp=[1, 2, 3]), ITEMS),
        RecData(events(rating=[1, 2, 3]), ITEMS),
        RecData(first.interactions, ITEMS.assign(title=["A", "C"])),
        RecData(first.interactions, ITEMS, users=pd.DataFrame({"user_id": ["u", "v"]})),
        RecData(first.interactions, ITEMS, graph=graph),
    ):
        assert checksum(other) != checksum(first)
    named = [ITEMS.assign(**{name: ["1", "2"]}) for name in ("year", "yields")]
    assert len({checksum(RecData(first.interactions, items)) for items in named}) == 2


def test_checksum_is_the_same_in_another_process():
    code = (
        "import pandas as pd; from tfrec_fusion.data.tables.rec_data import *;"
        "print(checksum(from_frames(pd.DataFrame({'user_id': ['u'], 'item_id': ['ä']}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = from_frames(pd.DataFrame({"user_id": ["u"], "item_id": ["ä"]}))
    assert done.stdout.strip() == checksum(here)
