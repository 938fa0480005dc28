"""Times of events: every type of date gives the same second, and nothing becomes January 1970."""

import datetime
import decimal
import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tfrec_fusion.data.tables.date_formats import advice
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.data.tables.timestamps import clean_timestamps

NOON, SECOND = "2024-01-31T12:00:00", 1_706_702_400  # in UTC
UTC = datetime.UTC
HERE = datetime.datetime(2024, 1, 31, 12)
NOW = 1_770_000_000  # February 2026


def column(*values, dtype=object):
    return pd.Series(list(values), dtype=dtype)


def arrow(kind, value):
    return pd.Series([value], dtype=pd.ArrowDtype(kind))


SAME = {
    **{unit: column(NOON, dtype=str).astype(f"datetime64[{unit}]") for unit in ("s", "ms", "us")},
    "ns": column(NOON, dtype=str).astype("datetime64[ns]"),
    "zone": pd.Series(pd.to_datetime([f"{NOON}Z"])).dt.tz_convert("Asia/Tokyo"),
    "datetime": column(HERE),
    "aware datetime": column(HERE.replace(tzinfo=UTC)),
    "Timestamp": column(pd.Timestamp(NOON)),
    "datetime64": column(np.datetime64(NOON)),
    "arrow": arrow(pa.timestamp("us"), HERE),
    "arrow zone": arrow(pa.timestamp("ms", tz="Europe/Paris"), HERE.replace(tzinfo=UTC)),
    "arrow text": arrow(pa.string(), NOON),
    "text": column(NOON, dtype=str),
    "text of UTC": column(f"{NOON}Z"),
    "text of a zone": column("2024-01-31 13:00:00+01:00"),
    "text of minutes": column("2024-01-31T12:00"),
    "category": column(NOON).astype("category"),
    "seconds": column(SECOND, dtype="int64"),
    "nullable": column(SECOND, dtype="Int64"),
    "text of seconds": column(str(SECOND)),
    "Decimal": column(decimal.Decimal(SECOND)),
}


@pytest.mark.parametrize("name", SAME)
def test_every_type_of_date_gives_the_same_second(name):
    assert clean_timestamps(SAME[name]).tolist() == [SECOND]


def test_days_begin_at_midnight_in_utc_and_fractions_are_cut_off(caplog):
    midnight = SECOND - 12 * 3600
    assert clean_timestamps(column("2024-01-31")).tolist() == [midnight]
    assert clean_timestamps(column(datetime.date(2024, 1, 31))).tolist() == [midnight]
    assert clean_timestamps(arrow(pa.date32(), datetime.date(2024, 1, 31))).tolist() == [midnight]
    mixed = column(f"{NOON}.750Z", SECOND, HERE, datetime.date(2024, 1, 31))
    assert clean_timestamps(mixed).tolist() == [SECOND, SECOND, SECOND, midnight]
    assert caplog.messages == ["interactions.timestamp: fractions of a second cut off in 1 rows."]


PAST = [SECOND, 1_336_176_000]  # the other one in May 2012
MICROSECONDS = pd.Series(pd.to_datetime([NOON, "2012-05-05T00:00:00"])).astype("datetime64[us]")
REFUSED = {
    "YYYYMMDD": ([20240131, 20231201], "written as YYYYMMDD: write them as ISO 8601"),
    "text of YYYYMMDD": (["20240131"], r'written as YYYYMMDD.*str\), format="%Y%m%d"\)'),
    "YYYYMM": ([202401, 201912], "written as YYYYMM:"),
    "YYYYMMDDHHMMSS": ([20240131120000], "written as YYYYMMDDHHMMSS:"),
    "years": ([2024, 1999, 2011], "look like years"),
    "spreadsheet": ([45321.5, 40000.0], r"days of a spreadsheet \(Excel\).*1899-12-30"),
    "truth": ([True, False], r"not truth values\. Received: rows 0, 1 "),
    "truth among numbers": (column(SECOND, True), r"not truth values\. Received: row 1 "),
    "text of truth": (["True"], "ISO 8601.*is 'True'"),
    "numpy truth": (column(np.bool_(True)), "not truth values"),
    "wrong divisor": (MICROSECONDS.astype("int64") // 10**9, "microseconds divided as if"),
    "wrong divisor of ms": ([one // 10**6 for one in PAST], "milliseconds divided or read as"),
    "milliseconds": ([one * 10**3 for one in PAST], "look like milliseconds: divide by 1000"),
    "microseconds": ([one * 10**6 for one in PAST], "look like microseconds: divide by 1000000"),
    "nanoseconds": ([one * 10**9 for one in PAST], "look like nanoseconds: divide by 1000000000"),
    "minutes": ([one // 60 for one in PAST], "minutes since 1970: multiply by 60"),
    "hours": ([one // 3600 for one in PAST], "hours since 1970: multiply by 3600"),
    "days": ([one // 86_400 for one in PAST], "days since 1970: multiply by 86400"),
    "seconds read as dates": (pd.to_datetime(column(*PAST, dtype="int64")), "seconds read as if"),
    "a time that is missing": ([0, SECOND], "row 0 .*is 0, which is 1970-01-01.*time that is mis"),
    "dates before 1980": (["1969-12-31", NOON], "row 0 .*'1969-12-31', which is 1969-12-31"),
    "dates of 1970": (pd.to_datetime(column(1, 2, dtype="int64"), unit="s"), "rows 0, 1 "),
    "negative": ([-5, SECOND], "between 1980 and now. Received: row 0 "),
    "fractions of one": ([0.25, 0.5], "rows 0, 1 .*count from 0"),
    "a count that begins late": ([800, 900, 950], "rows 0, 1, 2 "),
    "future": (["2999-01-01"], "not lie in the future"),
    "no such day": (["2023-02-30"], "ISO 8601.*'2023-02-30'"),
    "day first": (["31/01/2024", "01/02/2024"], r'to_datetime\(column, format="%d/%m/%Y"\)'),
    "ambiguous": (["01/02/2024"], "Day and month cannot be told apart"),
    "missing": (column(SECOND, None), "not be missing. Received: row 1 "),
    "blank": ([str(SECOND), " "], "not be missing. Received: row 1 "),
    "missing date": (pd.to_datetime(column(NOON, None, dtype=str)), "not be missing.*row 1 "),
    "period": (column(pd.Period("2024-01")), "ISO 8601"),
    "duration": (column(pd.Timedelta(1, "D")), "ISO 8601"),
    "decimal comma": (["1706702400,5"], 'decimal comma is read with --decimal ","'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_time_is_refused_with_what_it_looks_like(name):
    values, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"`interactions.timestamp` must .*{message}"):
        clean_timestamps(pd.Series(values), now=NOW)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, 1, 2, 5000], "numbers from 0 to 5000 are no times; taken as the order of events"),
        ([10, 20, 200], "numbers from 10 to 200 are no times; taken as the order of events"),
        ([0, 0, 0], "all are 0, which is no time; the events have no order in time"),
    ],
)
def test_a_count_of_events_is_their_order_and_said(numbers, message, caplog):
    with caplog.at_level(logging.WARNING):
        assert clean_timestamps(pd.Series(numbers)).tolist() == numbers
    assert caplog.messages == [f"interactions.timestamp: {message}."]


@pytest.mark.parametrize(
    ("texts", "form", "first"),
    [
        (["31/01/2024", "05/02/2024"], "%d/%m/%Y", "2024-01-31"),
        (["01.31.2024"], "%m.%d.%Y", "2024-01-31"),
        (["05-02-24 10:00", "13-02-24 11:30"], "%d-%m-%y %H:%M", "2024-02-05 10:00"),
        (["1/31/2024 1:05:07 PM"], "%m/%d/%Y %I:%M:%S %p", "2024-01-31 13:05:07"),
        (["2024/01/31 08:00"], "%Y/%m/%d %H:%M", "2024-01-31 08:00"),
    ],
)
def test_the_format_that_is_advised_reads_the_dates(texts, form, first):
    assert f'format="{form}"' in advice(pd.Series(texts))
    assert pd.to_datetime(pd.Series(texts), format=form)[0] == pd.Timestamp(first)


def test_both_formats_are_shown_where_day_and_month_cannot_be_told_apart():
    text = advice(pd.Series(["01/02/2024", "03/04/2023"]))
    assert 'format="%d/%m/%Y")` if the day comes first' in text
    assert 'format="%m/%d/%Y" if the month does' in text
    assert "Some have the day first" in advice(pd.Series(["31/01/2024", "01/31/2024"]))


def test_dates_in_a_table_are_ordered_by_time():
    frame = pd.DataFrame(
        {
            "user_id": [1, 1, 1],
            "item_id": ["a", "b", "c"],
            "when": ["2024-02-01", "2024-01-31", "2023-12-31"],
        }
    )
    data = from_frames(frame, timestamp="when")
    assert data.interactions["timestamp"].tolist() == [1706745600, 1706659200, 1703980800]
