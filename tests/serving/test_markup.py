"""Titles, texts and ids that hold markup: shown as the text they are, wherever they are shown."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from unittest import mock
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from command_line import answer, run
from serving_models import SCORES, SIMILAR, call_here, table_model

from tfrec_fusion.serving.export import verification
from tfrec_fusion.serving.export.export import export
from tfrec_fusion.serving.export.served import ServedModels
from tfrec_fusion.serving.local.server import LocalServer
from tfrec_fusion.zoo.answers.explanation import Explanation
from tfrec_fusion.zoo.answers.printable import printable

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")

# Each would say so in the page's title, the first thing of a page that a script can reach.
IMAGE = "<img src=x onerror=\"document.title='attacked'\">"
SCRIPT = "</title></script><script>document.title='attacked'</script>"
BREAK_OUT = "\"'><svg onload=\"document.title='attacked'\">"
ENTITY = "&lt;b&gt; ${document.title='attacked'} {{7*7}} javascript:alert(1)"
HOSTILE = [IMAGE, SCRIPT, BREAK_OUT, ENTITY]


def dom(address, folder):
    """The page after its scripts have run."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={folder}", "--virtual-time-budget=10000", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<title>attacked" not in done.stdout
    return re.sub(r"(?s)<(script|style)>.*?</\1>", "", done.stdout)


class Elements(HTMLParser):
    """Collects the names of a page's tags and attributes."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def assert_no_elements_of_markup(html):
    found = Elements(html)
    assert "body" in found.tags
    assert "img" not in found.tags
    assert not [name for name in found.attributes if name.startswith("on")]


@pytest.fixture(scope="module")
def hostile_server(tmp_path_factory):
    """A model whose user id, item ids and titles are markup, served."""
    folder = tmp_path_factory.mktemp("hostile")
    models = ServedModels(
        table_model("user_id", SCORES), similarity=table_model("item_id", SIMILAR)
    )
    with mock.patch.object(verification, "call_in_clean_process", call_here):
        export(
            models,
            folder / "films",
            user_ids=["", IMAGE, "bob"],
            item_ids=["", *HOSTILE],
            titles=["", *HOSTILE],
            known=sp.csr_matrix(([1], ([1], [1])), shape=(3, 5)),
            popularity=np.array([0, 10, 30, 20, 40], np.float32),
            page_sizes=(3,),
        )
    with LocalServer(folder, port=0, grpc_port=None) as server:
        yield server


@needs_browser
def test_the_playground_shows_markup_as_text(hostile_server, tmp_path):
    html = dom(f"{hostile_server.url}/#model=films&user={quote(IMAGE)}", tmp_path)
    assert_no_elements_of_markup(html)
    titles = re.findall(r'class="title">([^<]*)<', html)
    assert [unescape(one) for one in titles] == [SCRIPT, BREAK_OUT, ENTITY]  # 4, 3 and 2
    (heading,) = re.findall(r'<h2 id="found-title">([^<]*)</h2>', html)
    assert unescape(heading) == f"For user {IMAGE}"


@needs_browser
def test_likes_and_refused_ids_with_markup_are_text(hostile_server, tmp_path):
    unknown = "<img src=y onerror=\"document.title='attacked'\">"
    likes = f"{quote(IMAGE, safe='')},{quote(unknown, safe='')}"
    html = dom(f"{hostile_server.url}/#model=films&like={likes}", tmp_path)
    assert_no_elements_of_markup(html)
    (refused,) = re.findall(r'<p id="refused"[^>]*>([^<]*)</p>', html)
    assert unescape(refused) == f"Not added, for this model has no item with this id: {unknown}"
    assert f"{IMAGE} ✕" in unescape(html)
    titles = re.findall(r'class="title">([^<]*)<', html)
    assert [unescape(one) for one in titles] == [SCRIPT, BREAK_OUT, ENTITY]  # alike by 3, 2, 1


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run over tables whose ids, titles, texts and labels are markup, and control characters."""
    folder = tmp_path_factory.mktemp("hostile") / IMAGE.replace("/", "")
    folder.mkdir()
    items = [*HOSTILE, "e\r\n  9. forged \x1b[2J\u202egnp"]
    users = [f"{SCRIPT}{number}" for number in range(4)]
    rows = [(user, item) for number, user in enumerate(users) for item in items[: 3 + number % 2]]
    events = pd.DataFrame(rows, columns=["user_id", "item_id"])
    events["timestamp"] = range(len(events))
    events.to_csv(folder / "interactions.csv", index=False)
    table = {"item_id": items, "title": items, "text": items, "genres": items}
    pd.DataFrame(table).to_csv(folder / "items.csv", index=False, lineterminator="\n")
    out = folder / "run"
    run("train", "popularity", "--data", folder, "--out", out)
    return out, users


@needs_browser
def test_the_report_shows_markup_as_text(hostile_run, tmp_path):
    folder, _ = hostile_run
    html = dom((folder / "report.html").as_uri(), tmp_path)
    assert_no_elements_of_markup(html)
    assert "popularity" in html


def test_a_title_cannot_forge_lines_or_steer_the_terminal(hostile_run):
    folder, users = hostile_run
    said = run("recommend", folder, "--user-id", users[0], "-k", 2).stdout
    lines = said.splitlines()
    assert len(lines) == 2
    assert r"e\r\n  9. forged \x1b[2J\u202egnp" in said
    (item,) = [
        one
        for one in answer("recommend", folder, "--user-id", users[0], "-k", 2)["items"]
        if "forged" in one["title"]
    ]
    assert item["title"] == "e\r\n  9. forged \x1b[2J\u202egnp"  # JSON keeps the text itself


def test_an_explanation_is_one_line_an_effect():
    past = pd.DataFrame({"item_id": ["a"], "title": ["Heat\n+9.999  forged"], "effect": [0.5]})
    words = pd.DataFrame({"word": ["\x1b[2Jrobot"], "effect": [0.25]})
    found = Explanation("u\n", "i\t", "\x9bTitle", 1.0, past, words)
    assert found.as_text().splitlines() == [
        r"\x9bTitle  [i\t]  for user u\n: 1.000",
        "past items, and by how much the score falls without them:",
        r"  +0.500  Heat\n+9.999  forged",
        "words of the text, and by how much the score falls without them:",
        r"  +0.250  \x1b[2Jrobot",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Élisa, 東京物語 🎬 👩‍🚀", "Élisa, 東京物語 🎬 👩‍🚀"),
        ("שלום", "שלום"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\u2066ltr\u2069 \u200f", r"\u2066ltr\u2069 \u200f"),
        ("\x00\x07\x08\x7f", r"\x00\x07\x08\x7f"),
    ],
)
def test_texts_of_any_script_stay_and_steering_characters_are_escaped(text, shown):
    assert printable(text) == shown
