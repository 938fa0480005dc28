"""Items' texts: title, own text and chosen columns, joined in one way; nothing is never an id."""

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion import zoo
from tfrec_fusion.data.indexed import index_data
from tfrec_fusion.data.sources.movielens.files import read_latest_small
from tfrec_fusion.data.tables.item_texts import cell_text, join_text, joined_texts, shown_titles
from tfrec_fusion.data.tables.rec_data import RecData, from_frames
from tfrec_fusion.data.tables.text_columns import checked_columns
from tfrec_fusion.errors import InvalidInput, WrongType
from tfrec_fusion.zoo.prebuilt.load import WEIGHTS
from tfrec_fusion.zoo.runs.fine_tuning import grown_tables
from tfrec_fusion.zoo.runs.settings import Settings
from tfrec_fusion.zoo.runs.train import train


@pytest.mark.parametrize(
    ("title", "text", "further", "expected"),
    [
        ("Fender Strat", "A guitar for the stage", (), "Fender Strat. A guitar for the stage"),
        ("Fender Strat", "", (), "Fender Strat."),
        ("", "A guitar", (), "A guitar"),
        ("  ", " ", ("", " "), ""),
        ("", "", ("Fender",), "Fender."),
        ("Strat", "Bright", ("Fender", "Guitars, Red"), "Strat. Bright. Fender. Guitars, Red."),
        ("Strat", "Bright!", ("Fender",), "Strat. Bright! Fender."),
        # What stands there already is not repeated.
        ("Strat", "Strat", (), "Strat"),
        ("Strat", "STRAT, the guitar", (), "STRAT, the guitar"),
        ("Strat", "Strat. Bright.", (), "Strat. Bright."),
        ("Strat", "Stratocaster", (), "Strat. Stratocaster"),
        ("Heat", "A film about heat.", (), "Heat. A film about heat."),
        ("Fender Strat", "Bright", ("Fender", "strat", "Fend"), "Fender Strat. Bright. Fend."),
        ("Knits", "General. Tops. Knits.", (), "General. Tops. Knits."),
        ("Twins", "Comedy. twins.", (), "Twins. Comedy. twins."),
        ("Airplane!", "Comedy.", (), "Airplane!. Comedy."),
    ],
)
def test_parts_are_joined_once_each(title, text, further, expected):
    assert join_text(title, text, further) == expected
    assert join_text(title, expected, further) == expected  # joining again adds nothing


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (["Comedy", None, "War"], "Comedy, War"),
        (np.array(["Comedy", "Drama"], object), "Comedy, Drama"),
        (("a", float("nan")), "a"),
        (pd.NA, ""),
        (pd.NaT, ""),
        (1999.0, "1999"),
        (np.float32(4.5), "4.5"),
        (True, "True"),
        (b"caf\xc3\xa9", "café"),
        ("nan", "nan"),
        (pd.Timestamp("2020-05-01"), "2020-05-01"),
    ],
)
def test_cells_are_written_as_words(cell, expected):
    assert cell_text(cell) == expected


def test_labels_and_lists_of_a_column_read_the_same():
    items = pd.DataFrame({"item_id": ["1", "2"], "title": ["Heat", "Up"]})
    by_bar = items.assign(genres=["Crime|Drama", "Animation"])
    by_list = items.assign(genres=[["Crime", "Drama"], np.array(["Animation"])])
    expected = ["Heat. Crime, Drama.", "Up. Animation."]
    assert joined_texts(by_bar, ["genres"]) == joined_texts(by_list, ["genres"]) == expected
    with pytest.raises(InvalidInput, match=r"Received: {'a': 1}"):
        joined_texts(items.assign(genres=[{"a": 1}, ""]), ["genres"])


def test_columns_are_named_in_a_list_and_must_be_there():
    items = pd.DataFrame({"item_id": ["1"], "title": ["Heat"], "brand": ["X"]})
    assert checked_columns(["text", "brand", "brand"], items) == ("brand",)
    with pytest.raises(WrongType, match=r"must be a tuple, each a string\. Received: 'brand'"):
        Settings.from_keywords(zoo.get_spec("tfidf"), {"text_columns": "brand"})
    with pytest.raises(InvalidInput, match=r"which are 'brand'. Received: 'brands'"):
        joined_texts(items, ["brands"])
    with pytest.raises(InvalidInput, match="must not name `item_id`: ids are never read"):
        Settings.from_keywords(zoo.get_spec("tfidf"), {"text_columns": ["item_id"]})


def test_what_is_missing_is_no_text_and_is_shown_by_its_id(caplog):
    events = pd.DataFrame({"user_id": ["u"], "item_id": ["B000IMVNQU"]})
    events = pd.concat([events.assign(timestamp=time) for time in range(5)])
    bare = index_data(RecData(events, pd.DataFrame({"item_id": ["B000IMVNQU"]})))
    assert bare.item_texts().tolist() == ["", ""]
    assert bare.titles.tolist() == ["", "B000IMVNQU"]
    assert "items: no column `title`; ids are shown in its place." in caplog.messages
    assert any("1 of 1 have neither title nor text" in line for line in caplog.messages)
    without_items = index_data(from_frames(events))
    assert without_items.item_texts().tolist() == ["", ""]
    some = pd.DataFrame({"item_id": ["x", "y"], "title": [None, "Strings"], "text": ["Red", " "]})
    assert joined_texts(RecData(events.assign(item_id="x"), some).items) == ["Red", "Strings."]
    assert shown_titles(some) == ["x", "Strings"]


FILES = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,1,4.0,964982703\r\n",
    "movies.csv": (
        b"movieId,title,genres\r\n1,Toy Story (1995),Adventure|Animation\r\n"
        b"2,Airplane! (1980),(no genres listed)\r\n3,Drama (2011),Drama\r\n"
        b"4,Twins (1988),Comedy\r\n"
    ),
    "tags.csv": (
        b"userId,movieId,tag,timestamp\r\n1,1,pixar,1139045764\r\n2,1,fun,1139045764\r\n"
        b"2,4,twins,1139045764\r\n"
    ),
    "links.csv": b"movieId,imdbId,tmdbId\r\n1,0114709,862\r\n",
}


def test_movielens_texts_are_those_that_published_models_read():
    items = read_latest_small(FILES).items
    assert items["text"].tolist()[:2] == ["Adventure, Animation. pixar, fun.", ""]
    assert joined_texts(items) == [
        "Toy Story. Adventure, Animation. pixar, fun.",
        "Airplane!.",
        "Drama. Drama.",
        "Twins. Comedy. twins.",
    ]


def test_prebuilt_catalogs_are_joined_to_what_they_hold():
    path = WEIGHTS / "ml_latest_small" / "catalogue.csv"
    kept = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert joined_texts(kept) == kept["text"].tolist()


@pytest.fixture(scope="module")
def shop():
    """Two kinds of things that only their titles, or only their brands, tell apart."""
    items = pd.DataFrame({"item_id": [f"i{n}" for n in range(12)]})
    items["title"] = [f"{'banjo' if n % 2 else 'drum'} {n}" for n in range(12)]
    items["text"] = "sold here"
    items["maker"] = [["Deering"] if n % 2 else ["Tama", "Gretsch"] for n in range(12)]
    items["year"] = [1999.0, *[2001.0] * 11]
    rows = [(f"u{u}", f"i{(2 * t + u) % 12}", t) for u in range(6) for t in range(4)]
    return from_frames(
        pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]), items, name="shop"
    )


def test_tfidf_reads_titles_and_chosen_columns(shop, tmp_path):
    run = train("tfidf", shop, tmp_path / "run", text_columns=("maker", "year"), progress=False)
    assert run.texts.tolist()[1:3] == [
        "drum 0. sold here. Tama, Gretsch. 1999.",
        "banjo 1. sold here. Deering. 2001.",
    ]
    assert run.titles.tolist()[1] == "drum 0"
    assert run.info["options"]["text_columns"] == ["maker", "year"]
    similar = run.recommender.similar("i1", 5)
    assert set(similar["item_id"]) == {"i3", "i5", "i7", "i9", "i11"}  # the other banjos
    assert run.catalog["text"].tolist() == ["sold here"] * 12
    more = pd.DataFrame({"user_id": ["u0", "n"], "item_id": ["i0", "new"], "timestamp": [9, 9]})
    grown = grown_tables(
        run,
        from_frames(more, pd.DataFrame({"item_id": ["i0", "new"], "title": ["x", "lute"]})),
    )
    assert joined_texts(grown.items, ["maker", "year"])[::12] == [
        "drum 0. sold here. Tama, Gretsch. 1999.",
        "lute.",
    ]


def test_a_text_model_without_any_text_is_refused_before_it_is_trained(shop, tmp_path):
    bare = from_frames(shop.interactions)
    with pytest.raises(InvalidInput, match=r"No item has a text to read.*--text-columns"):
        train("gpt2_hybrid", bare, tmp_path / "run", progress=False)
    with pytest.raises(InvalidInput, match="hold no term"):
        train("tfidf", bare, tmp_path / "other", progress=False)


def test_an_item_without_text_scores_0_by_its_words(shop):
    data = index_data(
        from_frames(shop.interactions, shop.items.assign(text="").replace("drum 0", ""))
    )
    model = zoo.build("tfidf").fit(data.everything, data.item_texts())
    scores = model.score(np.arange(1, 7))
    assert data.items.ids[1] == "i0" and (scores[:, 1] == 0).all() and (scores[:, 3] > 0).any()
