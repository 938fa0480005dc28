"""Ids in tables: one rule for every type, and look-alikes that are said."""

import decimal
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfrec_fusion.data.tables.near_misses import closest, near_misses
from tfrec_fusion.data.tables.rec_data import RecData, from_frames

BIG = 2**53


def users(values):
    """The user ids of a table with these."""
    frame = pd.DataFrame({"user_id": values, "item_id": "a"})
    return from_frames(frame).interactions["user_id"].tolist()


def arrow(kind, *values):
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


SAME = {
    **{name: pd.Series([7, 10], dtype=name) for name in ("int8", "int64", "uint64", "Int64")},
    **{name: pd.Series([7, 10], dtype=name) for name in ("float16", "float32", "Float64")},
    "float": [7.0, 10.0],
    "text": ["7", "10"],
    "text of floats": ["7.0", "10.00"],
    "bytes": [b"7", b"10"],
    "Decimal": [decimal.Decimal("7.0"), decimal.Decimal(10)],
    "objects": pd.Series([7, "10"], dtype=object),
    "floats and bytes": pd.Series([7.0, b"10"], dtype=object),
    "category": pd.Series([7.0, 10.0]).astype("category"),
    "category of text": pd.Series(["7.0", "10"]).astype("category"),
    "sparse": pd.Series([7, 10], dtype="Sparse[int64]"),
    "arrow int": arrow(pa.int32(), 7, 10),
    "arrow float": arrow(pa.float64(), 7.0, 10.0),
    "arrow decimal": arrow(pa.decimal128(5, 1), decimal.Decimal(7), decimal.Decimal(10)),
    "arrow text": arrow(pa.large_string(), "7", "10"),
    "arrow bytes": arrow(pa.binary(), b"7", b"10"),
    "arrow category": arrow(pa.dictionary(pa.int8(), pa.string()), "7", "10"),
}


@pytest.mark.parametrize("name", SAME)
def test_every_type_gives_the_same_ids(name):
    assert users(SAME[name]) == ["7", "10"]


def test_large_ids_stay_exact():
    large = [BIG + 1, BIG, 2**63 - 1]
    assert users(np.array(large)) == [str(one) for one in large]
    assert users(np.array([2**64 - 1], np.uint64)) == ["18446744073709551615"]
    assert users(pd.array([BIG + 1, None], "Int64").dropna()) == ["9007199254740993"]
    assert users(pd.Series([2**70, 1], dtype=object)) == ["1180591620717411303424", "1"]
    assert users([float(BIG - 1)]) == ["9007199254740991"]
    assert users([uuid.UUID(int=1)]) == ["00000000-0000-0000-0000-000000000001"]


INEXACT = r"row 1 .*exact, and {} holds whole numbers only below {}.*as text or int64"
REFUSED = {
    "float beyond 2**53": ([1.0, float(BIG + 2)], INEXACT.format("float64", "9,007,199,254,740,")),
    "Float64": (pd.array([1, 2.0**53], dtype="Float64"), INEXACT.format("float64", "9,007,")),
    "float32": (np.array([1, 2**24], np.float32), INEXACT.format("float32", "16,777,216")),
    "float16": (np.array([1, 2048], np.float16), INEXACT.format("float16", "2,048")),
    "float16 among integers": (
        pd.Series([2048, np.float16(2048)], dtype=object),
        INEXACT.format("float16", "2,048"),
    ),
    "Float32": (pd.array([1, 2**24], dtype="Float32"), INEXACT.format("float32", "16,777,216")),
    "arrow float": (arrow(pa.float32(), 1.0, 2.0**24), INEXACT.format("float32", "16,777,216")),
    "arrow": (arrow(pa.float64(), 1.0, 2.0**53), INEXACT.format("float64", "9,007,")),
    "fraction": ([1.0, 1.5], "row 1 .*Received: .*1.5.*, a number with a fraction"),
    "infinite": ([1.0, np.inf], "row 1 "),
    "truth": ([True, False], r"rows 0, 1 .*True.*, a bool"),
    "truth among ones": (pd.Series([1, True, 1.0], dtype=object), r"row 1 .*Received: True, a bo"),
    "nullable truth": (pd.array([True], dtype="boolean"), "row 0 .*True, a bool"),
    "date": (pd.to_datetime(["2024-01-31"]), "row 0 .*a date"),
    "list": ([["a"], ["b"]], r"rows 0, 1 .*one value, not a list. Received: \['a'\]"),
    "arrow list": (arrow(pa.list_(pa.string()), ["a"]), "row 0 .*one value, not a"),
    "bytes": ([b"a", b"caf\xe9"], r"row 1 .*first of them is b'caf\\xe9'.*decode\('cp1252'\)"),
    "surrogate": (pd.Series(["a", "\udce9"], dtype=object), "be valid UTF-8"),
    "category": (pd.Series([1.0, 1.5]).astype("category"), "row 1 .*a number with a fraction"),
    "unknown type": ([1 + 2j], "row 0 .*complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_id_is_refused_with_its_row(name):
    values, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"`interactions.user_id` must .*{message}"):
        users(values)


def test_a_category_that_does_not_occur_does_not_matter():
    values = pd.Series(pd.Categorical(["a"], categories=["a", " ", ""]))
    assert users(values) == ["a"]


def test_one_id_in_two_spellings_is_said(caplog):
    assert users(["7", "7.0", "8.0"]) == ["7", "7", "8"]
    said = "interactions.user_id: 1 ids are written in two ways, such as '7' and '7.0'"
    assert sum(line.startswith(said) for line in caplog.messages) == 1
    caplog.clear()
    assert users(pd.Series([7, "7", b"7"], dtype=object)) == ["7", "7", "7"]
    assert not [line for line in caplog.messages if "two ways" in line]


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ("7 ", "'7 ' from '7'"),
        ("\u00a07", r"'\\xa07' from '7'"),
        ("\ufeff7", r"'\\ufeff7' from '7'"),
        ("\uff17", "'\uff17' from '7'"),
    ],
)
def test_look_alikes_are_kept_apart_and_said_once(odd, shown, caplog):
    frame = pd.DataFrame({"user_id": ["7", odd, "7"], "item_id": ["x", "x", "X"]})
    data = from_frames(frame, users=pd.DataFrame({"user_id": [odd, "7"]}))
    assert data.interactions["user_id"].nunique() == 2
    said = [line for line in caplog.messages if "differ from another one only" in line]
    assert len(said) == 1  # ids that differ by case are different ids
    assert said[0].startswith("user_id: 1 ids ") and shown.replace("\\\\", "\\") in said[0]


def test_forms_of_unicode_are_told_apart_by_their_code_points(caplog):
    frame = pd.DataFrame({"user_id": "u", "item_id": ["caf\u00e9", "cafe\u0301"]})
    assert len(from_frames(frame).items) == 2
    assert any(r"'cafe\u0301' from 'caf\xe9'" in line for line in caplog.messages)


def test_ids_that_only_look_odd_are_no_look_alikes():
    assert near_misses([" 7", "8", "a  b", "É"]) == []
    assert near_misses([" 7", "7\t", "8"]) == [("7\t", " 7")]


def test_what_an_unknown_id_may_mean_is_said():
    events = pd.DataFrame({"user_id": "u", "item_id": ["a", "x ", "007", "b1"]})
    items = pd.DataFrame({"item_id": ["a", "x", "7", "B1"]})
    assert closest(events["item_id"], items["item_id"]) == {
        "a": "a",
        "x ": "x",
        "007": "7",
        "b1": "B1",
    }
    with pytest.raises(ValueError, match=r"such as 'x '\. .*rows 1, 2, 3 .*: did you mean 'x'\?"):
        RecData(events, items)


def test_a_graph_is_linked_by_the_same_rule(caplog):
    events = pd.DataFrame({"user_id": "u", "item_id": ["a", "b", "c"]})
    items = pd.DataFrame({"item_id": ["a", "b", "c"], "entity_id": [7.0, None, 9.0]})
    graph = pd.DataFrame({"head_id": [7, 9], "relation_id": "r", "tail_id": ["9", "7 "]})
    data = RecData(events, items, graph=graph)
    assert data.items["entity_id"].tolist() == ["7", "", "9"]
    assert data.graph["head_id"].tolist() == ["7", "9"]
    assert "entities of the graph and the items: 1 ids differ" in caplog.text
    with pytest.raises(ValueError, match=r"`items.entity_id` must hold ids.*row 1 .*fraction"):
        RecData(events, items.assign(entity_id=[7.0, 7.5, None]), graph=graph)
