"""The documentation is whole: its links lead somewhere, its commands and examples are real."""

import ast
import dataclasses
import html.parser
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import readme_tables
from checkout import child_environment
from written_pages import (
    PAGES,
    ROOT,
    anchors,
    blocks,
    commands,
    links,
    missing_imports,
    name_of,
    options_of,
    subcommands,
    why_refused,
)

from tfrec_fusion.data.events import Events
from tfrec_fusion.data.tables.rec_data import from_frames
from tfrec_fusion.training.callbacks import DivergenceWatch
from tfrec_fusion.training.distribution import distribution_strategy
from tfrec_fusion.zoo.cli.group import cli
from tfrec_fusion.zoo.exports.item_index import item_index
from tfrec_fusion.zoo.recommender import Recommender
from tfrec_fusion.zoo.registry import build, specs

MODEL_PAGES = [page for page in PAGES if page.parent.name == "docs" and page.stem != "README"]
GUIDES = {"extending", "from_raw_data_to_serving", "personal_data", "troubleshooting"}
PARTS = [
    "When to use it",
    "Formula",
    "Inputs and outputs",
    "Hyperparameters",
    "Numbers",
    "Train, load, export",
    "References",
]
every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_links_lead_somewhere(page):
    for file, anchor in links(page.read_text("utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        if anchor:
            assert anchor in anchors(target.read_text("utf-8")), f"{file}#{anchor}"


@every_page
def test_commands_are_taken_by_the_command_line(page):
    text = page.read_text("utf-8")
    refused = {" ".join(one): why_refused(one) for one in commands(text)}
    assert not {command: why for command, why in refused.items() if why}
    assert set(re.findall(r"tfrec-zoo (?:--plugin \S+ )?([\w-]+)", text)) <= set(subcommands(cli))


@every_page
def test_examples_compile_and_import_what_is_there(page):
    for code in blocks(page.read_text("utf-8"), "python"):
        compile(code, str(page), "exec")
        assert not missing_imports(code)


OPENS = {f"zoo.{name}" for name in ("load", "load_run", "train", "fine_tune")}


def unknown_attributes(code):
    """What is asked of a recommender, in some Python, that it does not have."""
    tree = ast.parse(code)
    made = {
        node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in OPENS
    }
    asked = [
        (ast.unparse(node.value), node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        if (isinstance(node.value, ast.Name) and node.value.id in made)
        or (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in OPENS)
    ]
    known = {*dir(Recommender), *(one.name for one in dataclasses.fields(Recommender))}
    return sorted((name, attribute) for name, attribute in asked if attribute not in known)


@every_page
def test_examples_ask_a_recommender_what_it_answers(page):
    for code in blocks(page.read_text("utf-8"), "python"):
        assert not unknown_attributes(code)


def test_notebooks_ask_a_recommender_what_it_answers():
    scripts = sorted((ROOT / "colab").glob("*.py"))
    assert len(scripts) == 6
    for script in scripts:
        assert not unknown_attributes(script.read_text("utf-8")), script.name


def test_an_attribute_that_is_gone_is_noticed():
    code = 'run = zoo.load_run("a")\nrun.recommender.recommend(1)\nzoo.load("b").reasons()\nrun.run'
    assert unknown_attributes(code) == [
        ("run", "recommender"),
        ("zoo.load('b')", "reasons"),
    ]


def test_every_model_has_one_page():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    told = re.findall(r"^\| (`.*?) \| \[.*?\]\((\w+\.md)\)", index, re.MULTILINE)
    names = [name for cell, _ in told for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted([*specs(), "ensemble", "text_ranker"])
    for cell, file in told:
        text = (ROOT / "docs" / file).read_text("utf-8")
        assert all(f"`{name}`" in text for name in re.findall(r"`(\w+)`", cell)), file
    pages = {page.name for page in MODEL_PAGES if page.stem not in GUIDES}
    assert {file for _, file in told} == pages


@pytest.mark.parametrize(
    "page", [page for page in MODEL_PAGES if page.stem not in GUIDES], ids=name_of
)
def test_a_model_page_has_every_part_and_the_baselines(page):
    text = page.read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS
    tables = [found["name"] for found in readme_tables.MARKED.finditer(text)]
    assert tables, "numbers come from benchmarks/results"
    assert "popularity" in text.lower() and "EASE" in text


def _events(num_items):
    one = np.ones(1, np.int32)
    return Events(one, one, np.ones(1), np.zeros(1), 2, num_items)


def _interactions(**columns):
    return pd.DataFrame({"user_id": ["a"], "item_id": ["7"], **columns})


REFUSED = {
    "milliseconds": lambda: from_frames(_interactions(timestamp=[1_700_000_000_000])),
    "zeros": lambda: from_frames(_interactions(), pd.DataFrame({"item_id": ["007"]})),
    "nan": lambda: DivergenceWatch().on_train_batch_end(0, {"loss": float("nan")}),
    "memory": lambda: build("ease").fit(_events(60_000)),
    "workers": lambda: distribution_strategy("multi_worker"),
    "index": lambda: item_index(build("gmf", num_users=2, num_items=3), _events(3), "float32", 0.9),
}


@pytest.mark.parametrize("what", REFUSED)
def test_troubleshooting_quotes_what_is_said(what):
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    with pytest.raises((ValueError, RuntimeError)) as refused:
        REFUSED[what]()
    assert str(refused.value) in page


def test_options_of_a_model_page_are_options_of_its_model():
    for page in MODEL_PAGES:
        text = page.read_text("utf-8")
        shown = [one for one in commands(text) if one[0] == "train"]
        if page.stem in GUIDES or not shown:
            continue
        told = set(re.findall(r"`(--[\w-]+)", text.partition("## Hyper")[2].partition("## Num")[0]))
        known = {name for one in shown for name in options_of(one[:2])} | options_of(["ensemble"])
        assert told <= known, page.name


def test_a_false_command_import_link_is_noticed():
    shown = "```console\ntfrec-zoo train ease --data d --out r --epocs 3  # no\n```\n"
    assert "--epocs" in why_refused(commands(shown)[0])
    assert "teach" in why_refused(["teach"])
    assert why_refused(["export", "runs/mine"]) == "Missing option '--to'."
    assert missing_imports(
        "from tfrec_fusion.zoo.registry import nothing\nimport zoo\n"
        "from tfrec_fusion import zoo\nzoo.load\nzoo.fly"
    ) == [
        ("tfrec_fusion.zoo.registry", "nothing"),
        ("zoo", None),  # the folder of a checkout, which says how to import it
        ("tfrec_fusion.zoo", "fly"),
    ]
    assert links("[a](b.md#c) [d](https://e.f) [g](#h)") == [("b.md", "c"), ("", "h")]
    assert anchors("# A `b`, c?\n") == {"a-b-c"}


def test_rows_of_a_table_are_chosen_by_name():
    table = "| model | x |\n| --- | --- |\n| `a` | 1 |\n| b | 2 |\n| c | 3 |\n"
    assert readme_tables.only(table, "a, c") == table.replace("| b | 2 |\n", "")
    with pytest.raises(ValueError, match="No row z; there are a, b, c"):
        readme_tables.only(table, "a, z")


class Addresses(html.parser.HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, page):
        super().__init__()
        self.ids, self.links = set(), set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and ":" not in given.get("href", ":"):
            self.links.add(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; the build says nothing, and a warning would have ended it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "docs/build_site.py", str(folder)],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def test_written_pages_link_to_what_is_on_the_site():
    made = runpy.run_path(str(ROOT / "docs" / "build_site.py"))
    assert len(list(made["_written_pages"]())) == len(made["PAGES"])


@pytest.mark.slow
def test_every_public_module_class_and_function_is_in_the_reference(site):
    for folder, package in (("tfrec_fusion", "tfrec_fusion"), ("zoo", "tfrec_fusion/zoo")):
        for source in (ROOT / folder).rglob("*.py"):
            module = package / source.relative_to(ROOT / folder).with_suffix("")
            if module.name == "__main__":
                continue
            page = site / (module.parent if module.name == "__init__" else module)
            ids = Addresses(page.with_name(page.name + ".html")).ids
            defined = ast.parse(source.read_text("utf-8")).body
            kinds = (ast.ClassDef, ast.FunctionDef)
            names = {one.name for one in defined if isinstance(one, kinds)}
            assert {name for name in names if not name.startswith("_")} <= ids, source


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(site):
    pages = {page: Addresses(page) for page in site.rglob("*.html")}
    written = {*site.glob("*.html"), *(site / "pages").glob("*.html")}
    broken = []
    for page, found in pages.items():
        for link in found.links:
            file, _, anchor = link.partition("#")
            target = Path(os.path.normpath(page.parent / file)) if file else page
            # In the reference pdoc also points to what it hides: inherited and private members.
            missing = page in written and anchor and anchor not in pages[target].ids
            if target not in pages or missing:
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken


@pytest.mark.slow
def test_every_written_page_can_be_reached_from_the_front(site):
    seen, ahead = set(), [site / "index.html"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        targets = {link.partition("#")[0] for link in Addresses(page).links} - {""}
        found = {Path(os.path.normpath(page.parent / file)) for file in targets}
        ahead += found - seen - set(ahead)
    assert seen == set(site.rglob("*.html"))
