"""The vocabulary: index 0 is unseen, order is a person's, and files survive a round trip."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrec_fusion.data import vocabulary
from tfrec_fusion.data.tables import identifiers
from tfrec_fusion.data.tables.identifiers import natural_order
from tfrec_fusion.data.vocabulary import Vocabulary


@pytest.mark.parametrize(("module", "examples"), [(vocabulary, 4), (identifiers, 2)])
def test_examples(module, examples):
    results = doctest.testmod(module)
    assert results.attempted >= examples
    assert results.failed == 0


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], []),
        ([10, 9, 100, 9], ["9", "10", "100"]),
        (["1", "01", "2"], ["01", "1", "2"]),
        (["10", "9", "a"], ["10", "9", "a"]),
        (["-1", "2", "10"], ["-1", "10", "2"]),  # not digits alone: by letter
        (["²", "3"], ["3", "²"]),  # `"²".isdigit()` holds, but it is no number
    ],
)
def test_natural_order(ids, expected):
    assert natural_order(ids) == expected


def test_index_zero_is_unseen():
    users = Vocabulary([7, "b"])
    assert len(users) == 3
    assert users.ids.tolist() == ["", "7", "b"]
    found = users.index(["b", 7, "nobody", ""])
    assert found.tolist() == [2, 1, 0, 0]
    assert found.dtype == np.int32
    assert users.index([]).shape == (0,)


def test_contains():
    users = Vocabulary([7])
    assert 7 in users
    assert "7" in users
    assert "" not in users
    assert 8 not in users


def test_id_of_keeps_the_shape():
    users = Vocabulary(["a", "b"])
    assert users.id_of(np.array([[1, 0], [2, 2]])).tolist() == [["a", ""], ["b", "b"]]
    assert users.id_of([]).shape == (0,)


def test_from_ids_sorts_and_drops_repetitions():
    assert Vocabulary.from_ids([10, 2, "2"]).ids.tolist() == ["", "2", "10"]


def test_empty_vocabulary_knows_nobody():
    nobody = Vocabulary([])
    assert len(nobody) == 1
    assert nobody.index(["a"]).tolist() == [0]


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="."), min_size=1)


@given(st.lists(WORDS.filter(str.strip), unique=True))
def test_index_and_id_are_inverse(ids):
    users = Vocabulary(ids)
    assert users.id_of(users.index(ids)).tolist() == ids


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        (["a", ""], r"`ids`, position 1: An id must not be blank. Received: ''"),
        (["1", "2", 1], r"`ids` must be distinct. Received: '1' more than once"),
    ],
)
def test_bad_ids(ids, match):
    with pytest.raises(ValueError, match=match):
        Vocabulary(ids)


def test_save_and_load(tmp_path):
    path = tmp_path / "users.json"
    Vocabulary(["ä", 'quo"te', "1"]).save(path)
    assert json.loads(path.read_text("utf-8")) == ["ä", 'quo"te', "1"]
    assert Vocabulary.load(str(path)).ids.tolist() == ["", "ä", 'quo"te', "1"]
    assert [one.name for one in tmp_path.iterdir()] == ["users.json"]


def test_a_vocabulary_cannot_be_changed_from_outside():
    users = Vocabulary(["a"])
    ids = users.ids
    with pytest.raises(ValueError, match="read-only"):
        ids[1] = "b"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[", r"users.json is not a vocabulary \(a JSON list of ids\)"),
        ('{"a": 1}', r"must hold a JSON list of strings. Received: dict"),
        ("[1, null]", r"must hold a JSON list of strings. Received: 1 at position 0"),
        ('["a", "a"]', r"Received: 'a' more than once"),
    ],
)
def test_load_of_a_broken_file(text, match, tmp_path):
    path = tmp_path / "users.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=match):
        Vocabulary.load(path)


def test_load_of_a_file_that_is_not_text(tmp_path):
    path = tmp_path / "users.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"users.json is not a vocabulary"):
        Vocabulary.load(path)


def test_load_of_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        Vocabulary.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize("same", [7, 7.0, "7", "7.0", b"7", np.float32(7), np.int64(7)], ids=repr)
def test_every_way_to_write_an_id_is_found(same):
    users = Vocabulary(["a", "7"])
    assert users.index([same, "a", same]).tolist() == [2, 1, 2]
    assert same in users
    assert Vocabulary([same]).ids.tolist() == ["", "7"]
    assert natural_order([same, "7", 10]) == ["7", "10"]


@pytest.mark.parametrize(
    "ids",
    [pd.Series([2**53 + 1, 5]), pd.Series(["9007199254740993", "5"], dtype="category")],
)
def test_columns_are_indexed_exactly(ids):
    assert Vocabulary(["5", "9007199254740992", "9007199254740993"]).index(ids).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        ([1.5], r"`ids`, position 0: An id must be text or a whole number. Received: 1.5"),
        (["a", None], r"`ids` must not be missing. Received: none at position 1"),
        (["a", True], r"`ids`, position 1: .*Received: True, a bool"),
        ("abc", r"`ids` must be a list of ids. Received: 'abc'"),
        (np.array([["a"]]), r"`ids` must be a list. Received: an array of shape \(1, 1\)"),
        ([b"\xff"], r"`ids`, position 0: An id in bytes must be UTF-8"),
    ],
)
def test_what_is_no_id_is_refused(ids, match):
    with pytest.raises(ValueError, match=match):
        Vocabulary(["1", "True", "a", "b", "c"]).index(ids)


def test_what_is_no_id_is_the_id_of_nobody():
    assert all(one not in Vocabulary(["1.5", "None", "True"]) for one in (1.5, None, True, ["a"]))
