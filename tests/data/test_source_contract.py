"""Contract of every named data set: it describes itself and is read offline into sound tables."""

import dataclasses
import socket

import pytest
from source_files import FILES, INSTRUMENTS, put

from tfrec_fusion.data.sources.loading import DataUnavailable, load
from tfrec_fusion.data.sources.reading import read_tables
from tfrec_fusion.data.sources.registry import get_source, source_names
from tfrec_fusion.data.tables.rec_data import RecData, checksum
from tfrec_fusion.files.download import Archive, Unreachable, Wheel


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """An empty cache, and no way out of this machine."""

    def refuse(*given, **named):
        raise AssertionError("reading must not need a network")

    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(Archive, "fetch", refuse)
    monkeypatch.setattr(Wheel, "fetch", refuse)


@pytest.mark.parametrize("name", source_names())
def test_it_says_what_it_is_on_which_terms_and_whom_to_cite(name):
    source = get_source(name)
    assert source.name == name
    assert len(source.summary) < 100 and source.summary[0].isalnum()
    assert len(source.license) > 15
    assert len(source.citation) > 30 or source.citation.startswith("None: ")
    for download in source.downloads:
        assert len(bytes.fromhex(download.sha256)) == 32
    addresses = [archive.url for archive in source.downloads if isinstance(archive, Archive)]
    assert all(address.startswith("https://") for address in addresses)
    # Whoever has no network, or may not get it from anybody, is told what to do.
    assert source.make or source.local_copy or addresses


def copies(name, folder):
    """The tiny data set in each of its layouts, as a folder."""
    assert name in FILES, f"tests/support/source_files.py has no tiny {name}"
    layouts, files = get_source(name).layouts(), FILES[name]
    assert len(layouts) == len(files)
    for number, (layout, some) in enumerate(zip(layouts, files, strict=True)):
        assert set(layout.required) <= set(some)
        yield put(folder / str(number), some)


@pytest.mark.parametrize("name", source_names())
def test_a_local_copy_in_its_own_layout_is_read_into_sound_tables(name, tmp_path, caplog):
    source = get_source(name)
    if source.make:
        read = [read_tables(name), read_tables(name)]
        assert len(read[0].interactions) == source.num_interactions
    else:
        read = [read_tables(name, folder) for folder in copies(name, tmp_path)]
        assert f"the official release has {source.num_interactions}" in caplog.text
    assert len({checksum(data) for data in read}) == 1  # whichever the layout
    data = read[0]
    assert (data.name, data.license, data.citation) == (name, source.license, source.citation)
    again = RecData(data.interactions, data.items, data.users, data.graph)
    assert checksum(again) == checksum(data) and len(data.interactions) > 0
    assert (data.items["title"] != "").all() and set(data.items["text"]) != {""}


@pytest.mark.parametrize("name", [name for name in source_names() if get_source(name).make])
def test_what_is_made_takes_no_local_copy(name, tmp_path):
    with pytest.raises(ValueError, match=rf"{name} is made by a program .* leave --data-dir \("):
        load(name, tmp_path)


@pytest.mark.parametrize("name", [name for name in source_names() if get_source(name).local_copy])
def test_without_a_download_the_message_says_how_to_get_it(name, monkeypatch, tmp_path):
    source = get_source(name)
    for download in source.downloads:
        monkeypatch.setattr(type(download), "fetch", unreachable)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataUnavailable) as caught:
        load(name, tmp_path / "empty")
    assert source.local_copy in str(caught.value)
    required = " + ".join(source.layouts()[-1].required)
    assert f"{tmp_path / 'empty'} holds " in str(caught.value) and required in str(caught.value)


def unreachable(self, folder):
    raise Unreachable("no index")


def test_reviews_of_instruments_by_hand(tmp_path):
    data = read_tables("musical-instruments", put(tmp_path / "local", INSTRUMENTS))
    columns = ["user_id", "item_id", "rating", "timestamp", "text"]
    assert data.interactions[columns].to_numpy().tolist() == [
        ["A2", "0007", 5.0, 1393545600, 'Good. It does "just" that.'],
        ["A7", "B002", 1.0, 1363392000, "NA. "],
    ]
    assert data.items.to_numpy().tolist() == [
        ["0007", "Cable", "Cables, Guitar", "Cables, Guitar", "6.99"],
        ["B002", "NA", "Picks", "Picks", ""],
    ]
    other = INSTRUMENTS | {
        "reviews.csv.gz": b"user_id,item_id,rating,timestamp,summary,review_text\nA2,0007,6,1,a,b\n"
    }
    with pytest.raises(ValueError, match=r"The files in .* are damaged: .*not a sound compressed"):
        load("musical-instruments", put(tmp_path / "plain", other))


def test_a_description_that_says_too_little_is_refused():
    source = get_source("synthetic")
    for change, message in [
        ({"name": "My Data"}, "`name` must be of small letters"),
        ({"summary": "A data set."}, "`summary` of synthetic must be one line without a full stop"),
        ({"license": " "}, "`license` of synthetic must not be empty: if it has none, say so"),
        ({"citation": ""}, "`citation` of synthetic must not be empty"),
        ({"make": None}, "synthetic needs `layouts`, or else `make`"),
        ({"make": None, "layouts": tuple}, "needs `downloads`, or `local_copy`, which says how"),
    ]:
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(source, **change)
