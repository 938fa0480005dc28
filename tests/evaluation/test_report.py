"""The report: the same numbers in the terminal, in CSV and on a page that stands alone."""

from __future__ import annotations

import doctest
import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tfrec_fusion.evaluation import page as page_module
from tfrec_fusion.evaluation import plots, rows
from tfrec_fusion.evaluation.report import ReportRow, print_table, read_csv, write_csv, write_html
from tfrec_fusion.evaluation.rows import DASH

ROWS = [
    ReportRow(
        "popularity",
        {"ndcg@10": 0.1111, "rmse": 1.25, "popularity@10": 300.0},
        {"ndcg@10": (0.1034, 0.1187)},
    ),
    ReportRow("EASE <b>&$x$", {"ndcg@10": 0.19161}, {"ndcg@10": (0.1813, 0.2024)}),
    ReportRow("neumf", {"ndcg@10": float("nan"), "rmse": 0.9, "popularity@10": 12.345}),
]
CURVES = {
    "neumf": {"loss": [0.5, 0.4, 0.3], "val_ndcg@10": [0.1, 0.15, 0.17]},
    "two$_$tower": {"loss": [2.0], "val_ndcg@10": [0.2], "val_loss": [2.5]},
}


def page(tmp_path, **arguments) -> str:
    path = tmp_path / "report.html"
    write_html(path, **{"rows": ROWS, "title": "Films", **arguments})
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    return path.read_text("utf-8")


class Reader(HTMLParser):
    """Collects the page's text, its attributes and what was left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta",):
            self.open.append(tag)
        self.links += [v for k, v in attributes if k.split(":")[-1] in ("href", "src")]

    def handle_startendtag(self, tag, attributes):
        self.links += [v for k, v in attributes if k.split(":")[-1] in ("href", "src")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data.strip())


def test_examples():
    assert doctest.testmod(rows).failed == 0


def printed(**arguments) -> str:
    file = io.StringIO()
    print_table(ROWS, console=Console(file=file), **arguments)
    return file.getvalue()


def test_table_shows_numbers_half_widths_and_gaps():
    lines = [line.split() for line in printed(title="Films, test").splitlines()]
    assert lines[0] == ["Films,", "test"]
    assert ["model", "NDCG@10", "RMSE", "Popularity@10"] in lines
    assert ["popularity", "0.1111", "1.2500", "300.0"] in lines
    assert ["±0.0076"] in lines  # (0.1187 - 0.1034) / 2 = 0.00765, and floats lie below it
    assert ["EASE", "<b>&$x$", "0.1916", DASH, DASH] in lines
    assert ["neumf", DASH, "0.9000", "12.35"] in lines


def test_table_without_a_terminal_is_as_wide_as_it_needs():
    row = ReportRow("a model " * 12, {f"metric_{n}@10": 0.5 for n in range(20)})
    file = io.StringIO()
    print_table([row], console=Console(file=file, width=40))
    assert "a model " * 11 in file.getvalue()
    assert "…" not in file.getvalue()


def test_table_fits_a_terminal():
    file = io.StringIO()
    print_table(ROWS, console=Console(file=file, force_terminal=True, width=40))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())
    assert max(len(line) for line in plain.splitlines()) <= 40


def test_table_goes_to_standard_output(capsys):
    print_table(ROWS, ["rmse"])
    out = capsys.readouterr().out
    assert "0.9000" in out
    assert "NDCG" not in out


@pytest.mark.parametrize(
    ("metric", "best"),
    [("ndcg@10", {"EASE <b>&$x$"}), ("rmse", {"neumf"}), ("popularity@10", set()), ("x", set())],
)
def test_best_models(metric, best):
    assert rows.best_models(ROWS, metric) == best


@pytest.mark.parametrize("metric", ["loss", "val_loss", "val_rmse", "perplexity", "gini@10"])
def test_the_lowest_error_is_best(metric):
    assert rows.best_models(
        [ReportRow("a", {metric: 0.5}), ReportRow("b", {metric: 0.25})], metric
    ) == {"b"}


def test_csv_round_trip(tmp_path):
    path = tmp_path / "report.csv"
    odd = ReportRow('a,"b"', {"ndcg@10": 1 / 3}, {"ndcg@10": (0.1, 2 / 3)})
    write_csv(path, [*ROWS[:2], odd])
    assert [one.name for one in tmp_path.iterdir()] == ["report.csv"]
    head = path.read_text("utf-8").splitlines()
    assert head[0] == "model,ndcg@10,ndcg@10_low,ndcg@10_high,rmse,popularity@10"
    assert head[1] == "popularity,0.1111,0.1034,0.1187,1.25,300.0"
    assert head[2] == "EASE <b>&$x$,0.19161,0.1813,0.2024,,"
    assert read_csv(path) == [*ROWS[:2], odd]


def test_csv_of_something_else(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("user,item\n1,2\n")
    with pytest.raises(ValueError, match=r"other.csv must have a column 'model'"):
        read_csv(path)


def test_page_shows_title_notes_and_numbers(tmp_path):
    words = Reader(page(tmp_path, notes=["Split in <time>."], curves=CURVES)).words
    assert words.count("Films") == 2
    for word in ("Split in <time>.", "0.1916", f"0.1813{DASH}0.2024", "1.2500", "300.0", DASH):
        assert word in words
    assert {"Loss", "NDCG@10", "neumf, training", "neumf, validation", "epoch"} <= set(words)


def test_page_stands_alone(tmp_path):
    text = page(tmp_path, curves=CURVES)
    reader = Reader(text)
    assert reader.open == []
    assert reader.links
    assert all(link.startswith("#") for link in reader.links)
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not re.search(r"@import|url\((?!#)", text)
    targets = re.findall(r' id="([^"]*)"', text)
    assert len(targets) == len(set(targets))
    assert {link[1:] for link in reader.links} <= set(targets)


def test_page_escapes_names_and_reads_no_formulas(tmp_path):
    table = [ReportRow("<script>alert(1)</script> $x_1$", {"<i>@10": 0.5}, {"<i>@10": (0.4, 0.6)})]
    curves = {"<script>run": {"<u>": [1.0, 2.0]}, "b": {"val_<u>": [1.0]}}
    reader = Reader(page(tmp_path, rows=table, title="<h1>&", curves=curves, notes=["<hr>"]))
    assert not {"script", "i", "u", "hr"} & set(reader.tags)
    assert reader.tags.count("h1") == 1
    assert reader.words.count("<script>alert(1)</script> $x_1$") == 2  # table and plot
    assert "<script>run, training" in reader.words


def test_braces_in_a_title_are_only_text(tmp_path):
    text = page(tmp_path, title="{body} {title}")
    assert "<h1>{body} {title}</h1>" in text


def test_page_draws_one_interval_for_each_it_was_given(tmp_path):
    text = page(tmp_path)
    assert re.findall(r'id="(interval[^"]*)"', text) == ["interval-ndcg@10-0", "interval-ndcg@10-1"]


def test_page_draws_only_what_is_asked(tmp_path):
    text = page(tmp_path, metrics=["rmse", "ndcg@10"], plotted=["rmse"])
    assert Reader(text).words.count("RMSE") == 2
    assert Reader(text).words.count("NDCG@10") == 1
    assert Reader(text).words.count("Popularity@10") == 0
    assert "Bold: the best." in text
    alone = page(tmp_path, rows=ROWS[:1], plotted=[])
    assert "<svg" not in alone
    assert "Bold" not in alone


def test_page_is_the_same_every_time(tmp_path):
    assert page(tmp_path, curves=CURVES) == page(tmp_path, curves=CURVES)


def test_interval_need_not_hold_the_value():
    row = ReportRow("odd", {"auc": 0.5}, {"auc": (0.6, 0.7)})
    assert "interval-auc-0" in plots.metric_bars([row], ["auc"])


def test_bars_of_zero_negative_and_missing_values():
    table = [ReportRow("a", {"x": 0.0}), ReportRow("b", {"x": -1.0}), ReportRow("c", {})]
    assert Reader(plots.metric_bars(table, ["x"])).words.count(DASH) == 1
    assert "0.0000" in plots.metric_bars(table[:1], ["x"])


def test_a_failed_page_leaves_the_old_one(tmp_path, monkeypatch):
    before = page(tmp_path)
    monkeypatch.setattr(page_module, "metric_bars", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        page(tmp_path, title="New")
    assert (tmp_path / "report.html").read_text("utf-8") == before


@pytest.mark.parametrize(
    ("rows", "metrics", "match"),
    [
        ([], None, r"`rows` must hold at least one model. Received: none"),
        (ROWS, ["mrr"], r"`metrics` must be among \['ndcg@10', 'rmse', 'popularity@10'\].*'mrr'"),
    ],
)
def test_bad_arguments(rows, metrics, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        print_table(rows, metrics)
    with pytest.raises(ValueError, match=match):
        write_html(tmp_path / "report.html", rows, title="", metrics=metrics)
    assert list(tmp_path.iterdir()) == []


def test_a_curve_goes_on_past_epochs_that_were_not_validated():
    gap = float("nan")
    history = {"loss": [3.0, 2.0, 1.0, 0.5], "val_ndcg@10": [gap, 0.1, gap, 0.2]}
    drawn = plots.learning_curves({"run": history})
    line = re.search(r'id="curve-run-val_ndcg@10">.*?<path d="(.*?)"', drawn, re.DOTALL)[1]
    assert line.count("M") == 1 and line.count("L") == 1  # two points, joined


def test_panels_of_curves_share_the_epochs():
    history = {"loss": [30.0, 20.0], "val_ndcg@10": [float("nan"), 0.2]}
    drawn = plots.learning_curves({"run": history})
    assert re.findall(r">(1\.\d+)<", drawn) == []  # no ticks between epochs around a lone point


def test_bars_of_effects_are_as_wide_in_every_panel():
    few, many = [("one", 1.0)], [(str(n), n - 3.5) for n in range(8)]
    drawn = plots.effect_bars({"few": few, "many": many}, "why")
    bars = re.findall(r'<path d="([^"]*?)z[^>]*opacity: 0.75', drawn)
    edges = [{float(y) for y in re.findall(r"[ML] \S+ (\S+)", bar)} for bar in bars]
    widths = [max(one) - min(one) for one in edges]
    assert len(widths) == 9 and max(widths) - min(widths) < 0.1
