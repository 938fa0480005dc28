"""Items named as people type them: by title, with or without year, article, accents, capitals."""

from __future__ import annotations

import pandas as pd
import pytest
from checkout import ROOT

from tfrec_fusion.answer_warnings import AnswerWarning
from tfrec_fusion.errors import InvalidInput
from tfrec_fusion.zoo.answers.item_titles import ItemTitles
from tfrec_fusion.zoo.answers.title_forms import title_forms

CATALOG = ROOT / "zoo" / "prebuilt" / "weights" / "ml_latest_small" / "catalogue.csv"


@pytest.fixture(scope="module")
def films():
    """Nearly ten thousand films as MovieLens writes them, without years."""
    table = pd.read_csv(CATALOG, dtype=str, keep_default_na=False)
    return ItemTitles(table["item_id"], table["title"])


TYPED = {
    "Toy Story": "1",
    "Toy Story (1995)": "1",
    " toy  STORY ": "1",
    "The Matrix": "2571",
    "The Matrix (1999)": "2571",
    "Matrix, The (1999)": "2571",
    "matrix": "2571",
    "The Usual Suspects": "50",
    "Schindlers List": "527",
    "Schindler\u2019s List": "527",
    "Das Boot": "1233",  # Boot, Das (Boat, The)
    "The Boat (1981)": "1233",
    "Amélie": "4973",  # Amelie (Fabuleux destin d'Amélie Poulain, Le)
    "Le fabuleux destin d'Amelie Poulain": "4973",
    "ID4": "780",  # Independence Day (a.k.a. ID4)
    "Independence Day": "780",
    "Se7en": "47",
    "leon the professional": "293",
    "L'Atalante": "25805",
    "Il Postino": "58",
    "Life is Beautiful": "2324",
    "wall-e": "60069",  # WALL·E
    "Dr. No": "2949",
}


@pytest.mark.parametrize("title", TYPED)
def test_a_film_is_found_as_its_title_is_typed(films, title):
    assert films.item_id(title, "item") == TYPED[title]
    assert films.item_ids([title, TYPED[title]], "items") == [TYPED[title]] * 2


MISSED = {
    "Toy Stroy": "Did you mean 'Toy Story', 'Toy Story 3', 'Toy Story 2'?",
    "Star Wars": "Did you mean 'Star Wars: Episode IV - A New Hope', 'Star Wars: Episode V",
    "Borat": "Did you mean 'Borat: Cultural Learnings of America",
    "Dr Strangelove (1964)": "Did you mean 'Dr. Strangelove or: How I Learned to Stop Worrying",
    "qqqqqqq": "neither an id nor a title of the catalog.",
    "The": "neither an id nor a title of the catalog.",
    "(1995)": "neither an id nor a title of the catalog.",
    "!?": "neither an id nor a title of the catalog.",
}


@pytest.mark.parametrize("title", MISSED)
def test_what_is_no_title_is_refused_with_those_that_were_probably_meant(films, title):
    with pytest.raises(InvalidInput) as refused:
        films.item_id(title, "item")
    assert str(refused.value).startswith(f"{title!r} is neither an id nor a title of the catalog.")
    assert MISSED[title] in str(refused.value)


def test_a_title_of_several_is_refused_with_all_of_them(films):
    with pytest.raises(InvalidInput) as refused:
        films.item_id("King Kong", "item")
    assert str(refused.value) == (
        "'King Kong' is the title of several items: '2366' (King Kong), '2367' (King Kong), "
        "'41569' (King Kong). Give the id of one."
    )
    with pytest.raises(InvalidInput, match=r"'73' \(Misérables, Les\), '1873' .*Give the id"):
        films.item_id("les miserables", "item")


KONG = ["King Kong (1933)", "King Kong (1976)", "King Kong vs. Godzilla (1962)", "Emma", "Emma"]


def test_years_tell_titles_apart_wherever_they_stand():
    films = ItemTitles(list("abcde"), KONG, ["", "", "", "1996", "2009"])
    asked = ["King Kong (1976)", "king kong [1933]", "Emma (1996)", "emma (2009)"]
    assert films.item_ids(asked, "history") == ["b", "a", "d", "e"]
    assert films.item_id("King Kong vs Godzilla", "item") == "c"
    for title, message in (
        ("King Kong", "several items: 'a' (King Kong (1933)), 'b' (King Kong (1976)). Give"),
        ("Emma", "several items: 'd' (Emma, 1996), 'e' (Emma, 2009). Give the id of one."),
        ("King Kong (2005)", "catalog. Did you mean 'King Kong vs. Godzilla (1962)'?"),
        ("Emma (2020)", "catalog. Did you mean 'Emma'?"),
    ):
        with pytest.raises(InvalidInput) as refused:
            films.item_id(title, "item")
        assert message in str(refused.value)
    unknown = ItemTitles(["x", "y"], ["Emma", "Emma (1996)"])
    assert unknown.item_id("emma [1996]", "item") == "y"  # before the one of no known year
    assert unknown.item_id("Emma (2020)", "item") == "x"


def test_what_is_written_alike_is_taken_before_what_is_nearly_so():
    titles = ["Artist, The", "The Artist", "artist", "Café", "Cafe", "Cafe (Bar)", "がき", "かき"]
    films = ItemTitles(range(1, 9), titles)
    for number, title in enumerate(titles, 1):
        assert films.item_id(title, "item") == str(number)
    assert films.item_id("ARTIST", "item") == "3"
    assert films.item_id("bar (2001)", "item") == "6"
    with pytest.raises(InvalidInput, match=r"'1' \(Artist, The\), '2' \(The Artist\)"):
        films.item_id("the artist (2011)", "item")
    with pytest.raises(InvalidInput, match=r"'4' \(Café\), '5' \(Cafe\)"):
        films.item_id("Cafè", "item")


def test_a_list_is_read_item_by_item_and_a_lone_title_is_refused():
    films = ItemTitles(["7", "8"], ["Heat", "Alien (1979)"])
    for given in (["Heat", 8.0], ("heat", b"8"), pd.Series(["7", "alien"]), iter([7, "Alien"])):
        assert films.item_ids(given, "exclude") == ["7", "8"]
    assert sorted(films.item_ids({"Heat", 8}, "allow")) == ["7", "8"]
    for given, message in (
        ("Heat", "`exclude` must be a list of ids. Received: 'Heat'. For one id, write ['Heat']"),
        (7, "For one id, write [7]"),
        ({"Heat": 1}, "`exclude` must be a list of ids"),
        (None, "`exclude` must be a list of ids. Received: None"),
        (["Heat", None], "`exclude`, position 1: An id must not be missing"),
        (pd.DataFrame({"item_id": [7]}), "pass one of them, such as frame['item_id']"),
    ):
        with pytest.raises(InvalidInput) as refused:
            films.item_ids(given, "exclude")
        assert message in str(refused.value)


def test_a_title_that_is_an_id_of_another_item_is_said_of_each_list():
    films = ItemTitles(["300", "9"], ["Quiz Show", "300"])
    with pytest.warns(AnswerWarning, match=r"'300' is read as an id, that of 'Quiz Show'"):
        assert films.item_ids(["300"], "history") == ["300"]


def test_forms_of_titles_by_hand():
    forms = title_forms("City of Lost Children, The (Cité des enfants perdus, La) (1995)")
    assert forms.year == "1995"
    assert forms.whole == ("city of lost children the cite des enfants perdus la",)
    assert forms.names == ("the city of lost children", "la cite des enfants perdus")
    assert forms.bare == ("city of lost children", "cite des enfants perdus")
    assert (
        title_forms("Cosmos (1980-1981)").year == title_forms("Cosmos [1980\u2013]").year == "1980"
    )
    for title in ("2001", "(500) Days of Summer", "(2012)", "Blade Runner 2049"):
        assert title_forms(title).year is None
    assert title_forms("Beauty & the Beast").whole == title_forms("Beauty and the Beast").whole
    assert title_forms("Łódź, Ærø & Øl").whole == ("lodz aero and ol",)
    assert title_forms("???").whole == ("???",)
