"""Text files: odd line ends, encodings, separators and headers, each read or refused by name."""

import pandas as pd
import pytest

from tfrec_fusion.data.sources.folder import load_folder
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.tables.rec_data import load_csv
from tfrec_fusion.data.tables.text_tables import read_text_table

ITEMS = pd.DataFrame({"item_id": ["1", "2", "3"], "title": ["a\rb", 'He said "no"', "c"]})


def rows(tmp_path, content, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_text_table(path, **options).to_numpy().tolist()


@pytest.mark.parametrize("quoting", [0, 1], ids=["as pandas writes it", "all quoted"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_carriage_return_in_a_text_stays_in_it(tmp_path, quoting, end):
    text = ITEMS.to_csv(index=False, quoting=quoting, lineterminator=end)
    assert rows(tmp_path, text) == ITEMS.to_numpy().tolist()


def test_line_feeds_in_quoted_texts_and_old_line_ends_are_read(tmp_path):
    assert rows(tmp_path, 'a,b\n1,"x\ny"\n2,"p,q"\n') == [["1", "x\ny"], ["2", "p,q"]]
    assert rows(tmp_path, "a,b\r1,x\r2,y\r") == [["1", "x"], ["2", "y"]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_a_file_is_read_in_its_encoding(tmp_path, encoding):
    content = "user_id,title\r\n1,café — «é»\r\n".encode(encoding)
    assert rows(tmp_path, content, encoding=encoding) == [["1", "café — «é»"]]


@pytest.mark.parametrize(
    ("written", "given", "advised"),
    [
        ("utf-16", "utf-8", "mark of utf-16: give --encoding utf-16 (`encoding`)"),
        ("utf-32", "utf-8", "mark of utf-32: give --encoding utf-32 (`encoding`)"),
        ("utf-16-le", "utf-8", "looks like utf-16-le: give --encoding utf-16-le (`encoding`)"),
        ("utf-16-be", "utf-8", "looks like utf-16-be: give --encoding utf-16-be (`encoding`)"),
        ("latin-1", "utf-8", "e.g. --encoding latin-1 (`encoding`)"),
        ("cp1252", "utf-8", "e.g. --encoding cp1252 (`encoding`)"),
        ("utf-8", "utf-16", "e.g. --encoding utf-8 (`encoding`)"),
        ("utf-8", "ascii", "byte 16 is 0xc3 (line 2). Give its encoding, e.g. --encoding utf-8"),
    ],
)
def test_another_encoding_is_refused_with_the_one_to_give(tmp_path, written, given, advised):
    text = "user_id,title\n1,\u00e9" + ("\u2013" if written == "cp1252" else "") + "\n"
    with pytest.raises(ValueError, match=rf"table.csv is not {given}: ") as refused:
        rows(tmp_path, text.encode(written), encoding=given)
    assert advised in str(refused.value)


def test_an_encoding_that_there_is_not_is_refused(tmp_path):
    for encoding in ("utf9", "base64"):
        with pytest.raises(ValueError, match=f"`encoding` must be one of a text.*'{encoding}'"):
            rows(tmp_path, "a\n1\n", encoding=encoding)


@pytest.mark.parametrize(("sep", "given"), [(";", ";"), ("\t", "\\t"), ("::", "::"), ("|", "|")])
def test_columns_may_be_separated_by_anything(tmp_path, sep, given):
    content = sep.join("ab") + "\n" + sep.join(("007", "x,y")) + "\n"
    assert rows(tmp_path, content, sep=given) == [["007", "x,y"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("user_id,rating,rating\n1,2,3\n", r"names a column more than once: 'rating'"),
        ('a,b\n1,"x\n2,y\n', "a double quote is opened and not closed"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"table.csv .*{message}"):
        rows(tmp_path, content)
    with pytest.raises(ValueError, match="`sep` must be what separates columns"):
        rows(tmp_path, content, sep="")


def test_a_column_without_a_name_is_kept_and_said(tmp_path, caplog):
    assert rows(tmp_path, "\ufeff,a\n0,x\n") == [["0", "x"]]
    assert "table.csv: column 1 has no name; read as 'Unnamed: 0'." in caplog.text


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id ,item_id", r"Received: 'user_id ', 'item_id'\. Rename 'user_id ' to 'user_id'"),
        ("User_ID,item_id", r".*Rename 'User_ID' to 'user_id'"),
        ("user_id\u00a0,item_id", r"Received: 'user_id\\xa0', 'item_id'\. Rename"),
        ("userId,item_id", r"Received: 'userId', 'item_id'\. Rename your columns, or name them"),
        ("user_id;item_id", r"Received: 'user_id;item_id'\. .*by ';': give --sep ';' \(`sep`\)"),
    ],
)
def test_headers_are_shown_in_quotes_with_a_remedy(tmp_path, header, message):
    (tmp_path / "interactions.csv").write_text(f"{header}\n1{header[-8]}2\n", "utf-8")
    with pytest.raises(ValueError, match=rf"lacks the column user_id\. {message}"):
        load_folder(tmp_path)


EVENTS = "user_id;item_id;rating;timestamp\n1;a;3,5;2024-01-31\n1;b;4;1706702400,5\n2;é;-1,0;100\n"


def test_a_folder_is_read_as_it_is_said_to_be_written(tmp_path):
    text = EVENTS.replace(";100\n", ";2024-01-31T12:00:00.5\n")
    (tmp_path / "interactions.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "items.csv").write_bytes("item_id;price\na;1,5\nb;2\né;3\n".encode("cp1252"))
    csv = {"sep": ";", "encoding": "cp1252", "decimal": ","}
    data = read_tables(str(tmp_path), None, **csv)
    assert data.interactions["rating"].tolist() == [3.5, 4.0, -1.0]
    assert data.interactions["timestamp"].tolist() == [1706659200, 1706702400, 1706702400]
    assert data.interactions["item_id"].tolist() == ["a", "b", "é"]
    assert data.items["price"].tolist() == ["1,5", "2", "3"]  # as it is written
    again = load_csv(tmp_path / "interactions.csv", tmp_path / "items.csv", **csv)
    assert again.interactions.equals(data.interactions)
    with pytest.raises(ValueError, match=r"must be given for a folder.*'movielens-100k', a public"):
        read_tables("movielens-100k", None, sep=";")


def test_decimal_commas_are_refused_where_they_are_not_expected(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(EVENTS, "utf-8")
    with pytest.raises(ValueError, match=r'rows 0, 2 .*\'3,5\'.*with --decimal "," \(`decimal`\)'):
        load_csv(path, sep=";")
    path.write_text("user_id;item_id;rating\n1;a;3,5\n1;b;3.5\n", "utf-8")
    with pytest.raises(ValueError, match=r"must have the decimal ','.*row 1 .*'3\.5'"):
        load_csv(path, sep=";", decimal=",")
    with pytest.raises(ValueError, match=r"`decimal` must be one character"):
        load_csv(path, sep=";", decimal="3")


def test_texts_in_parquet_that_are_not_unicode_are_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data, ends = pa.py_buffer(b"ab\xff"), pa.py_buffer(b"\0\0\0\0\2\0\0\0\3\0\0\0")
    broken = pa.StringArray.from_buffers(2, ends, data)
    table = {"user_id": ["u", "u"], "item_id": ["1", "2"], "note": broken}
    pq.write_table(pa.table(table), tmp_path / "interactions.parquet")
    with pytest.raises(ValueError, match=r"`interactions.note` must be valid UTF-8\. .*index 1"):
        load_folder(tmp_path)
    pq.write_table(pa.table(table | {"item_id": broken}), tmp_path / "interactions.parquet")
    with pytest.raises(ValueError, match=r"`interactions.item_id` must be valid UTF-8"):
        load_folder(tmp_path)


def test_bytes_in_parquet_are_texts(tmp_path):
    events = pd.DataFrame({"user_id": [b"u"], "item_id": ["\u00e9".encode()], "rating": [b"3"]})
    events.to_parquet(tmp_path / "interactions.parquet")
    pd.DataFrame({"item_id": ["\u00e9"], "title": ["Caf\u00e9".encode()]}).to_parquet(
        tmp_path / "items.parquet"
    )
    data = load_folder(tmp_path)
    assert data.interactions.to_numpy().tolist() == [["u", "\u00e9", 3.0]]
    assert data.items["title"].tolist() == ["Caf\u00e9"]
    events.assign(item_id=[b"\xe9"]).to_parquet(tmp_path / "interactions.parquet")
    with pytest.raises(ValueError, match=r"`interactions.item_id` must be UTF-8 .*b'\\xe9'"):
        load_folder(tmp_path)
