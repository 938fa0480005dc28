"""The page at the local server's front, in a browser where there is one."""

from __future__ import annotations

import re
import subprocess

import httpx2
import pytest
from browser import CHROMIUM, needs_browser, paragraph, shown, texts


@pytest.fixture(scope="module")
def page(local_server, tmp_path_factory):
    """What the page says for the part of its address after #, tag by tag."""
    profile = tmp_path_factory.mktemp("chromium")

    def loaded(fragment):
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
        command += [f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom"]
        done = subprocess.run(
            [*command, f"{local_server.url}/#{fragment}"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return re.sub(r"(?s)<(script|style)>.*?</\1>", "", done.stdout)

    return loaded


@needs_browser
def test_a_user_is_shown_titles_and_scores(page):
    html = page("model=films&user=bob")
    assert '<h2 id="found-title">For user bob</h2>' in html
    assert texts(html, "title") == ["Élisa", "Casino", "Brazil"]
    assert texts(html, "score") == ["score 4.00", "score 3.00", "score 2.00"]
    assert shown(html, "ask-user")
    assert shown(html, "ask-likes")
    assert not shown(html, "ask-wish")  # films has no signature `search`
    assert 'aria-busy="false"' in html


@needs_browser
def test_an_unknown_user_is_told_and_shown_events_instead_of_scores(page):
    html = page("model=films&user=999999")
    assert '<h2 id="found-title">For user 999999</h2>' in html
    notice = "The model does not know user 999999. These are popular items: the number is how many"
    assert notice in paragraph(html, "notice")
    assert texts(html, "title") == ["Élisa", "Brazil", "Casino"]
    assert texts(html, "score") == ["40 events", "30 events", "20 events"]
    assert not paragraph(page("model=films&user=bob"), "notice")


@needs_browser
@pytest.mark.parametrize(
    ("fragment", "chips", "titles"),
    [
        ("model=films&like=b,zzz", 1, ["Casino", "Élisa", "Alien"]),
        ("model=wishes&like=zzz,d", 1, ["Casino", "Brazil"]),
        ("model=films&like=zzz", 0, ["Élisa", "Brazil", "Casino"]),  # what is shown at first
    ],
)
def test_an_unknown_like_is_refused(fragment, chips, titles, page):
    html = page(fragment)
    refused = "Not added, for this model has no item with this id: zzz"
    assert paragraph(html, "refused") == refused
    assert html.count('aria-label="Take back') == chips
    assert texts(html, "title") == titles


@needs_browser
def test_likes_are_answered_with_what_resembles_them_and_why(page):
    html = page("model=films&like=b,a")
    assert texts(html, "title") == ["Casino", "Élisa"]
    assert texts(html, "score") == ["score 7.00", "score 5.00"]  # 5 + 2 and 4 + 1
    # each title is learnt from the other liked item, which it resembles
    assert "resembles Brazil (5.00), Alien (2.00)" in html
    assert html.count('aria-label="Take back') == 2


@needs_browser
def test_likes_go_to_the_signature_that_takes_histories_and_wishes_to_search(page):
    html = page("model=wishes&like=d")
    assert texts(html, "title") == ["Casino", "Brazil"]
    html = page("model=wishes&wish=robots")
    assert '<h2 id="found-title">For “robots”</h2>' in html
    assert texts(html, "title") == ["Élisa", "Casino", "Brazil"]
    assert shown(html, "ask-wish")


def test_the_page_loads_nothing_from_elsewhere_and_lets_nothing_in(local_server):
    answer = httpx2.get(local_server.url)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"https?://", answer.text)
    assert "innerHTML" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for control in re.findall(r'<(?:input|select) id="(\w+)"', answer.text):
        assert f'<label for="{control}"' in answer.text


def test_the_page_is_told_what_each_model_can_do(local_server):
    films, wishes = httpx2.get(f"{local_server.url}/playground/models").json()
    assert (films["name"], films["version"], films["versions"]) == ("films", 1, [1])
    assert films["signatures"]["score"] == {
        "inputs": {
            "item_id": {"dtype": "string", "shape": [None]},
            "user_id": {"dtype": "string", "shape": [None]},
        },
        "outputs": {
            "score": {"dtype": "float32", "shape": [None]},
            "source": {"dtype": "string", "shape": [None]},
        },
    }
    assert "search" in wishes["signatures"]
