"""What is an id, which ids are one, and what is none."""

import datetime
import decimal
import uuid

import numpy as np
import pandas as pd
import pytest

from tfrec_fusion.ids import id_list, id_text

UUID = "12345678-1234-5678-1234-567812345678"
SAME = [
    *("7", b"7", "7.0", "7.00", 7, 7.0, np.int8(7), np.uint64(7), np.float16(7), np.float32(7)),
    *(np.float64(7), decimal.Decimal("7"), decimal.Decimal("7.0"), np.str_("7"), np.array(7)),
    *(decimal.Decimal("7E0"), np.bytes_(b"7")),
]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_one_number_is_one_id(value):
    assert id_text(value) == "7"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2**63 + 1, "9223372036854775809"),
        (np.int64(2**53 + 1), "9007199254740993"),
        (2.0**53 - 1, "9007199254740991"),
        (np.float32(2**24 - 1), "16777215"),
        (decimal.Decimal(2**80), str(2**80)),
        (-3.0, "-3"),
        (-0.0, "0"),
        ("0.0", "0"),
        ("-3.0", "-3"),
        ("007", "007"),
        ("007.0", "007.0"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("v1.0", "v1.0"),
        (" 7", " 7"),
        ("naïve 映画", "naïve 映画"),
        ("nan", "nan"),
        (uuid.UUID(UUID), UUID),
    ],
    ids=repr,
)
def test_every_other_id_stays_as_it_is_written(value, expected):
    assert id_text(value) == expected


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "missing"),
        (float("nan"), "missing"),
        (float("inf"), "missing"),
        (np.float32("nan"), "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (decimal.Decimal("NaN"), "missing"),
        ("", "blank"),
        (" \t", "blank"),
        ("\ud800", "Unicode"),
        (b"\xff", "UTF-8"),
        (True, "a bool"),
        (np.False_, "a bool"),
        (1.5, "with a fraction"),
        (decimal.Decimal("1.5"), "with a fraction"),
        (2.0**53, "float64 holds whole numbers only below 9,007,199,254,740,992"),
        (-(2.0**60), "float64"),
        (np.float32(2**24), "float32 holds whole numbers only below 16,777,216"),
        (np.float16(2048), "float16 holds whole numbers only below 2,048"),
        (datetime.date(2020, 1, 1), "a date"),
        (pd.Timestamp("2020-01-01"), "a date"),
        (np.datetime64("2020-01-01"), "a date"),
        (["7"], "not a list"),
        (np.array([7]), "not a ndarray"),
        (pd.Series([7]), "not a Series"),
        (1j, "complex"),
    ],
    ids=repr,
)
def test_what_is_no_id_is_refused(value, problem):
    with pytest.raises(ValueError, match=problem):
        id_text(value)


@pytest.mark.parametrize(
    "values",
    [[1, 2.0], (1, 2), np.array([1, 2]), pd.Series([1.0, 2.0]), pd.Index(["1", "2"]), range(1, 3)],
    ids=repr,
)
def test_a_list_of_any_kind(values):
    assert id_list(values, "item_ids") == ["1", "2"]


@pytest.mark.parametrize("value", ["15", b"15", 15, 1.0, None, {"a": 1}], ids=repr)
def test_a_lone_value_is_no_list(value):
    with pytest.raises(ValueError, match="`history` must be a list of ids") as error:
        id_list(value, "history")
    assert f"write [{value!r}]" in str(error.value)


def test_a_frame_is_no_list():
    with pytest.raises(ValueError, match=r"pass one of them, such as frame\['user_id'\]"):
        id_list(pd.DataFrame({"user_id": [1], "n": [2]}), "users")


def test_the_place_of_what_is_no_id():
    with pytest.raises(ValueError, match=r"`users`, position 1: An id must not be missing"):
        id_list(["1", None], "users")
